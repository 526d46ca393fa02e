package projections

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
)

// cpu is the processor time of this process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func openOnDisk(b *testing.B) *Fold {
	b.Helper()
	x, err := Open(Config{Dir: b.TempDir() + "/projections", Feed: noLog{}, Streams: noLog{}, Codec: codec(), Logger: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := x.Close(); err != nil {
			b.Error(err)
		}
	})
	return x
}

// deliveries writes pairs of a message of 500 bytes and its success, to one of the given subscriptions each.
func deliveries(s *scribe, org domain.OrganizationID, subs []domain.SubscriptionID, n int) {
	payload := make([]byte, 500)
	for i := range n {
		id := domain.MessageID(s.id())
		binary.BigEndian.PutUint64(payload, uint64(i))
		sub := subs[i%len(subs)]
		of := s.publishAs(id, &domain.MessagePublished{Organization: org, EventType: "order.created", OccurredAt: s.now, Payload: payload,
			PayloadSHA256: make([]byte, 32), Targets: []domain.Target{{Subscription: sub}}, Total: 1, Seen: uint64(len(subs))})
		s.succeed(deliveryTo(id, of, sub), 1)
	}
}

// BenchmarkFold measures facts folded, one MessagePublished to one AttemptSucceeded, on disk: in batches as when
// catching up, and one by one as at a gentle rate.
func BenchmarkFold(b *testing.B) {
	for _, size := range []int{512, 32, 1} {
		for _, subs := range []int{1, 100} {
			b.Run(fmt.Sprintf("batch=%d/subscriptions=%d", size, subs), func(b *testing.B) { benchmarkFold(b, size, subs) })
		}
	}
}

func benchmarkFold(b *testing.B, size, count int) {
	s := newScribe(b)
	org := s.organization("standard")
	var subs []domain.SubscriptionID
	for range count {
		subs = append(subs, s.subscription(org, "order.created"))
	}
	x := openOnDisk(b)
	if err := x.receive(b.Context(), eventlog.Batch{Events: s.events}); err != nil {
		b.Fatal(err)
	}
	var spent time.Duration
	facts := 0
	const refill = 1 << 14
	next := len(s.events)
	start := next
	var began time.Duration
	for b.Loop() {
		if next+size > len(s.events) {
			b.StopTimer()
			if began != 0 {
				spent += cpu(b) - began
			}
			next = rewind(s, start)
			deliveries(s, org, subs, refill)
			began = cpu(b)
			b.StartTimer()
		}
		if err := x.receive(b.Context(), eventlog.Batch{Events: s.events[next : next+size], Live: true}); err != nil {
			b.Fatal(err)
		}
		next += size
		facts += size
	}
	spent += cpu(b) - began
	b.ReportMetric(float64(facts)/b.Elapsed().Seconds(), "facts/s")
	b.ReportMetric(float64(spent.Nanoseconds())/float64(facts), "cpu-ns/fact")
	b.ReportMetric(0, "ns/op")
	if x.OpenDeliveries() > size {
		b.Fatalf("%d open", x.OpenDeliveries())
	}
}

// rewind forgets the events behind start, so that memory stays flat, and returns where the next ones begin.
func rewind(s *scribe, start int) int {
	clear(s.next)
	s.events = append([]eventlog.Recorded(nil), s.events[:start]...)
	return start
}

// BenchmarkOpen measures the start with 100,000 subscriptions, each with an open delivery.
func BenchmarkOpen(b *testing.B) {
	const count = 100_000
	s := newScribe(b)
	org := s.organization("standard")
	fs := vfs.NewMem()
	x, err := Open(Config{Dir: "projections", FS: fs, Feed: noLog{}, Streams: noLog{}, Codec: codec(), Logger: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	for i := range count {
		sub := s.subscription(org, fmt.Sprintf("order.created_%d", i))
		s.publish(org, "order.created", uint64(i+1), domain.Target{Subscription: sub})
		if len(s.events) > 500 || i == count-1 {
			if err := x.receive(b.Context(), eventlog.Batch{Events: s.events}); err != nil {
				b.Fatal(err)
			}
			s.events = s.events[:0]
			clear(s.next)
		}
	}
	if err := x.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		x, err := Open(Config{Dir: "projections", FS: fs, Feed: noLog{}, Streams: noLog{}, Codec: codec(), Logger: zerolog.Nop()})
		if err != nil {
			b.Fatal(err)
		}
		if x.OpenDeliveries() != count {
			b.Fatalf("%d open", x.OpenDeliveries())
		}
		b.StopTimer()
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc>>20), "MiB-heap")
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkRebuild measures facts folded again beside an idle live fold, on disk, without a bound on the rate: the standard
// mix, in which 1 outcome of 20 is a failure.
func BenchmarkRebuild(b *testing.B) {
	const facts = 200_000
	log, err := embedded.Open(b.TempDir()+"/log", embedded.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	s := newScribe(b)
	org := s.organization("standard")
	sub := s.subscription(org, "order.created")
	for range facts / 40 {
		deliveries(s, org, []domain.SubscriptionID{sub}, 19)
		failing(s, org, []domain.SubscriptionID{sub}, 1, time.Hour)
	}
	appendTogether(b, log, s.events)
	x, err := Open(Config{Dir: b.TempDir() + "/projections", Feed: log, Streams: log, Codec: codec(), Logger: zerolog.Nop(),
		RebuildRate: fast, ReconcileRate: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	if err := x.receive(b.Context(), eventlog.Batch{Events: s.events, Live: true}); err != nil {
		b.Fatal(err)
	}
	var spent time.Duration
	for b.Loop() {
		if _, err := x.Rebuild(); err != nil {
			b.Fatal(err)
		}
		began := cpu(b)
		x.rebuild(b.Context())
		spent += cpu(b) - began
		if p := x.State()[0].Rebuild; p.State != RebuildSwitched || p.Facts != uint64(len(s.events)) {
			b.Fatalf("%+v", p)
		}
	}
	all := float64(b.N) * float64(len(s.events))
	b.ReportMetric(all/b.Elapsed().Seconds(), "facts/s")
	b.ReportMetric(float64(spent.Nanoseconds())/all, "cpu-ns/fact")
	b.ReportMetric(0, "ns/op")
}

// appendTogether appends two events, and then pairs of a message and its outcome from many goroutines.
func appendTogether(b *testing.B, log *embedded.Log, events []eventlog.Recorded) {
	b.Helper()
	const writers = 64
	add := func(e *eventlog.Recorded) {
		if _, err := log.Append(context.Background(), e.Stream, eventlog.Any, e.Event); err != nil {
			b.Error(err)
		}
	}
	add(&events[0])
	add(&events[1])
	var together sync.WaitGroup
	for w := range writers {
		together.Go(func() {
			for i := 2 + 2*w; i+1 < len(events); i += 2 * writers {
				add(&events[i])
				add(&events[i+1])
			}
		})
	}
	together.Wait()
}

// failing writes so many failed deliveries to each subscription in turn, due a second apart from the first one's wait on.
func failing(s *scribe, org domain.OrganizationID, subs []domain.SubscriptionID, n int, wait time.Duration) {
	for i := range n {
		sub := subs[i%len(subs)]
		id, of := s.publish(org, "order.created", uint64(len(subs)), domain.Target{Subscription: sub})
		s.fail(deliveryTo(id, of, sub), 1, wait+time.Duration(i)*time.Second)
	}
}

// backlogged opens a fold in memory in which so many deliveries of 100 subscriptions wait for their retry.
func backlogged(b *testing.B, n int) (x *Fold, subs []domain.SubscriptionID, now time.Time) {
	b.Helper()
	s := newScribe(b)
	org := s.organization("standard")
	for range 100 {
		subs = append(subs, s.subscription(org, "order.created"))
	}
	x = openOn(b, vfs.NewMem())
	b.Cleanup(func() {
		if err := x.Close(); err != nil {
			b.Error(err)
		}
	})
	for written := 0; written < n; written += 1000 {
		failing(s, org, subs, 1000, time.Hour)
		if err := x.receive(b.Context(), eventlog.Batch{Events: s.events}); err != nil {
			b.Fatal(err)
		}
		s.events = s.events[:0]
		clear(s.next)
	}
	return x, subs, s.now
}

// BenchmarkDue measures what a round of the clock asks beside ever more deliveries that wait: who has something due, and
// a lane's worth of it.
func BenchmarkDue(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("waiting=%d", n), func(b *testing.B) {
			x, subs, now := backlogged(b, n)
			now = now.Add(3 * time.Hour)
			for b.Loop() {
				asked := 0
				x.DueSubscriptions(now, func(id domain.SubscriptionID, _ time.Time) bool {
					due, err := x.Due(id, now, 10, nil)
					if err != nil || len(due) == 0 {
						b.Fatalf("%d due, %v", len(due), err)
					}
					asked++
					return true
				})
				if asked != len(subs) {
					b.Fatalf("%d subscriptions have something due, want %d", asked, len(subs))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(subs)), "ns/subscription")
		})
	}
}

// BenchmarkPage measures a page of 50 deliveries at the head of a list and far down it.
func BenchmarkPage(b *testing.B) {
	const n, limit = 100_000, 50
	x, subs, _ := backlogged(b, n)
	deep := ""
	for range n/len(subs)/limit - 1 {
		var err error
		if _, deep, err = x.DeliveriesWhere(subs[0], DeliveryFilter{}, limit, deep); err != nil || deep == "" {
			b.Fatalf("the list ended early: %v", err)
		}
	}
	for _, c := range []struct{ name, cursor string }{{"first", ""}, {"last", deep}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if page, _, err := x.DeliveriesWhere(subs[0], DeliveryFilter{}, limit, c.cursor); err != nil || len(page) != limit {
					b.Fatalf("%d rows, %v", len(page), err)
				}
			}
		})
	}
}

// BenchmarkCursor measures writing a cursor and reading it back.
func BenchmarkCursor(b *testing.B) {
	l, place := list{deliveryList, [idSize]byte{1}}, make([]byte, 8+idSize)
	b.ReportAllocs()
	for b.Loop() {
		if read, err := l.place(l.cursor(place)); err != nil || len(read) != len(place) {
			b.Fatal(err)
		}
	}
}

// BenchmarkDeliveryByID measures finding a delivery anywhere in a log by its id, with its history, on disk.
func BenchmarkDeliveryByID(b *testing.B) {
	for _, facts := range []int{10_000, 400_000} {
		b.Run(fmt.Sprintf("facts=%d", facts), func(b *testing.B) {
			log, err := embedded.Open(b.TempDir()+"/log", embedded.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer log.Close()
			x, err := Open(Config{Dir: b.TempDir() + "/projections", Feed: log, Streams: log, Codec: codec(), Logger: zerolog.Nop(), ReconcileRate: -1})
			if err != nil {
				b.Fatal(err)
			}
			defer x.Close()
			ids := logged(b, log, x, facts)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if h, err := x.DeliveryByID(b.Context(), ids[i*7919%len(ids)]); err != nil || len(h.Facts) != 1 {
					b.Fatalf("%d facts, %v", len(h.Facts), err)
				}
			}
		})
	}
}

// logged writes deliveries to a log and folds them, in parts, and returns their ids.
func logged(b *testing.B, log *embedded.Log, x *Fold, facts int) (ids []domain.DeliveryID) {
	b.Helper()
	s := newScribe(b)
	org := s.organization("standard")
	subs := []domain.SubscriptionID{s.subscription(org, "order.created")}
	for written := 0; written < facts; written += 10_000 {
		deliveries(s, org, subs, 5_000)
		appendTogether(b, log, s.events)
		if err := x.receive(b.Context(), eventlog.Batch{Events: s.events}); err != nil {
			b.Fatal(err)
		}
		for i := range s.events {
			if id, ok := domain.DeliveryOfStream(s.events[i].Stream); ok {
				ids = append(ids, id)
			}
		}
		s.events = s.events[:0]
		clear(s.next)
	}
	return ids
}
