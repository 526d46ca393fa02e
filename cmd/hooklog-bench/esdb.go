package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/hooklog/hooklog/eventlog/esdb"
)

// measureESDB compares Hooklog on a log node, a process of its own that is spoken to through EventStoreDB's client and
// protocol, with the relay and with Hooklog on its own log; and the two ways to the log with each other.
func (b *bench) measureESDB(ctx context.Context) error {
	if err := b.start(ctx); err != nil {
		return err
	}
	n, err := b.startOnLogNode(ctx)
	if err == nil {
		err = b.compareLogs(ctx, n)
	}
	return errors.Join(err, n.stop())
}

// noded is Hooklog on a log node.
type noded struct {
	log    *process
	url    string
	server *server
	key    string
}

// startOnLogNode starts a log node and Hooklog on it, with one subscription. What it started is to be stopped even if it
// fails.
func (b *bench) startOnLogNode(ctx context.Context) (n *noded, err error) {
	n = &noded{}
	if n.log, n.url, err = startLogNode(ctx, b.hooklog, filepath.Join(b.dir, "lognode")); err != nil {
		return n, err
	}
	keyset := filepath.Join(b.dir, "keyset.json")
	if said, err := exec.CommandContext(ctx, b.hooklog, "keyset", "new", keyset).CombinedOutput(); err != nil {
		return n, fmt.Errorf("make a keyset: %w: %s", err, said)
	}
	if n.server, err = startHooklog(ctx, b.hooklog, filepath.Join(b.dir, "node"), "--esdb-url", n.url, "--keyset", keyset); err != nil {
		return n, err
	}
	if n.key, err = n.server.organize(ctx, slug, "vantageclaw"); err != nil {
		return n, err
	}
	return n, n.server.subscribe(ctx, slug, b.receiver.Targets[0]+"/0")
}

func (n *noded) stop() error {
	var err error
	if n.server != nil && n.server.process != nil {
		err = n.server.stop()
	}
	if n.log != nil {
		err = errors.Join(err, n.log.stop())
	}
	return err
}

// startLogNode starts an insecure log node and waits until it listens.
func startLogNode(ctx context.Context, binary, dir string) (*process, string, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, "", err
	}
	cmd := exec.CommandContext(ctx, binary, "log", "serve", "--data", dir, "--esdb-listen", address, "--insecure", "--log-format", "json")
	log, err := os.Create(dir + ".log")
	if err != nil {
		return nil, "", err
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	p := watch("log node", cmd, nil)
	if err := p.listens(ctx, address); err != nil {
		return nil, "", errors.Join(err, p.stop())
	}
	return p, "esdb://" + address + "?tls=false", nil
}

// listens waits until the process takes connections.
func (p *process) listens(ctx context.Context, address string) error {
	for {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.ended:
			return fmt.Errorf("the %s ended before it listened", p.name)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// flow measures publishing to Hooklog on the log node, and what it costs that node.
func (n *noded) flow(b *bench, batch int) func(context.Context) (figures, error) {
	flow := b.flow(n.server.process, n.server.publisher(slug, n.key, b.options, batch, 1))
	return func(ctx context.Context) (figures, error) {
		before, err := n.log.cpu()
		if err != nil {
			return figures{}, err
		}
		f, err := flow(ctx)
		if err != nil {
			return f, err
		}
		after, err := n.log.cpu()
		f.log = (after - before) / time.Duration(max(1, f.Arrived))
		return f, err
	}
}

func logOf(f figures) float64 { return micros(f.log) }

// compareLogs runs the rounds, and then the logs alone.
func (b *bench) compareLogs(ctx context.Context, n *noded) error {
	single := &part{letter: "e", name: "on a log node, single", measure: n.flow(b, 1)}
	batches := &part{letter: "f", name: "on a log node, 100 a batch", measure: n.flow(b, 100)}
	parts := append(b.parts(), b.wanted([]*part{single, batches})...)
	if err := b.runRounds(ctx, parts); err != nil {
		return err
	}
	b.printRounds(parts)
	fmt.Fprintf(b.out, "CPU of the log node, µs/delivery: (e) %s, (f) %s\n", spreadOf(single.of(logOf)).format("%.1f"), spreadOf(batches.of(logOf)).format("%.1f"))
	by := lettered(parts)
	if by["b"] != nil && by["e"] != nil {
		fmt.Fprintf(b.out, "  e/b\tsingle publishes on a log node to the relay\t%s\n", ratios(single, by["b"], rateOf).format("%.2f"))
	}
	if by["a"] != nil && by["f"] != nil {
		fmt.Fprintf(b.out, "  f/a\tbatches of 100 on a log node to the bare loop\t%s\n", ratios(batches, by["a"], rateOf).format("%.2f"))
	}
	if b.only != "" {
		return b.lateArrivals(ctx)
	}
	if err := b.measureLog(ctx); err != nil {
		return err
	}
	return errors.Join(b.measureLogNode(ctx), b.lateArrivals(ctx))
}

// measureLogNode measures a log node alone, with nothing else in its log.
func (b *bench) measureLogNode(ctx context.Context) error {
	p, url, err := startLogNode(ctx, b.hooklog, filepath.Join(b.dir, "alone"))
	if err != nil {
		return err
	}
	log, err := esdb.Open(ctx, esdb.Config{URL: url})
	if err == nil {
		err = errors.Join(b.measureLogAlone(ctx, "The same through a log node and EventStoreDB's protocol", log), log.Close())
	}
	return errors.Join(err, p.stop())
}
