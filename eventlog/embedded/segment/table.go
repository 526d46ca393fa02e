package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sort"
)

const (
	tableMagic   = "hooklog streams\n"
	tableVersion = 1
	tableHeader  = 16 + 4 + 8 + 8 + 8 + 4 + sumSize
	pageSize     = 4096
	pageEntries  = 255
	entrySize    = 16
)

// entry finds a record by the hash of its stream's name.
type entry struct {
	hash     uint64
	revision uint32
	ordinal  uint32 // its position less the table's first
}

func (e entry) compare(other entry) int {
	if e.hash != other.hash {
		return compare(e.hash, other.hash)
	}
	if e.revision != other.revision {
		return compare(uint64(e.revision), uint64(other.revision))
	}
	return compare(uint64(e.ordinal), uint64(other.ordinal))
}

func (e entry) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, e.hash)
	b = binary.BigEndian.AppendUint32(b, e.revision)
	return binary.BigEndian.AppendUint32(b, e.ordinal)
}

func parseEntry(b []byte) entry {
	return entry{binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])}
}

// place is where a record of a stream may be: another stream may share the hash.
type place struct{ revision, position uint64 }

// part is an index over a run of positions.
type part interface {
	span() span
	// places finds the records of a hash with a revision from the given one on, in order, at most most of them; if back,
	// with a revision up to the given one, the latest first.
	places(hash, from uint64, back bool, most int) ([]place, error)
}

// table is a written index. All but the pages is in memory.
type table struct {
	files   *files
	name    string
	run     span
	entries uint64
	firsts  []uint64 // the first hash of each page
	filter  filter
}

func (t *table) span() span { return t.run }

func (t *table) places(hash, from uint64, back bool, most int) ([]place, error) {
	if !t.filter.mayHold(hash) {
		return nil, nil
	}
	w := walk{table: t}
	if back {
		return w.back(hash, from, most)
	}
	return w.forth(hash, from, most)
}

// walk goes through the entries of a hash.
type walk struct {
	table *table
	page  *[pageSize]byte
	count int // entries in page
}

func (w *walk) forth(hash, from uint64, most int) (found []place, err error) {
	t := w.table
	for at := t.pageBefore(hash); at < len(t.firsts) && t.firsts[at] <= hash; at++ {
		if err := w.load(at); err != nil {
			return nil, err
		}
		for i := w.search(hash, from); i < w.count; i++ {
			e := w.entry(i)
			if e.hash != hash || len(found) == most {
				return found, nil
			}
			found = append(found, t.place(e))
		}
	}
	return found, nil
}

func (w *walk) back(hash, from uint64, most int) (found []place, err error) {
	t := w.table
	last := sort.Search(len(t.firsts), func(i int) bool { return t.firsts[i] > hash }) - 1
	for at := last; at >= 0; at-- {
		if err := w.load(at); err != nil {
			return nil, err
		}
		for i := w.search(hash, from+1) - 1; i >= 0; i-- {
			e := w.entry(i)
			if e.hash != hash || len(found) == most {
				return found, nil
			}
			found = append(found, t.place(e))
		}
		if t.firsts[at] < hash {
			break
		}
	}
	return found, nil
}

// pageBefore is the first page that may hold a hash.
func (t *table) pageBefore(hash uint64) int {
	return max(0, sort.Search(len(t.firsts), func(i int) bool { return t.firsts[i] >= hash })-1)
}

func (t *table) place(e entry) place {
	return place{uint64(e.revision), t.run.first + uint64(e.ordinal)}
}

// search finds the first entry of the page that is not before a hash and revision.
func (w *walk) search(hash, revision uint64) int {
	return sort.Search(w.count, func(i int) bool {
		e := w.entry(i)
		return e.hash > hash || e.hash == hash && uint64(e.revision) >= revision
	})
}

func (w *walk) entry(i int) entry { return parseEntry(w.page[i*entrySize:]) }

// load goes to a page.
func (w *walk) load(number int) (err error) {
	t := w.table
	w.page, err = t.files.pages.get(pagePlace{t.run, number}, func(b *[pageSize]byte) error { return t.readAlone(number, b) })
	if err == nil {
		w.count = entriesIn(w.page)
	}
	return err
}

// readAlone reads one page.
func (t *table) readAlone(number int, b *[pageSize]byte) error {
	file, err := t.files.open(t.name)
	if err != nil {
		return err
	}
	defer file.close()
	return t.read(file, number, b)
}

// read reads a page and checks it.
func (t *table) read(file *handle, number int, b *[pageSize]byte) error {
	if err := file.readAt(b[:], tableHeader+int64(number)*pageSize); err != nil {
		return fmt.Errorf("page %d of %s: %w", number, t.name, err)
	}
	count, sum := entriesIn(b), binary.BigEndian.Uint32(b[pageSize-sumSize:])
	if count == 0 || count > pageEntries || crc32.Checksum(b[:pageSize-sumSize], castagnoli) != sum {
		return fmt.Errorf("page %d of %s: %w", number, t.name, ErrDamaged)
	}
	return nil
}

func entriesIn(page *[pageSize]byte) int {
	return int(binary.BigEndian.Uint32(page[pageEntries*entrySize:]))
}

// openTable reads what of a table is held in memory.
func openTable(fs *files, run span) (*table, error) {
	t := &table{files: fs, name: tableName(run), run: run}
	file, err := fs.open(t.name)
	if err != nil {
		return nil, err
	}
	defer file.close()
	if err := t.load(file); err != nil {
		return nil, fmt.Errorf("%s: %w", t.name, err)
	}
	return t, nil
}

func (t *table) load(file *handle) error {
	var head [tableHeader]byte
	if err := file.readAt(head[:], 0); err != nil {
		return err
	}
	blocks, err := t.parseHead(head[:])
	if err != nil {
		return err
	}
	pages := (t.entries + pageEntries - 1) / pageEntries
	tail := make([]byte, pages*8+uint64(blocks)*blockSize+sumSize)
	if err := file.readAt(tail, tableHeader+int64(pages)*pageSize); err != nil {
		return err
	}
	body := tail[:len(tail)-sumSize]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(tail[len(body):]) {
		return fmt.Errorf("%w: the checksum of its filter is wrong", ErrDamaged)
	}
	t.firsts = make([]uint64, pages)
	for i := range t.firsts {
		t.firsts[i] = binary.BigEndian.Uint64(body[i*8:])
	}
	t.filter = parseFilter(body[pages*8:])
	return nil
}

func (t *table) parseHead(b []byte) (blocks uint32, err error) {
	if string(b[:16]) != tableMagic || crc32.Checksum(b[:tableHeader-sumSize], castagnoli) != binary.BigEndian.Uint32(b[tableHeader-sumSize:]) {
		return 0, fmt.Errorf("%w: not an index of streams", ErrDamaged)
	}
	if v := binary.BigEndian.Uint32(b[16:]); v != tableVersion {
		return 0, fmt.Errorf("version %d is unknown: this release reads version %d", v, tableVersion)
	}
	run := span{binary.BigEndian.Uint64(b[20:]), binary.BigEndian.Uint64(b[28:])}
	t.entries = binary.BigEndian.Uint64(b[36:])
	if run != t.run || t.entries != run.records() {
		return 0, errors.Join(ErrDamaged, errors.New("it covers other positions than its name says"))
	}
	return binary.BigEndian.Uint32(b[44:]), nil
}
