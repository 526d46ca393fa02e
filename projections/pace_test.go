package projections

import (
	"encoding/binary"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"
)

// pacedTable makes a table whose writer asks hurried.
func pacedTable(t *testing.T, hurried func() bool) *pacedFile {
	t.Helper()
	f, err := vfs.NewMem().Create("1.sst", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	return &pacedFile{File: f, hurried: hurried, resumed: time.Now()}
}

// rested writes after so much work, and returns how long that rested.
func rested(t *testing.T, f *pacedFile, work time.Duration) time.Duration {
	t.Helper()
	time.Sleep(work)
	began := time.Now()
	if n, err := f.Write([]byte{1, 2}); n != 2 || err != nil {
		t.Fatalf("wrote %d bytes: %v", n, err)
	}
	return time.Since(began)
}

func TestATableIsWrittenWithRests(t *testing.T) {
	for _, c := range []struct {
		name  string
		hurry bool
		work  time.Duration
		want  time.Duration
	}{
		{"after little work", false, piece - 1, 0},
		{"after a piece of work", false, piece, restShare * piece},
		{"after much work", false, time.Second, maxRest},
		{"in a hurry", true, time.Second, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := pacedTable(t, func() bool { return c.hurry })
				for range 3 {
					if got := rested(t, f, c.work); got != c.want {
						t.Errorf("rested %v, want %v", got, c.want)
					}
					f.resumed = time.Now()
				}
			})
		})
	}
}

// openPacing is that of an open store, of which nothing was judged yet.
func openPacing(t *testing.T) *pacing {
	t.Helper()
	s, err := openStore("models", vfs.NewMem(), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.leave(); err != nil {
			t.Error(err)
		}
	})
	p := &pacing{held: new(atomic.Bool), sought: new(atomic.Int64)}
	p.db.Store(s.DB)
	return p
}

// forget lets it be judged anew.
func (p *pacing) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.judged = time.Time{}
}

func TestWhetherThereIsTimeIsJudgedNowAndThen(t *testing.T) {
	t.Parallel()
	p := openPacing(t)
	if p.hurried() {
		t.Fatal("there is none to begin with")
	}
	p.judged = time.Now().Add(time.Hour)
	p.held.Store(true)
	if p.hurried() {
		t.Error("it was judged again at once")
	}
	p.judged = time.Now().Add(-judgeEvery)
	if !p.hurried() {
		t.Error("it was not judged again in time")
	}
}

func TestThereIsNoTimeToRest(t *testing.T) {
	t.Parallel()
	if p := (&pacing{held: new(atomic.Bool), sought: new(atomic.Int64)}); !p.hurried() {
		t.Error("before the store is open there is")
	}
	for name, bring := range map[string]func(x *Fold){
		"while the past is folded": func(x *Fold) { x.store.compactions.held.Store(true) },
		"when everything ends":     func(x *Fold) { x.store.pacing.leaving.Store(true) },
		"with many runs": func(x *Fold) {
			x.store.compactions.held.Store(true)
			writeRuns(t, x, restedRuns+1)
			x.store.compactions.held.Store(false)
		},
		"while many rows are looked for": func(x *Fold) { x.store.sought.Add(1 << 50) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := openOn(t, vfs.NewMem())
			defer closeFold(t, x)
			if x.store.pacing.hurried() {
				t.Error("there is none to begin with")
			}
			bring(x)
			x.store.pacing.forget()
			if !x.store.pacing.hurried() {
				t.Error("there is")
			}
		})
	}
}

func TestManyLookupsAreToldByTheirRate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lookups int64
		in      time.Duration
		want    bool
	}{
		{0, judgeEvery, false},
		{restedLookups, time.Second, false},
		{restedLookups + 1, time.Second, true},
		{restedLookups, time.Second / 2, true},
		{restedLookups + 1, 2 * time.Second, false},
	} {
		if got := manyLookups(c.lookups, c.in); got != c.want {
			t.Errorf("%d in %v are many: %v", c.lookups, c.in, got)
		}
	}
}

// blocked is a file system on which tables are made when it is released.
type blocked struct {
	vfs.FS
	released chan struct{}
}

func (b blocked) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if isTable(name) {
		<-b.released
	}
	return b.FS.Create(name, category)
}

func TestThereIsNoTimeToRestWhenMemtablesQueue(t *testing.T) {
	t.Parallel()
	fs := blocked{vfs.NewMem(), make(chan struct{})}
	s, err := openStore("models", fs, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	value := make([]byte, 64<<10)
	for n := uint64(0); s.Metrics().MemTable.Count <= restedTables; n++ {
		if s.pacing.behind() {
			t.Fatalf("the store is behind with %d memtables", s.Metrics().MemTable.Count)
		}
		if err := s.Set(binary.BigEndian.AppendUint64(nil, n), value, pebble.NoSync); err != nil {
			t.Fatal(err)
		}
	}
	if !s.pacing.behind() {
		t.Error("the store is not behind")
	}
	close(fs.released)
	if err := s.leave(); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyTablesAreWrittenWithRests(t *testing.T) {
	fs := pacedFS{vfs.NewMem(), &pacing{held: new(atomic.Bool)}}
	for name, want := range map[string]bool{"models/000012.sst": true, "models/MANIFEST-000001": false, "models/OPTIONS-000003": false} {
		if err := fs.MkdirAll("models", 0o700); err != nil {
			t.Fatal(err)
		}
		f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, paced := f.(*pacedFile); paced != want {
			t.Errorf("%s is written with rests: %v", name, paced)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
