package eventlogtest

import (
	"errors"

	"github.com/hooklog/hooklog/eventlog"
)

func closeRules() []Rule {
	return []Rule{
		{Name: "closing ends subscriptions and consumers with ErrClosed", check: closeEnds},
		{Name: "a closed log refuses everything with ErrClosed", check: closedRefuses},
	}
}

func closeEnds(x *run) {
	live, g := x.follow(x.head()), x.group()
	m := x.join(g, 2)
	x.publish(g, 1)
	live.until(1, true)
	m.next() // Its handler waits for its context.
	if err := x.log.Close(); err != nil {
		x.Fatalf("close: %v", err)
	}
	if err := receive(x, "the subscription to end", live.done); !errors.Is(err, eventlog.ErrClosed) {
		x.Errorf("a subscription to a log that is closed: got %v, want ErrClosed", err)
	}
	if err := receive(x, "the consumer to end", m.done); !errors.Is(err, eventlog.ErrClosed) {
		x.Errorf("a consumer of a log that is closed: got %v, want ErrClosed", err)
	}
}

func closedRefuses(x *run) {
	stream, g := unique("closed"), x.group()
	at := x.append(stream, eventlog.NoStream, newEvent("t"))
	for range 2 {
		if err := x.log.Close(); err != nil {
			x.Fatalf("close: %v", err)
		}
	}
	check := func(what string, err error) {
		x.Helper()
		if !errors.Is(err, eventlog.ErrClosed) {
			x.Errorf("%s on a closed log: got %v, want ErrClosed", what, err)
		}
	}
	_, err := x.log.Append(x.ctx, stream, eventlog.Any, newEvent("t"))
	check("append", err)
	for _, err := range x.log.Read(x.ctx, stream, 0) {
		check("read", err)
	}
	for _, err := range x.log.ReadAll(x.ctx, x.start) {
		check("read all", err)
	}
	_, err = x.log.ReadAt(x.ctx, at.Position)
	check("read at", err)
	_, err = x.log.Head(x.ctx)
	check("head", err)
	check("subscribe", x.log.Subscribe(x.ctx, x.start, nil))
	check("consume", x.log.Consume(x.ctx, g, 1, nil))
	_, err = x.log.Stats(x.ctx, g.Name)
	check("stats", err)
	_, err = x.log.ReplayParked(x.ctx, g.Name)
	check("replay", err)
}
