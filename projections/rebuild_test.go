package projections

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
)

// fast is a rate that no test reaches.
const fast = 100_000_000

// served is what the live models hold in the store, whatever the colours, and nothing of what is folded beside them.
func served(t fataler, x *Fold) map[string]string {
	t.Helper()
	rows := map[string]string{}
	m := x.reading()
	defer m.done()
	for _, space := range everyPart().spaces() {
		first := m.in(space)
		if err := x.store.scan([]byte{first}, []byte{first + 1}, func(key, value []byte) (bool, error) {
			rows[string(space)+string(key[1:])] = string(value)
			return true, nil
		}); err != nil {
			t.Fatalf("read the rows: %v", err)
		}
	}
	return rows
}

// unserved counts the rows in the colours that are not served.
func unserved(t fataler, x *Fold) (n int) {
	t.Helper()
	c := x.now().colours.other()
	for _, space := range everyPart().spaces() {
		first := space | c[space]
		if err := x.store.scan([]byte{first}, []byte{first + 1}, func(_, _ []byte) (bool, error) { n++; return true, nil }); err != nil {
			t.Fatalf("read the rows: %v", err)
		}
	}
	return n
}

// rebuilt waits until the rebuild of a projection is no longer running, and returns how it ended.
func rebuilt(t testing.TB, x *Fold, name string) RebuildProgress {
	t.Helper()
	for {
		if p := rebuildOf(t, x, name); p != nil && p.State != RebuildRunning {
			return *p
		}
		if t.Context().Err() != nil {
			t.Fatalf("the rebuild of %s has not ended", name)
		}
		time.Sleep(time.Millisecond)
	}
}

func rebuildOf(t testing.TB, x *Fold, name string) *RebuildProgress {
	t.Helper()
	for _, s := range x.State() {
		if s.Name == name {
			return s.Rebuild
		}
	}
	t.Fatalf("no state of %s", name)
	return nil
}

// corrupt spoils a row behind the models' back.
func corrupt(t testing.TB, x *Fold, key, value []byte) {
	t.Helper()
	err := x.store.Delete(key, pebble.NoSync)
	if value != nil {
		err = x.store.Set(key, value, pebble.NoSync)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRebuildHealsWhatWasSpoiled(t *testing.T) {
	t.Parallel()
	r := follow(t)
	s := newScribe(t)
	busy(s, 60)
	r.append(s, 0)
	want := served(t, r.Fold)
	m := r.now()
	corrupt(t, r.Fold, firstKey(t, r.Fold, failureSpace), nil)
	corrupt(t, r.Fold, firstKey(t, r.Fold, deliverySpace), nil)
	corrupt(t, r.Fold, apiKeyKey(m.in(keySpace), "live_ghost"), []byte(`{"key_id":"live_ghost","secret_hash":"x"}`))
	p, err := r.Rebuild()
	if err != nil {
		t.Fatal(err)
	}
	if p.State != RebuildRunning || p.Why != WhyRequested || len(p.Names) != len(table) {
		t.Errorf("it began as %+v", p)
	}
	done := rebuilt(t, r.Fold, "due")
	if done.State != RebuildSwitched || done.Facts != uint64(len(s.events)) || done.Share != 1 || done.EndedAt.IsZero() || done.Position != r.Position() {
		t.Errorf("it ended as %+v", done)
	}
	sameStore(t, "rebuilt", served(t, r.Fold), want)
	if r.now().in(dueSpace) != dueSpace|green {
		t.Error("the due index serves from its old rows")
	}
	before := len(s.events)
	busy(s, 20)
	r.append(s, before)
	sameStore(t, "and folded on", served(t, r.Fold), served(t, folded(t, s)))
}

// firstKey is the key of the first row of a keyspace.
func firstKey(t testing.TB, x *Fold, space byte) (first []byte) {
	t.Helper()
	m := x.now()
	prefix := []byte{m.in(space)}
	if err := x.store.scan(prefix, after(prefix), func(key, _ []byte) (bool, error) {
		first = slices.Clone(key)
		return false, nil
	}); err != nil || first == nil {
		t.Fatalf("no row in keyspace %d (error %v)", space, err)
	}
	return first
}

func TestEachPartIsRebuiltAlone(t *testing.T) {
	t.Parallel()
	for _, p := range table {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			r := follow(t)
			s := newScribe(t)
			busy(s, 20)
			r.append(s, 0)
			want, before := served(t, r.Fold), r.now()
			if _, err := r.Rebuild(p.name); err != nil {
				t.Fatal(err)
			}
			done := rebuilt(t, r.Fold, p.name)
			if done.State != RebuildSwitched || !slices.Contains(done.Names, p.name) {
				t.Fatalf("it ended as %+v", done)
			}
			sameStore(t, "rebuilt", served(t, r.Fold), want)
			for _, other := range table {
				for _, space := range other.spaces {
					if switched := r.now().colours[space] != before.colours[space]; switched != (other.part == p.part) {
						t.Errorf("%s: keyspace %d of %s was switched: %t", p.name, space, other.name, switched)
					}
				}
			}
			r.shadowing() // until the old rows are dropped
			if n := unserved(t, r.Fold); n != 0 {
				t.Errorf("%d rows are left in the other colours", n)
			}
		})
	}
}

// shadowing waits until nobody uses the other colours.
func (r *running) shadowing() {
	r.rebuilds.shadowing <- struct{}{}
	<-r.rebuilds.shadowing
}

func TestRebuildRefusals(t *testing.T) {
	t.Parallel()
	x := openOn(t, vfs.NewMem())
	defer closeFold(t, x)
	if _, err := x.Rebuild("moons"); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("an unknown name: %v", err)
	}
	if err := x.CancelRebuild("moons"); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("cancel an unknown name: %v", err)
	}
	if err := x.CancelRebuild("keys"); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("cancel what does not run: %v", err)
	}
	if _, err := x.Rebuild("keys"); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Rebuild("failures"); domain.CodeOf(err) != domain.Conflict || !strings.Contains(err.Error(), "keys") {
		t.Errorf("a second one: %v", err)
	}
	if err := x.CancelRebuild("failures"); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("cancel another one: %v", err)
	}
	if err := x.CancelRebuild("keys"); err != nil {
		t.Errorf("cancel: %v", err)
	}
	if p := rebuildOf(t, x, "keys"); p == nil || p.State != RebuildCancelled {
		t.Errorf("after the cancel: %+v", p)
	}
	if _, err := x.Rebuild("failures"); err != nil {
		t.Errorf("after the cancel: %v", err)
	}
}

// runWith runs a fold with settings of its own on a log.
func runWith(t testing.TB, log *embedded.Log, fs vfs.FS, change func(*Config), tune ...func(*Fold)) *running {
	t.Helper()
	c := Config{Dir: "projections", FS: fs, Feed: log, Streams: log, Codec: codec(), RebuildRate: fast, ReconcileRate: -1}
	change(&c)
	x, err := Open(c)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	for _, f := range tune {
		f(x)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{x, t, log, stop, make(chan error, 1)}
	go func() { r.done <- x.Run(ctx) }()
	return r
}

func TestACancelledRebuildLeavesNothing(t *testing.T) {
	t.Parallel()
	log := logWith(t, 40)
	r := runWith(t, log.Log, vfs.NewMem(), func(c *Config) { c.RebuildRate = 1 })
	defer closeFold(t, r.Fold)
	defer func() { _ = r.end() }()
	log.folded(t, r.Fold)
	if log.facts <= meetWithin+shadowBatch {
		busy(log.scribe, 300)
		log.append(t, r.Fold)
	}
	want, before := served(t, r.Fold), r.now()
	if _, err := r.Rebuild(); err != nil {
		t.Fatal(err)
	}
	for rebuildOf(t, r.Fold, "keys").Facts == 0 { // a second's worth is in at once
		time.Sleep(time.Millisecond)
	}
	if s := r.State()[0]; s.State != StateRebuilding || s.Rebuild.Share <= 0 || s.Rebuild.Share >= 1 {
		t.Errorf("under way it stands as %+v, %+v", s, s.Rebuild)
	}
	if err := r.CancelRebuild("due"); err != nil {
		t.Fatal(err)
	}
	if p := rebuildOf(t, r.Fold, "due"); p.State != RebuildCancelled || p.EndedAt.IsZero() {
		t.Errorf("it ended as %+v", p)
	}
	if n := unserved(t, r.Fold); n != 0 || r.now() != before {
		t.Errorf("%d rows are left of it", n)
	}
	sameStore(t, "served on", served(t, r.Fold), want)
	if m, err := r.store.meta(); err != nil || m.rebuild != nil {
		t.Errorf("the store remembers %+v (error %v)", m.rebuild, err)
	}
}

// writtenLog is a log with what a scribe wrote.
type writtenLog struct {
	*embedded.Log
	scribe *scribe
	facts  int // that are in the log
	last   eventlog.Position
}

func logWith(t testing.TB, messages int) *writtenLog {
	t.Helper()
	log, err := embedded.Open("log", embedded.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatalf("open the log: %v", err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Errorf("close the log: %v", err)
		}
	})
	w := &writtenLog{Log: log, scribe: newScribe(t)}
	busy(w.scribe, messages)
	w.write(t)
	return w
}

// write appends what the scribe has written meanwhile.
func (w *writtenLog) write(t testing.TB) {
	t.Helper()
	for i := range w.scribe.events[w.facts:] {
		w.last = appendWritten(t, w.Log, &w.scribe.events[w.facts+i])
	}
	w.facts = len(w.scribe.events)
}

func (w *writtenLog) append(t testing.TB, x *Fold) {
	t.Helper()
	w.write(t)
	w.folded(t, x)
}

// folded waits until a fold has folded everything.
func (w *writtenLog) folded(t testing.TB, x *Fold) {
	t.Helper()
	if err := x.WaitFor(t.Context(), w.last); err != nil {
		t.Fatalf("wait for %s: %v", w.last, err)
	}
}

// A process that is killed at any moment of a rebuild goes on with it at its next start, and in the end serves what a
// single fold gives.
func TestARebuildSurvivesKills(t *testing.T) {
	t.Parallel()
	t.Run("gentle", func(t *testing.T) { t.Parallel(); rebuildAndKill(t, func(*Fold) {}) })
	t.Run("hasty", func(t *testing.T) {
		t.Parallel()
		rebuildAndKill(t, func(x *Fold) { x.rebuilds.hasty, x.gather = 1, hastyBatch+1 })
	})
}

func rebuildAndKill(t *testing.T, tune func(*Fold)) {
	log := logWith(t, 3000)
	want := served(t, folded(t, log.scribe))
	if log.facts < 5*3*hastyBatch {
		t.Fatalf("%d facts may be folded before the last kill", log.facts)
	}
	random := rand.New(rand.NewPCG(1, 2))
	disk := vfs.NewCrashableMem()
	resumed := 0
	for kill := range 5 {
		r := runWith(t, log.Log, disk, func(c *Config) { c.RebuildRate = 1_500 }, tune)
		log.folded(t, r.Fold)
		if kill == 0 {
			if _, err := r.Rebuild(); err != nil {
				t.Fatal(err)
			}
		}
		p := rebuildOf(t, r.Fold, "keys")
		if p == nil {
			t.Fatalf("after %d kills nothing is rebuilt", kill)
		}
		if p.Facts > 0 {
			resumed++
		}
		disk = killedSomewhere(t, r, disk, random, want)
	}
	if resumed == 0 {
		t.Error("no rebuild was resumed in its middle; the test shows nothing")
	}
	r := runWith(t, log.Log, disk, func(*Config) {})
	defer closeFold(t, r.Fold)
	rebuilt(t, r.Fold, "keys")
	log.folded(t, r.Fold)
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	if r.now().in(keySpace) != keySpace|green {
		t.Error("after the kills the old rows serve")
	}
	sameStore(t, "after the kills", served(t, r.Fold), want)
}

// killedSomewhere lets a rebuild get on a bit and returns what a crash leaves of the disk.
func killedSomewhere(t *testing.T, r *running, disk *vfs.MemFS, random *rand.Rand, want map[string]string) *vfs.MemFS {
	if random.IntN(2) == 0 {
		before := rebuildOf(t, r.Fold, "keys").Facts
		for p := rebuildOf(t, r.Fold, "keys"); p.State == RebuildRunning && p.Facts <= before; p = rebuildOf(t, r.Fold, "keys") {
			time.Sleep(time.Millisecond)
		}
		if err := r.store.Flush(); err != nil {
			t.Fatal(err)
		}
	} else {
		time.Sleep(time.Duration(random.IntN(40)) * time.Millisecond)
	}
	sameStore(t, "at any moment", served(t, r.Fold), want)
	clone := disk.CrashClone(vfs.CrashCloneCfg{})
	if err := r.end(); err != nil {
		t.Fatalf("run: %v", err)
	}
	closeFold(t, r.Fold)
	return clone
}

// While facts are appended the rebuild meets the live fold at one place, and whoever reads or waits meanwhile notices
// nothing.
func TestReadersAndWritersDuringTheSwitch(t *testing.T) {
	t.Parallel()
	log := logWith(t, 200)
	r := runWith(t, log.Log, vfs.NewMem(), func(*Config) {})
	defer closeFold(t, r.Fold)
	defer func() { _ = r.end() }()
	log.folded(t, r.Fold)
	org := domain.OrganizationID(firstKey(t, r.Fold, organizationSpace)[1:])
	all, _, err := r.Subscriptions(org, 0, "")
	if err != nil || len(all) == 0 {
		t.Fatalf("%d subscriptions, error %v", len(all), err)
	}
	var readers sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	for _, s := range all {
		readers.Go(func() { readOn(ctx, t, r.Fold, org, s.ID) })
	}
	for range 6 {
		if _, err := r.Rebuild(); err != nil {
			t.Fatal(err)
		}
		for rebuildOf(t, r.Fold, "due").State == RebuildRunning {
			busy(log.scribe, 2)
			log.append(t, r.Fold) // waits on the position, over the switch
		}
		r.shadowing()
		if n := unserved(t, r.Fold); n != 0 {
			t.Errorf("%d rows are left in the other colours", n)
		}
	}
	stop()
	readers.Wait()
	sameStore(t, "after six switches", served(t, r.Fold), served(t, folded(t, log.scribe)))
}

// readOn pages through lists that only grow.
func readOn(ctx context.Context, t *testing.T, x *Fold, org domain.OrganizationID, sub domain.SubscriptionID) {
	failures, rows := 0, 0
	for ctx.Err() == nil {
		page, _, err := x.Failures(org, sub, 0, "")
		listed, _, err2 := x.Deliveries(sub, 0, "")
		if err = errors.Join(err, err2); err != nil || len(page) < failures || len(listed) < rows {
			t.Errorf("%d failures after %d, %d deliveries after %d, error %v", len(page), failures, len(listed), rows, err)
			return
		}
		failures, rows = len(page), len(listed)
		if _, ok := x.Subscription(sub); !ok {
			t.Errorf("%s is gone", sub)
			return
		}
		x.DueSubscriptions(time.Now(), func(domain.SubscriptionID, time.Time) bool { return true })
	}
}

// A reader that began before the switch finishes on the old rows.
func TestOldRowsStayUntilTheirLastReaderIsDone(t *testing.T) {
	t.Parallel()
	r := follow(t)
	s := newScribe(t)
	busy(s, 10)
	r.append(s, 0)
	m := r.reading()
	if _, err := r.Rebuild("failures"); err != nil {
		t.Fatal(err)
	}
	rebuilt(t, r.Fold, "failures")
	time.Sleep(3 * drainPoll)
	prefix := []byte{m.in(failureSpace)}
	n := 0
	if err := m.store.scan(prefix, after(prefix), func(_, _ []byte) (bool, error) { n++; return true, nil }); err != nil || n == 0 {
		t.Errorf("%d rows are left to the old reader (error %v)", n, err)
	}
	m.done()
	r.shadowing()
	if n := unserved(t, r.Fold); n != 0 {
		t.Errorf("%d old rows are left after the last reader", n)
	}
}

func TestAChangedVersionIsFoldedAgainByItself(t *testing.T) {
	t.Parallel()
	log := logWith(t, 20)
	fs := vfs.NewMem()
	r := runWith(t, log.Log, fs, func(*Config) {})
	log.folded(t, r.Fold)
	want := served(t, r.Fold)
	old := presentVersions()
	old["failures"]--
	if err := r.store.write("pretend", func(b *pebble.Batch) error { return setDocument(b, versionsKey, old) }); err != nil {
		t.Fatal(err)
	}
	corrupt(t, r.Fold, firstKey(t, r.Fold, failureSpace), nil)
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	closeFold(t, r.Fold)

	var told strings.Builder
	r = runWith(t, log.Log, fs, func(c *Config) { c.Logger = zerolog.New(zerolog.SyncWriter(&told)) })
	defer closeFold(t, r.Fold)
	done := rebuilt(t, r.Fold, "failures")
	if done.State != RebuildSwitched || done.Why != WhyVersion || len(done.Names) != 1 {
		t.Errorf("it ended as %+v", done)
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	sameStore(t, "rebuilt", served(t, r.Fold), want)
	for _, line := range []string{"another version", "rebuild began", "rebuild switched"} {
		if !strings.Contains(told.String(), line) {
			t.Errorf("the log does not say %q:\n%s", line, told.String())
		}
	}
	if m, err := r.store.meta(); err != nil || len(changedVersions(m.versions)) != 0 || m.rebuild != nil {
		t.Errorf("the store says %+v (error %v)", m, err)
	}
}
