package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"sort"
	"sync/atomic"
)

const (
	tableMagic   = "hooklog streams\n"
	tableVersion = 3
	tableHeader  = 16 + 4 + 8 + 8 + 8 + 8 + 4 + sumSize
	pageSize     = 4096
	pageEntries  = 170
	entrySize    = 24
	// maxFilter is how many bytes a table's filter of untimed keys has at most: of some 1.6 million. A table of more has none.
	maxFilter = 2 << 20
)

// entry finds a record by the key of its stream's name.
type entry struct {
	key      uint64
	revision uint32
	ordinal  uint32 // its position less the table's first
	extent
}

// extent is where a record lies in its segment: from its length on, up to where the next one begins or the last one ends.
type extent struct{ from, to uint32 }

func (e entry) compare(other entry) int {
	if e.key != other.key {
		return compare(e.key, other.key)
	}
	if e.revision != other.revision {
		return compare(uint64(e.revision), uint64(other.revision))
	}
	return compare(uint64(e.ordinal), uint64(other.ordinal))
}

func (e entry) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, e.key)
	b = binary.BigEndian.AppendUint32(b, e.revision)
	b = binary.BigEndian.AppendUint32(b, e.ordinal)
	b = binary.BigEndian.AppendUint32(b, e.from)
	return binary.BigEndian.AppendUint32(b, e.to)
}

func parseEntry(b []byte) entry {
	number := func(at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
	return entry{binary.BigEndian.Uint64(b), number(8), number(12), extent{number(16), number(20)}}
}

// place is where a record of a stream may be: another stream may share the key.
type place struct {
	revision, position uint64
	extent
}

// part is an index over a run of positions.
type part interface {
	span() span
	// places finds the records of a key with a revision from the given one on, in order, at most most of them; if back,
	// with a revision up to the given one, the latest first.
	places(key, from uint64, back bool, most int) ([]place, error)
}

// table is a written index. The first keys of its pages are in memory, and a filter of its untimed keys. Timed ones are
// looked for on their page, but for those of now: they share a page, on which they are not, and its filter is kept.
type table struct {
	files   *files
	name    string
	run     span
	entries uint64
	untimed uint64       // how many entries have an untimed key
	firsts  []uint64     // the first key of each page
	filter  filter       // of the untimed keys; nil if they are too many
	file    *handle      // if filter is nil: then each such key makes a read
	missed  atomic.Int64 // the page on which a timed key was not found last
	lately  atomic.Pointer[numbered]
}

// numbered is the filter of the page of a number.
type numbered struct {
	page   int
	filter pageFilter
}

func (t *table) span() span { return t.run }

func (t *table) places(key, from uint64, back bool, most int) (found []place, err error) {
	page := t.lastPage(key)
	if may, err := t.mayHold(key, page); err != nil || !may {
		return nil, err
	}
	w := walk{table: t}
	if back {
		found, err = w.back(key, from, most)
	} else {
		found, err = w.forth(key, from, most)
	}
	if err == nil && len(found) == 0 && key&timedBit != 0 {
		err = t.miss(page)
	}
	return found, err
}

// mayHold reports whether a key, whose place is on a page, can be in the table: always if it is.
func (t *table) mayHold(key uint64, page int) (bool, error) {
	switch {
	case page < 0:
		return false, nil
	case t.firsts[page] == key:
		return true, nil
	case key&timedBit != 0:
		kept := t.lately.Load()
		return kept == nil || kept.page != page || kept.filter.mayHold(key), nil
	case t.filter != nil:
		return t.filter.mayHold(key), nil
	}
	var f pageFilter
	err := t.readFilter(&f, page)
	return f.mayHold(key), err
}

// miss notes that a timed key was not found on its page. If that is the same page as the last time, its filter is kept.
func (t *table) miss(page int) error {
	if t.missed.Swap(int64(page)) != int64(page) {
		return nil
	}
	if kept := t.lately.Load(); kept != nil && kept.page == page {
		return nil
	}
	read := &numbered{page: page}
	if err := t.readFilter(&read.filter, page); err != nil {
		return err
	}
	t.lately.Store(read)
	return nil
}

func (t *table) readFilter(f *pageFilter, page int) error {
	file, err := t.open()
	if err != nil {
		return err
	}
	defer file.close()
	if err = file.readAt(f[:], filterOffset(page, len(t.firsts))); err == nil {
		err = f.check()
	}
	if err != nil {
		return fmt.Errorf("page %d of %s: %w", page, t.name, err)
	}
	return nil
}

// pageOffset is where a page of entries is in the file.
func pageOffset(page int) int64 {
	return tableHeader + int64(page+page/filteredPages)*pageSize
}

// filterOffset is where the filter of a page of entries is in the file: on the page behind those that share it.
func filterOffset(page, pages int) int64 {
	group := page / filteredPages
	behind := min((group+1)*filteredPages, pages) + group
	return tableHeader + int64(behind)*pageSize + int64(page%filteredPages)*pageFilterSize
}

// firstsOffset is where the first keys are in the file.
func firstsOffset(pages int) int64 {
	return tableHeader + int64(pages+(pages+filteredPages-1)/filteredPages)*pageSize
}

// walk goes through the entries of a key.
type walk struct {
	table *table
	page  *[pageSize]byte
	count int // entries in page
}

func (w *walk) forth(key, from uint64, most int) (found []place, err error) {
	t := w.table
	for at := t.pageBefore(key); at < len(t.firsts) && t.firsts[at] <= key; at++ {
		if err := w.load(at); err != nil {
			return nil, err
		}
		for i := w.search(key, from); i < w.count; i++ {
			e := w.entry(i)
			if e.key != key || len(found) == most {
				return found, nil
			}
			found = append(found, t.place(e))
		}
	}
	return found, nil
}

func (w *walk) back(key, from uint64, most int) (found []place, err error) {
	t := w.table
	for at := t.lastPage(key); at >= 0; at-- {
		if err := w.load(at); err != nil {
			return nil, err
		}
		for i := w.search(key, from+1) - 1; i >= 0; i-- {
			e := w.entry(i)
			if e.key != key || len(found) == most {
				return found, nil
			}
			found = append(found, t.place(e))
		}
		if t.firsts[at] < key {
			break
		}
	}
	return found, nil
}

// pageBefore is the first page that may hold a key.
func (t *table) pageBefore(key uint64) int {
	return max(0, sort.Search(len(t.firsts), func(i int) bool { return t.firsts[i] >= key })-1)
}

// lastPage is the last page that may hold a key, -1 if none does.
func (t *table) lastPage(key uint64) int {
	if last := len(t.firsts) - 1; t.firsts[last] <= key { // as those of now do
		return last
	}
	return sort.Search(len(t.firsts), func(i int) bool { return t.firsts[i] > key }) - 1
}

func (t *table) place(e entry) place {
	return place{uint64(e.revision), t.run.first + uint64(e.ordinal), e.extent}
}

// search finds the first entry of the page that is not before a key and revision.
func (w *walk) search(key, revision uint64) int {
	return sort.Search(w.count, func(i int) bool {
		e := w.entry(i)
		return e.key > key || e.key == key && uint64(e.revision) >= revision
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
	file, err := t.open()
	if err != nil {
		return err
	}
	defer file.close()
	return t.read(file, number, b)
}

// open returns the table's file to read, which the caller closes.
func (t *table) open() (*handle, error) {
	if t.file != nil {
		return t.file.again(), nil
	}
	return t.files.open(t.name)
}

// read reads a page and checks it.
func (t *table) read(file *handle, number int, b *[pageSize]byte) error {
	if err := file.readAt(b[:], pageOffset(number)); err != nil {
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
	file, err := fs.openAlone(t.name)
	if err != nil {
		return nil, err
	}
	if err := t.load(file); err != nil {
		file.close()
		return nil, fmt.Errorf("%s: %w", t.name, err)
	}
	if t.filter == nil {
		t.file = file
	} else {
		file.close()
	}
	return t, nil
}

// close lets the file go of a table that nobody asks any more.
func (t *table) close() {
	if t.file != nil {
		t.file.close()
	}
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
	size, err := file.size()
	if err != nil {
		return err
	}
	pages := int((t.entries + pageEntries - 1) / pageEntries)
	length := pages*8 + int(blocks)*blockSize
	if size != firstsOffset(pages)+int64(length)+sumSize {
		return fmt.Errorf("%w: its length is wrong", ErrDamaged)
	}
	tail := make([]byte, length+sumSize)
	if err := file.readAt(tail, firstsOffset(pages)); err != nil {
		return err
	}
	body := tail[:length]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(tail[length:]) {
		return fmt.Errorf("%w: the checksum of its filter is wrong", ErrDamaged)
	}
	t.firsts = make([]uint64, pages)
	for i := range t.firsts {
		t.firsts[i] = binary.BigEndian.Uint64(body[i*8:])
	}
	if blocks > 0 {
		t.filter = parseFilter(body[pages*8:])
	}
	return nil
}

// outdatedTable reports whether a table is of an earlier version. What is no table openTable tells.
func (f *files) outdatedTable(name string) (bool, error) {
	file, err := f.openAlone(name)
	if err != nil {
		return false, err
	}
	defer file.close()
	var b [16 + 4]byte
	if err := file.readAt(b[:], 0); err != nil {
		return false, err
	}
	return string(b[:16]) == tableMagic && binary.BigEndian.Uint32(b[16:]) < tableVersion, nil
}

func (t *table) parseHead(b []byte) (blocks uint32, err error) {
	if string(b[:16]) != tableMagic || crc32.Checksum(b[:tableHeader-sumSize], castagnoli) != binary.BigEndian.Uint32(b[tableHeader-sumSize:]) {
		return 0, fmt.Errorf("%w: not an index of streams", ErrDamaged)
	}
	if v := binary.BigEndian.Uint32(b[16:]); v != tableVersion {
		return 0, fmt.Errorf("version %d is unknown: this release reads version %d", v, tableVersion)
	}
	run := span{binary.BigEndian.Uint64(b[20:]), binary.BigEndian.Uint64(b[28:])}
	t.entries, t.untimed = binary.BigEndian.Uint64(b[36:]), binary.BigEndian.Uint64(b[44:])
	if run != t.run || t.entries != run.records() || t.entries == 0 || t.entries > math.MaxUint32 {
		return 0, errors.Join(ErrDamaged, errors.New("it covers other positions than its name says"))
	}
	return binary.BigEndian.Uint32(b[52:]), nil
}
