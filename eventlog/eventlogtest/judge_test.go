package eventlogtest_test

import (
	"context"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/eventlog/eventlogtest"
	"github.com/hooklog/hooklog/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// faulty makes a backend that breaks the log in one way. It is impatient, because some faults make rules wait for what never comes.
func faulty(spoil func(eventlog.Log) eventlog.Log) eventlogtest.Backend {
	return eventlogtest.Backend{
		Open: func(t testing.TB) eventlog.Log {
			l, err := embedded.Open("log", embedded.Options{FS: vfs.NewMem()})
			if err != nil {
				t.Fatalf("open: %v", err)
			}
			t.Cleanup(func() { l.Close() })
			return spoil(l)
		},
		Features: eventlogtest.Features{
			NoRestart:      "the faults do not outlive one",
			Patience:       400 * time.Millisecond,
			MessageTimeout: 20 * time.Millisecond,
		},
	}
}

type losesAnEvent struct{ eventlog.Log }

func (l losesAnEvent) Append(ctx context.Context, stream string, expected eventlog.Expected, events ...eventlog.Event) (eventlog.Appended, error) {
	if len(events) == 3 {
		events = events[:2]
	}
	return l.Log.Append(ctx, stream, expected, events...)
}

type ignoresExpectations struct{ eventlog.Log }

func (l ignoresExpectations) Append(ctx context.Context, stream string, _ eventlog.Expected, events ...eventlog.Event) (eventlog.Appended, error) {
	return l.Log.Append(ctx, stream, eventlog.Any, events...)
}

type foldsNames struct{ eventlog.Log }

func (l foldsNames) Read(ctx context.Context, stream string, from eventlog.Revision) iter.Seq2[eventlog.Recorded, error] {
	if stream == "A" {
		stream = "a"
	}
	return l.Log.Read(ctx, stream, from)
}

type repeatsABatch struct{ eventlog.Log }

func (l repeatsABatch) Subscribe(ctx context.Context, after eventlog.Position, receive func(context.Context, eventlog.Batch) error) error {
	repeated := false
	return l.Log.Subscribe(ctx, after, func(ctx context.Context, b eventlog.Batch) error {
		if !repeated && len(b.Events) > 0 {
			repeated = true
			if err := receive(ctx, b); err != nil {
				return err
			}
		}
		return receive(ctx, b)
	})
}

type dropsABatch struct{ eventlog.Log }

func (l dropsABatch) Subscribe(ctx context.Context, after eventlog.Position, receive func(context.Context, eventlog.Batch) error) error {
	dropped := false
	return l.Log.Subscribe(ctx, after, func(ctx context.Context, b eventlog.Batch) error {
		if !dropped && len(b.Events) > 0 {
			dropped = true
			return nil
		}
		return receive(ctx, b)
	})
}

// acksEarly finishes an event before its handler has answered.
type acksEarly struct{ eventlog.Log }

func (l acksEarly) Consume(ctx context.Context, g eventlog.Group, buffer int, handle func(context.Context, eventlog.Handed) eventlog.Verdict) error {
	return l.Log.Consume(ctx, g, buffer, func(_ context.Context, h eventlog.Handed) eventlog.Verdict {
		go handle(ctx, h)
		return eventlog.Ack
	})
}

type takesBadInput struct{ eventlog.Log }

func (l takesBadInput) Append(ctx context.Context, stream string, expected eventlog.Expected, events ...eventlog.Event) (eventlog.Appended, error) {
	events = slices.Clone(events)
	for i := range events {
		if events[i].ID.IsZero() {
			events[i].ID[0] = 1
		}
	}
	return l.Log.Append(ctx, stream, expected, events...)
}

type hidesTheNewest struct{ eventlog.Log }

func (l hidesTheNewest) Read(ctx context.Context, stream string, from eventlog.Revision) iter.Seq2[eventlog.Recorded, error] {
	return func(yield func(eventlog.Recorded, error) bool) {
		var held *eventlog.Recorded
		for e, err := range l.Log.Read(ctx, stream, from) {
			if err != nil {
				yield(e, err)
				return
			}
			if held != nil && !yield(*held, nil) {
				return
			}
			held = &e
		}
	}
}

// readsTheNext answers with what stands after a position, as a read that begins there would.
type readsTheNext struct{ eventlog.Log }

func (l readsTheNext) ReadAt(ctx context.Context, at eventlog.Position) (eventlog.Recorded, error) {
	for e, err := range l.Log.ReadAll(ctx, at) {
		return e, err
	}
	return l.Log.ReadAt(ctx, at)
}

func TestSuiteFindsFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for what never comes")
	}
	cases := []struct {
		fault string
		rule  string // one that must find it
		spoil func(eventlog.Log) eventlog.Log
	}{
		{"loses an event of an append", "an append is all or nothing", func(l eventlog.Log) eventlog.Log { return losesAnEvent{l} }},
		{"ignores expectations", "a repeated append at NoStream changes nothing", func(l eventlog.Log) eventlog.Log { return ignoresExpectations{l} }},
		{"folds the case of names", "streams may have any UTF-8 name", func(l eventlog.Log) eventlog.Log { return foldsNames{l} }},
		{"repeats a batch to subscribers", "a subscription while others append has no gap and no repetition", func(l eventlog.Log) eventlog.Log { return repeatsABatch{l} }},
		{"drops a batch to subscribers", "a subscription while others append has no gap and no repetition", func(l eventlog.Log) eventlog.Log { return dropsABatch{l} }},
		{"acknowledges early", "what a leaving consumer held goes to the others at once", func(l eventlog.Log) eventlog.Log { return acksEarly{l} }},
		{"takes events without id", "events without id, type or stream are refused", func(l eventlog.Log) eventlog.Log { return takesBadInput{l} }},
		{"reads the next event", "an event is read at the position that was told of it", func(l eventlog.Log) eventlog.Log { return readsTheNext{l} }},
		{"hides the newest event", "an acknowledged event is seen by every read at once", func(l eventlog.Log) eventlog.Log { return hidesTheNewest{l} }},
	}
	for _, c := range cases {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			b := faulty(c.spoil)
			for _, rule := range eventlogtest.Rules(b) {
				if rule.Name != c.rule {
					continue
				}
				if v := rule.Judge(t, b); len(v.Failures) == 0 {
					t.Errorf("the rule %q did not notice", c.rule)
				}
				return
			}
			t.Fatalf("there is no rule %q", c.rule)
		})
	}
}

func TestJudgePassesASoundLog(t *testing.T) {
	b := faulty(func(l eventlog.Log) eventlog.Log { return l })
	b.Features.Patience, b.Features.MessageTimeout = 0, 0
	verdicts := eventlogtest.Judge(t, b)
	if len(verdicts) < 40 {
		t.Errorf("only %d rules were judged", len(verdicts))
	}
	for _, v := range verdicts {
		if len(v.Failures) > 0 {
			t.Errorf("%s: %q", v.Rule, v.Failures)
		}
	}
}
