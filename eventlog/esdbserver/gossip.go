package esdbserver

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/hooklog/hooklog/eventlog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// gossiper tells of a cluster of one node, which is where the client has reached it.
type gossiper struct {
	gossip.UnimplementedGossipServer
	instance  eventlog.ID
	advertise string // host and port; empty is where the client has reached the server
}

func (g gossiper) Read(ctx context.Context, _ *shared.Empty) (*gossip.ClusterInfo, error) {
	at, err := g.reachedAt(ctx)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &gossip.ClusterInfo{Members: []*gossip.MemberInfo{{
		InstanceId:   wireID(g.instance),
		TimeStamp:    time.Now().UnixNano() / tick,
		State:        gossip.MemberInfo_Leader,
		IsAlive:      true,
		HttpEndPoint: at,
	}}}, nil
}

func (g gossiper) reachedAt(ctx context.Context) (*gossip.EndPoint, error) {
	address := g.advertise
	if p, ok := peer.FromContext(ctx); ok && address == "" {
		address = p.LocalAddr.String()
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("the address of this node: %w", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("the port of this node: %w", err)
	}
	return &gossip.EndPoint{Address: host, Port: uint32(number)}, nil
}
