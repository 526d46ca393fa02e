package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/rs/zerolog"

	httpd "github.com/hooklog/hooklog/http"
)

// listen takes the addresses, so that a taken one is told before anything runs.
func (n *node) listen(ctx context.Context) error {
	var config net.ListenConfig
	for _, l := range []struct {
		into    *net.Listener
		setting string
		address string
	}{{&n.public, "listen", n.settings.listen}, {&n.operator, "operator-listen", n.settings.operatorListen}} {
		listener, err := config.Listen(ctx, "tcp", l.address)
		if err != nil {
			return fmt.Errorf("--%s %s: %w", l.setting, l.address, err)
		}
		*l.into = listener
		n.atClose(func() error { return ignoreClosed(listener.Close()) })
	}
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// publicURL and operatorURL are where the listeners are, by addresses that can be dialled.
func (n *node) publicURL() string   { return dialable(n.public) }
func (n *node) operatorURL() string { return dialable(n.operator) }

func dialable(l net.Listener) string { return "http://" + hostPort(l) }

// hostPort is an address at which this machine reaches a listener.
func hostPort(l net.Listener) string {
	at, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return l.Addr().String()
	}
	if at.IP.IsUnspecified() {
		at = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: at.Port}
	}
	return at.String()
}

// lastGrace is how long requests may take to notice that they were given up.
const lastGrace = 5 * time.Second

// serveHTTP serves until ctx ends, then waits at most grace for the requests under way. Those that take longer are given
// up by their contexts, so that none works on with what is closed next.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, grace time.Duration, logger zerolog.Logger) error {
	base, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	server := httpd.NewServer(l.Addr().String(), h)
	server.BaseContext = func(net.Listener) context.Context { return base }
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	err := shutDown(server, grace)
	if errors.Is(err, context.DeadlineExceeded) {
		logger.Warn().Stringer("listener", l.Addr()).Msg("requests under way were cut off")
		giveUp()
		if err = shutDown(server, lastGrace); errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
	}
	<-served
	return err
}

// shutDown stops accepting and waits for the requests under way; context.DeadlineExceeded if they take too long.
func shutDown(server *http.Server, grace time.Duration) error {
	stopping, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	return server.Shutdown(stopping)
}

// operatorHandler is what the operator listener serves, without a key: keep it away from the public.
func (n *node) operatorHandler() http.Handler {
	mux := http.NewServeMux()
	shown := n.api.OperatorHandler()
	mux.Handle("/", shown)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if n.stopping.Load() {
			http.Error(w, `{"status":"stopping"}`, http.StatusServiceUnavailable)
			return
		}
		shown.ServeHTTP(w, r)
	})
	if n.settings.pprof {
		n.logger.Warn().Msg("profiles are offered on the operator listener")
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}
