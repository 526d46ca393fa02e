package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hooklog/hooklog/waittest"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// A record of these tests: the name's length and the name, the revision, the position, any bytes, a checksum.

func record(stream string, revision, position uint64, text []byte) []byte {
	b := append([]byte{byte(len(stream))}, stream...)
	b = binary.BigEndian.AppendUint64(b, revision)
	b = binary.BigEndian.AppendUint64(b, position)
	b = append(b, text...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func name(b []byte) Place {
	n := int(b[0])
	return Place{b[1 : 1+n], binary.BigEndian.Uint64(b[1+n:])}
}

func inspect(b []byte, position uint64) (Place, error) {
	if len(b) < 21 || len(b) < 21+int(b[0]) || crc32.ChecksumIEEE(b[:len(b)-4]) != binary.BigEndian.Uint32(b[len(b)-4:]) {
		return Place{}, errors.New("torn")
	}
	p := name(b)
	if binary.BigEndian.Uint64(b[1+len(p.Stream)+8:]) != position {
		return Place{}, errors.New("elsewhere")
	}
	return p, nil
}

// twoKeys lets streams share keys, all of them.
func twoKeys(s string) uint64 { return uint64(len(s)%2) << 63 }

type world struct {
	t     rapid.TB
	fs    vfs.FS
	o     Options
	store *Store
	group *Group
	// What must be there.
	records [][]byte
	streams map[string][]uint64 // positions
}

func newWorld(t rapid.TB, fs vfs.FS, o Options) *world {
	o.FS, o.Inspect, o.Name = fs, inspect, name
	o.Fault = func(err error) { t.Errorf("in the background: %v", err) }
	w := &world{t: t, fs: fs, o: o, streams: map[string][]uint64{}}
	w.must(fs.MkdirAll("log", 0o700))
	root, err := fs.OpenDir("")
	w.must(err)
	w.must(errors.Join(root.Sync(), root.Close()))
	w.open()
	return w
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Helper()
		w.t.Fatal(err)
	}
}

func (w *world) open() {
	s, err := Open("log", w.o)
	w.must(err)
	w.store, w.group = s, s.NewGroup()
}

func (w *world) reopen() {
	w.must(w.store.Close())
	w.open()
}

// append appends a record to each of the streams, in one group.
func (w *world) append(streams []string, size int) {
	w.group.Begin(uint64(len(w.records)) + 1)
	for _, stream := range streams {
		position, revision := uint64(len(w.records))+1, uint64(len(w.streams[stream]))
		r := record(stream, revision, position, bytes.Repeat([]byte{byte(position)}, size))
		space, err := w.group.Add(stream, revision, len(r))
		w.must(err)
		copy(space, r)
		w.records = append(w.records, r)
		w.streams[stream] = append(w.streams[stream], position)
	}
	w.must(w.store.Append(w.group))
}

// settle waits until there is nothing to do in the background.
func (w *world) settle() {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if w.store.closable() == nil && w.store.mergeable() == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
	w.t.Fatal("the background does not come to an end")
}

// check compares everything that can be asked with what must be there.
func (w *world) check() {
	w.t.Helper()
	head := uint64(len(w.records))
	if w.store.Head() != head {
		w.t.Fatalf("the head is %d, want %d", w.store.Head(), head)
	}
	for after := uint64(0); after < head; {
		w.must(w.store.Scan(after, head, make([]byte, 300), func(position uint64, r []byte) bool {
			if position != after+1 || !bytes.Equal(r, w.records[after]) {
				w.t.Fatalf("scan: position %d after %d: %q", position, after, r)
			}
			after++
			return true
		}))
	}
	for i, want := range w.records {
		got, err := w.store.Record(uint64(i) + 1)
		if err != nil || !bytes.Equal(got, want) {
			w.t.Fatalf("record %d: %q, %v", i+1, got, err)
		}
	}
	looked := 0
	for stream, positions := range w.streams { // in no order, so that all of them have their turn
		if looked++; looked > 3 {
			break
		}
		w.checkStream(stream, positions)
	}
	if _, found, err := w.store.Last("none"); found || err != nil {
		w.t.Fatalf("a stream that was never: %v, %v", found, err)
	}
}

func (w *world) checkStream(stream string, positions []uint64) {
	w.t.Helper()
	last, found, err := w.store.Last(stream)
	if err != nil || !found || last != uint64(len(positions))-1 {
		w.t.Fatalf("last of %s: %d, %v, %v; want %d", stream, last, found, err, len(positions)-1)
	}
	for _, back := range []bool{false, true} {
		from := uint64(rand.IntN(len(positions)))
		upTo := positions[rand.IntN(len(positions))]
		var want, got []uint64
		for i := range positions {
			r := uint64(i)
			if back {
				r = uint64(len(positions) - 1 - i)
			}
			if (r >= from) != back && positions[r] <= upTo || back && r == from && positions[r] <= upTo {
				want = append(want, positions[r])
			}
		}
		w.must(w.store.Each(stream, from, back, upTo, func(f Found) bool {
			if !bytes.Equal(f.Record, w.records[f.Position-1]) || positions[f.Revision] != f.Position {
				w.t.Fatalf("%s: revision %d at %d", stream, f.Revision, f.Position)
			}
			got = append(got, f.Position)
			return true
		}))
		if fmt.Sprint(got) != fmt.Sprint(want) {
			w.t.Fatalf("%s from %d back %v up to %d: got %v, want %v", stream, from, back, upTo, got, want)
		}
	}
	at := rand.IntN(len(positions))
	if p, found, err := w.store.Find(stream, uint64(at)); !found || err != nil || p != positions[at] {
		w.t.Fatalf("find %s %d: %d, %v, %v", stream, at, p, found, err)
	}
	if _, found, err := w.store.Find(stream, uint64(len(positions))); found || err != nil {
		w.t.Fatalf("a revision that is not there: %v, %v", found, err)
	}
}

// TestEveryRecordIsFound: whatever was appended, closed, merged and reopened.
func TestEveryRecordIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{Bytes: rapid.Int64Range(100, 4000).Draw(t, "bytes"), Ahead: rapid.Int64Range(-1, 700).Draw(t, "ahead")}
		if rapid.Bool().Draw(t, "shared keys") {
			o.key = twoKeys
		}
		if rapid.Bool().Draw(t, "without filters") {
			o.filter = 1
		}
		w := newWorld(t, vfs.NewMem(), o)
		defer func() { w.must(w.store.Close()) }()
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				name := rapid.StringMatching(`[ab]{0,3}|evt_0190f5a0-1[0-3]00-7000-8000-000000000000`)
				w.append(rapid.SliceOfN(name, 1, 8).Draw(t, "streams"), rapid.IntRange(0, 200).Draw(t, "size"))
			},
			"reopen": func(*rapid.T) { w.reopen() },
			"settle": func(*rapid.T) { w.settle() },
			"backup": func(t *rapid.T) {
				dir := fmt.Sprintf("copy%d", len(w.records))
				if _, err := w.fs.Stat(dir); err == nil {
					t.Skip("there is one")
				}
				w.must(w.fs.MkdirAll(dir, 0o700))
				w.must(w.store.Backup(t.Context(), dir))
				s, err := Open(dir, w.o)
				w.must(err)
				original := w.store
				w.store = s
				w.check()
				w.store = original
				w.must(s.Close())
			},
			"": func(*rapid.T) { w.check() },
		})
	})
}

// TestManySegmentsAreMerged: few tables are left, and a stream of every segment is found.
func TestManySegmentsAreMerged(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), Options{Bytes: 1})
	for i := range 700 {
		w.append([]string{"every", fmt.Sprint("one", i)}, 10)
	}
	w.settle()
	if n := len(w.store.parts); n > 3*fanIn {
		t.Errorf("%d segments have %d parts", len(w.store.segments), n)
	}
	w.check()
	w.reopen()
	w.check()
	w.must(w.store.Close())
}

// TestAPowerLossTakesNothingThatWasSynced cuts the power at any moment and lets any part of what was not synced survive.
func TestAPowerLossTakesNothingThatWasSynced(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		disk := vfs.NewCrashableMem()
		w := newWorld(t, disk, Options{Bytes: rapid.Int64Range(200, 3000).Draw(t, "bytes"),
			Ahead: rapid.Int64Range(-1, 3000).Draw(t, "ahead")})
		for range rapid.IntRange(1, 30).Draw(t, "groups") {
			w.append(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 5).Draw(t, "streams"), 50)
		}
		// A group that was written and not synced.
		w.group.Begin(w.store.Head() + 1)
		for i := range uint64(4) {
			r := record("late", i, w.store.Head()+1+i, make([]byte, rapid.IntRange(0, 2000).Draw(t, "late")))
			space, err := w.group.Add("late", i, len(r))
			w.must(err)
			copy(space, r)
		}
		w.group.close(w.store.active.size, afterSync)
		_, err := w.store.active.file.WriteAt(w.group.bytes, w.store.active.size)
		w.must(err)
		percent := rapid.SampledFrom([]int{0, 10, 50, 90, 100}).Draw(t, "survives")
		after := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))})
		w.must(w.store.Close())

		w.fs, w.o.FS = after, after
		w.open()
		if w.store.Head() != uint64(len(w.records)) { // The group survived as a whole.
			if w.store.Head() != uint64(len(w.records))+4 {
				t.Fatalf("%d records, want %d or 4 more", w.store.Head(), len(w.records))
			}
			w.must(w.store.Close())
			return
		}
		w.check()
		w.append([]string{"a", "new"}, 10)
		w.reopen()
		w.check()
		w.must(w.store.Close())
	})
}

// TestADiskThatLosesWhatItSyncedIsFoundOut: cutting a group that others followed would lose what was acknowledged.
func TestADiskThatLosesWhatItSyncedIsFoundOut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	o := Options{Inspect: inspect, Name: name, Ahead: -1}
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	g := s.NewGroup()
	for i := range uint64(3) {
		g.Begin(i + 1)
		r := record("s", i, i+1, []byte("some text"))
		space, err := g.Add("s", i, len(r))
		if err != nil {
			t.Fatal(err)
		}
		copy(space, r)
		if err := s.Append(g); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, segmentName(1))
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	size := (len(whole) - segmentHeader) / 3
	for group, wantErr := range []bool{true, true, false} {
		for at := segmentHeader + group*size; at < segmentHeader+(group+1)*size; at++ {
			damaged := bytes.Clone(whole)
			damaged[at] ^= 4
			if err := os.WriteFile(file, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(dir, Options{Inspect: inspect, Name: name, ReadOnly: true})
			if wantErr != errors.Is(err, ErrDamaged) {
				t.Fatalf("byte %d of group %d: %v", at, group, err)
			}
			if err == nil {
				if s.Head() != 2 {
					t.Fatalf("byte %d of the last group: head %d", at, s.Head())
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// TestDamageIsNamed: a byte changed in a file that is not read through on opening is found when it is used.
func TestDamageIsNamed(t *testing.T) {
	fs := vfs.NewMem()
	w := newWorld(t, fs, Options{Bytes: 400})
	for i := range 12 {
		w.append([]string{"a", fmt.Sprint("b", i)}, 30)
	}
	w.settle()
	w.must(w.store.Close())
	names, err := fs.List("log")
	w.must(err)
	for _, n := range names {
		if filepath.Ext(n) != tableEnd {
			continue
		}
		w.damage(n, 7)
		w.damage(n, tableHeader+3)
		w.damage(n, int(firstsOffset(1))+1)
	}
}

// damage changes a byte, expects somebody to notice, and changes it back.
func (w *world) damage(name string, at int) {
	w.t.Helper()
	f, err := w.fs.OpenReadWrite("log/"+name, vfs.WriteCategoryUnspecified)
	w.must(err)
	var b [1]byte
	_, err = f.ReadAt(b[:], int64(at))
	w.must(err)
	flip := func() {
		b[0] ^= 1
		_, err := f.WriteAt(b[:], int64(at))
		w.must(err)
	}
	flip()
	s, err := Open("log", w.o)
	for stream := range w.streams {
		if err == nil {
			_, _, err = s.Last(stream)
		}
	}
	if !errors.Is(err, ErrDamaged) {
		w.t.Errorf("%s, byte %d: %v", name, at, err)
	}
	if s != nil {
		w.must(s.Close())
	}
	flip()
	w.must(f.Close())
}

func TestAFilterKnowsWhatItHolds(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	timed := func() uint64 { return 0x6a000000<<timeShift | uint64(random.Uint32()) | timedBit }
	untimed := func() uint64 { return random.Uint64() &^ timedBit }
	type setOfKeys interface {
		add(key uint64)
		mayHold(key uint64) bool
	}
	for _, c := range []struct {
		name string
		keys int
		key  func() uint64
		make func() setOfKeys
	}{
		{"of a page, timed", pageEntries, timed, func() setOfKeys { return new(pageFilter) }},
		{"of a page, untimed", pageEntries, untimed, func() setOfKeys { return new(pageFilter) }},
		{"of a table", 100_000, untimed, func() setOfKeys { return make(filter, blocksFor(100_000)) }},
	} {
		wrong, asked := 0, 0
		for asked < 100_000 {
			f := c.make()
			held := make([]uint64, c.keys)
			for i := range held {
				held[i] = c.key()
				f.add(held[i])
			}
			if whole, ok := f.(filter); ok {
				f = parseFilter(whole.append(nil))
			}
			for _, key := range held {
				if !f.mayHold(key) {
					t.Fatalf("%s: %x is forgotten", c.name, key)
				}
			}
			for range held {
				if asked++; f.mayHold(c.key()) {
					wrong++
				}
			}
		}
		if wrong > asked/50 {
			t.Errorf("%s: %d of %d that are not held seem to be", c.name, wrong, asked)
		}
		t.Logf("%s: %d of %d that are not held seem to be", c.name, wrong, asked)
	}
}
