package projections

import (
	"context"
	"sync"

	"github.com/hooklog/hooklog/eventlog"
)

// aheadBatches is how many batches of the feed a hasty shadow has read and not folded, besides the one that is being
// read: enough for reading and folding not to wait for each other, and at most some MiB.
const aheadBatches = 4

// stretch is a batch of the feed that is being folded.
type stretch struct {
	eventlog.Batch
	// decoded is what came of decoding its events, if they were read ahead; then ready is sent to (capacity 1) when all are.
	decoded []decodedFact
	ready   chan struct{}
	// passed counts the events that are folded.
	passed int
}

// left returns the events that are not folded.
func (s *stretch) left() []eventlog.Recorded { return s.Events[s.passed:] }

// done gives the batch's memory back.
func (s *stretch) done() {
	if s.Release != nil {
		s.Release()
	}
}

// readAhead hands the feed's batches after a place to receive, in order and decoded. It reads the next ones meanwhile and
// decodes each on a goroutine of its own, so a rebuild is as fast as its slowest part, not as all of them together. It
// ends as [eventlog.Feed.Subscribe] does, and nothing of it runs on then.
func (s *shadow) readAhead(ctx context.Context, after eventlog.Position, receive func(context.Context, *stretch) error) error {
	ctx, cancel := context.WithCancel(ctx)
	ahead := make(chan *stretch, aheadBatches)   // closed by the reader
	spare := make(chan *stretch, aheadBatches+2) // never closed
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	var ended error
	beside.Go(func() {
		defer close(ahead)
		ended = s.fold.Feed.Subscribe(ctx, after, func(ctx context.Context, b eventlog.Batch) error {
			next := s.begin(b, spare)
			beside.Go(func() {
				s.decode(next.Events, next.decoded)
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
func (s *shadow) begin(b eventlog.Batch, spare <-chan *stretch) *stretch {
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
