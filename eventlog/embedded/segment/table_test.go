package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// id is a name as most are: of a time in seconds, and a number.
func id(second, n int) string {
	return fmt.Sprintf("evt_%08x-%04x-7000-8000-%012x", 0x01900000+second>>6, second&63<<10, n)
}

// hashed is the name of a stream whose id was made of a hash, and of one that only looks as if it had a time.
func hashed(n int) []string {
	h := keyOf(fmt.Sprint(n))
	return []string{
		fmt.Sprintf("evt_%08x-%04x-8000-8000-%012x", h>>32, h&0xffff, n),
		fmt.Sprintf("del_%08x-%04x-7000-8000-%012x", h>>32, h&0xffff, n),
	}
}

// grow appends streams of one record each until there are as many records, ten times of a second; of a tenth of them the
// ids are hashes, if so asked.
func (w *world) grow(records int, mixed bool) {
	for len(w.records) < records {
		var streams []string
		for range 50 {
			n := len(w.records) + len(streams)
			if mixed && n%10 == 0 {
				streams = append(streams, hashed(n)...)
				continue
			}
			streams = append(streams, id(n/100, n))
		}
		w.append(streams, 0)
	}
	w.settle()
}

// kept is how many bytes the tables keep in memory.
func (w *world) kept() (bytes int) {
	for _, p := range w.store.parts {
		if t, ok := p.(*table); ok {
			bytes += cap(t.firsts)*8 + cap(t.filter)*blockSize + 200 + pageFilterSize
		}
	}
	return bytes
}

// TestMemoryHardlyGrowsWithTheLog counts what is kept of closed segments.
func TestMemoryHardlyGrowsWithTheLog(t *testing.T) {
	t.Parallel()
	const filter = 1 << 10
	w := newWorld(t, vfs.NewMem(), Options{Bytes: 50_000, filter: filter})
	for _, records := range []int{20_000, 60_000, 180_000} {
		w.grow(records, true)
		// Of three sizes, in each of which there are fewer tables than are merged, all may have filters.
		bound := 3*fanIn*filter + records/16
		t.Logf("%d records in %d segments: %d bytes, %d tables", records, len(w.store.segments), w.kept(), len(w.store.parts)-1)
		if kept := w.kept(); kept > bound {
			t.Errorf("of %d records in %d segments %d bytes are kept, want at most %d", records, len(w.store.segments), kept, bound)
		}
	}
	before := w.kept()
	w.reopen()
	if after := w.kept(); after > before {
		t.Errorf("a start keeps %d bytes, not %d", after, before)
	}
	w.check()
	w.must(w.store.Close())
}

// TestNewStreamsAreKnownByWhatIsInMemory counts what of the indexes is read to find that streams of now are not there.
func TestNewStreamsAreKnownByWhatIsInMemory(t *testing.T) {
	for name, mixed := range map[string]bool{"ids with times": false, "a tenth of hashes": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const records, asked = 60_000, 5_000
			fs, reads := countingReads(tableEnd)
			w := newWorld(t, fs, Options{Bytes: 50_000})
			w.grow(records, mixed)
			reads.Store(0)
			for n := range asked {
				if _, found, err := w.store.Last(id(records/100+n/100, records+n)); found || err != nil {
					t.Fatal(found, err)
				}
			}
			// The filter and, when that errs, the page where now has its place in each table.
			if most := int64(2 * len(w.store.parts)); reads.Load() > most {
				t.Errorf("%d new streams made %d reads of %d indexes, want at most %d", asked, reads.Load(), len(w.store.parts), most)
			}
			w.must(w.store.Close())
		})
	}
}

// TestEveryStreamOfLargeTablesIsFound has tables of many pages, with a filter of the untimed keys and without.
func TestEveryStreamOfLargeTablesIsFound(t *testing.T) {
	for _, filter := range []int{1, math.MaxInt} {
		t.Run(fmt.Sprint(filter), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, vfs.NewMem(), Options{Bytes: 30_000, filter: filter})
			w.grow(20_000, true)
			w.append([]string{id(3, 300), "again"}, 0) // of long ago
			w.settle()
			for stream, positions := range w.streams {
				w.checkStream(stream, positions)
			}
			for n := range 1000 {
				for _, stream := range append(hashed(-n-1), id(n, -n-1)) {
					if _, found, err := w.store.Last(stream); found || err != nil {
						t.Fatal(stream, found, err)
					}
				}
			}
			w.must(w.store.Close())
		})
	}
}

// TestADamagedFilterIsNamed: a bit that was lost would make a stream seem new.
func TestADamagedFilterIsNamed(t *testing.T) {
	t.Parallel()
	for _, filter := range []int{1, math.MaxInt} {
		fs := vfs.NewMem()
		w := newWorld(t, fs, Options{Bytes: 400, filter: filter})
		for i := range 12 {
			w.append([]string{"a", fmt.Sprint("b", i)}, 30)
		}
		w.settle()
		w.must(w.store.Close())
		names, err := fs.List("log")
		w.must(err)
		for _, n := range names {
			if filepath.Ext(n) == tableEnd {
				if filter == 1 {
					w.damage(n, int(filterOffset(0, 1))+9)
				} else {
					w.damage(n, int(firstsOffset(1))+8+9)
				}
			}
		}
	}
}

// TestIndexesOfVersion1AreWrittenAnew opens a store of the first release.
func TestIndexesOfVersion1AreWrittenAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/version1")); err != nil {
		t.Fatal(err)
	}
	told := 0
	o := Options{Inspect: inspect, Name: name, NoSync: true, Outdated: func() { told++ }}
	for _, c := range []struct {
		readOnly bool
		told     int
	}{{true, 1}, {true, 2}, {false, 3}, {false, 3}, {true, 3}} {
		o.ReadOnly = c.readOnly
		s, err := Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		if told != c.told {
			t.Errorf("told of outdated indexes %d times, want %d", told, c.told)
		}
		for i := range uint64(50) {
			stream := fmt.Sprintf("evt_0190f5a0-%04x-7000-8000-000000000000", i)
			if p, found, err := s.Find(stream, 0); p != 2*i+1 || !found || err != nil {
				t.Fatalf("%s: %d, %v, %v", stream, p, found, err)
			}
			if p, found, err := s.Find("again", i); p != 2*i+2 || !found || err != nil {
				t.Fatalf("again %d: %d, %v, %v", i, p, found, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzTable reads files that may be anything but have right checksums.
func FuzzTable(f *testing.F) {
	var whole imageWriter
	entries := func(yield func(entry, error) bool) {
		for i := range uint32(600) {
			if !yield(entry{uint64(i/3)<<40 | uint64(i/3%2), i % 3, i, extent{i, i + 1}}, nil) {
				return
			}
		}
	}
	if err := writeTable(&whole, span{1, 600}, 300, maxFilter, entries); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(whole), uint32(600), uint64(5)<<40|1)
	f.Add([]byte(whole), uint32(600), uint64(6)<<40)
	f.Add([]byte(whole), uint32(0), uint64(0))
	f.Add([]byte(nil), uint32(1), uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, entries uint32, key uint64) {
		run := span{1, uint64(entries)}
		fs := newFiles(vfs.NewMem(), "")
		if err := fs.replace(tableName(run), false, func(out io.Writer) error {
			_, err := out.Write(rightSums(b, run))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		opened, err := openTable(fs, run)
		if opened != nil {
			defer opened.close()
		}
		for _, back := range []bool{false, true} {
			if err == nil {
				_, err = opened.places(key, 1, back, 4)
			}
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
	})
}

type imageWriter []byte

func (w *imageWriter) Write(b []byte) (int, error) {
	*w = append(*w, b...)
	return len(b), nil
}

// rightSums makes a table's head that of a run, with as many untimed keys as it says, and every checksum right.
func rightSums(b []byte, run span) []byte {
	b = append([]byte(nil), b...)
	sum := func(from, to int64) {
		if from <= to && to+sumSize <= int64(len(b)) {
			binary.BigEndian.PutUint32(b[to:], crc32.Checksum(b[from:to], castagnoli))
		}
	}
	if len(b) < tableHeader {
		return b
	}
	copy(b, tableMagic)
	binary.BigEndian.PutUint32(b[16:], tableVersion)
	for i, n := range []uint64{run.first, run.last, run.records()} {
		binary.BigEndian.PutUint64(b[20+8*i:], n)
	}
	sum(0, tableHeader-sumSize)
	pages := int((run.records() + pageEntries - 1) / pageEntries)
	for page := 0; page < pages && pageOffset(page) < int64(len(b)); page++ {
		sum(pageOffset(page), pageOffset(page)+pageSize-sumSize)
		sum(filterOffset(page, pages), filterOffset(page, pages)+pageFilterSize-sumSize)
	}
	sum(firstsOffset(pages), int64(len(b))-sumSize)
	return b
}

// FuzzRecordIn reads a segment that may be anything between offsets that may be any.
func FuzzRecordIn(f *testing.F) {
	whole := append(binary.BigEndian.AppendUint32(make([]byte, segmentHeader), 3), "abc and a header"...)
	f.Add(whole, uint32(segmentHeader), uint32(len(whole)))
	f.Add(whole, uint32(segmentHeader), uint32(segmentHeader+5))
	f.Add(whole, uint32(segmentHeader), uint32(1000))
	f.Add(whole, uint32(0), uint32(20))
	f.Fuzz(func(t *testing.T, b []byte, from, to uint32) {
		fs := newFiles(vfs.NewMem(), "")
		err := fs.replace(segmentName(1), false, func(out io.Writer) error {
			_, err := out.Write(bytes.Clone(b)) // which the file system may overwrite
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer fs.closeAll()
		s := &segment{files: fs, first: 1, end: int64(len(b))}
		record, err := s.recordIn(int64(from), int64(to))
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		if want, _, ok := cutRecord(b[from:to]); !ok || !bytes.Equal(record, want) {
			t.Errorf("%d bytes, want %d", len(record), len(want))
		}
	})
}
