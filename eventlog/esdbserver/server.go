package esdbserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdbwire"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

const (
	// maxMessage is the largest message that is received. What may be appended is decided later.
	maxMessage = 16 << 20
	// window is how many bytes a client may send ahead of what is read. A window that is given is not measured by a ping with
	// every group of messages.
	window = 1 << 20
	// pingsApart is how far apart clients must keep their pings, keepalive how often this server pings, and how long it
	// waits for the answer.
	pingsApart = 5 * time.Second
	keepalives = 10 * time.Second
	// grace is how long calls may go on after Serve was told to end. Subscriptions are ended at once.
	grace = 2 * time.Second
)

// Server serves a log.
type Server struct {
	config Config
	door   doorkeeper
	watch  *watch
	groups *groups
	recent *recent
	id     eventlog.ID
	// life ends when the server begins to stop. Subscriptions and consumers end with it.
	life context.Context
	stop context.CancelFunc
}

// New checks the configuration. The server does nothing before Serve.
func New(config Config) (*Server, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("esdbserver: %w", err)
	}
	s := &Server{config: config, door: newDoorkeeper(config), watch: newWatch(), recent: newRecent(), id: randomID()}
	s.groups = newGroups(s)
	s.life, s.stop = context.WithCancel(context.Background())
	return s, nil
}

func randomID() (id eventlog.ID) {
	rand.Read(id[:]) // It never fails.
	return id
}

// Serve serves what comes through the listener until ctx ends, which is no error, and closes the listener. It is called
// once. When it returns nothing of the server runs any more; the log may then be closed.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	defer s.stop()
	if err := s.groups.load(ctx); err != nil {
		s.stop()
		return errors.Join(fmt.Errorf("serve: %w", err), s.groups.close(), listener.Close())
	}
	g := s.grpc()
	tasks, ctx := errgroup.WithContext(ctx)
	tasks.Go(func() error {
		defer s.stop() // A server that stops by itself ends everything else.
		if err := g.Serve(listener); err != nil {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	tasks.Go(func() error { return s.watch.run(s.life, s.config.Log) })
	tasks.Go(func() error {
		select {
		case <-ctx.Done():
		case <-s.life.Done():
		}
		s.stop()
		hasty := time.AfterFunc(grace, g.Stop)
		defer hasty.Stop()
		g.GracefulStop()
		return nil
	})
	err := tasks.Wait()
	return errors.Join(err, s.groups.close())
}

func (s *Server) grpc() *grpc.Server {
	options := []grpc.ServerOption{
		grpc.ForceServerCodecV2(esdbwire.NewCodec()),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.InitialWindowSize(window),
		grpc.InitialConnWindowSize(window),
		grpc.MaxSendMsgSize(math.MaxInt32),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingsApart, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepalives, Timeout: keepalives}),
		grpc.UnaryInterceptor(s.door.unary),
		grpc.StreamInterceptor(s.door.stream),
		grpc.WaitForHandlers(true),
	}
	if !s.config.Insecure {
		options = append(options, grpc.Creds(credentials.NewTLS(s.config.TLS)))
	}
	g := grpc.NewServer(options...)
	serverfeatures.RegisterServerFeaturesServer(g, features{})
	gossip.RegisterGossipServer(g, gossiper{instance: s.id, advertise: s.config.Advertise})
	streams.RegisterStreamsServer(g, &streamService{Server: s})
	persistent.RegisterPersistentSubscriptionsServer(g, &groupService{Server: s})
	return g
}

// while returns a context that ends with ctx and with the server.
func (s *Server) while(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.life, cancel)
	return ctx, func() { stop(); cancel() }
}
