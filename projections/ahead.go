package projections

import (
	"context"
	"sync"

	"github.com/hooklog/hooklog/eventlog"
)

const (
	// aheadBatches is how many batches of the feed who reads ahead has read and not folded, besides the one that is being
	// read: enough for reading to go on while a batch is committed, and at most 16 MiB.
	aheadBatches = 16
	// gatherFacts is how many facts who reads ahead commits together: a row that several of them change is written once
	// then, and Pebble takes in a large batch at less cost. A crash makes it fold again what was not committed.
	gatherFacts = 8 << 10
)

// stretch is a batch of the feed that is being folded.
type stretch struct {
	eventlog.Batch
	// decoded is what came of decoding its events, if they were read ahead; then ready is sent to (capacity 1) when all are.
	decoded []decodedFact
	ready   chan struct{}
	// passed counts the events that are folded.
	passed int
	// last says that nothing was read behind it yet when it was handed over; if not, another one follows in any case.
	last bool
}

// left returns the events that are not folded.
func (s *stretch) left() []eventlog.Recorded { return s.Events[s.passed:] }

// done gives the batch's memory back.
func (s *stretch) done() {
	if s.Release != nil {
		s.Release()
	}
}

// readAhead hands a feed's batches after a place to receive, in order and decoded. It reads the next ones meanwhile and
// decodes each on a goroutine of its own, so folding the past is as fast as its slowest part, not as all of them together.
// It ends as [eventlog.Feed.Subscribe] does, and nothing of it runs on then.
func (x *projector) readAhead(ctx context.Context, feed eventlog.Feed, after eventlog.Position, receive func(context.Context, *stretch) error) error {
	ctx, cancel := context.WithCancel(ctx)
	ahead := make(chan *stretch, aheadBatches)   // closed by the reader
	spare := make(chan *stretch, aheadBatches+2) // never closed
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	var ended error
	beside.Go(func() {
		defer close(ahead)
		ended = feed.Subscribe(ctx, after, func(ctx context.Context, b eventlog.Batch) error {
			next := begin(b, spare)
			beside.Go(func() {
				x.decode(next.Events, next.decoded)
				next.ready <- struct{}{}
			})
			select {
			case ahead <- next:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	for next := range ahead {
		<-next.ready
		next.last = len(ahead) == 0
		if err := receive(ctx, next); err != nil {
			return err
		}
		next.done()
		select {
		case spare <- next:
		default:
		}
	}
	return ended
}

// begin returns a stretch for a batch, in the memory of a spare one if there is any.
func begin(b eventlog.Batch, spare <-chan *stretch) *stretch {
	var next *stretch
	select {
	case next = <-spare:
	default:
		next = &stretch{ready: make(chan struct{}, 1)}
	}
	next.Batch, next.passed = b, 0
	next.decoded = append(next.decoded[:0], make([]decodedFact, len(b.Events))...)
	return next
}
