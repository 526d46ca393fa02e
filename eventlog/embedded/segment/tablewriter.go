package segment

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
)

// writeTable writes an index over a run of positions. The entries come in order, one for each position; the keys of
// untimed of them are without a time. It has no filter of those if that takes more than a number of bytes.
func writeTable(out io.Writer, run span, untimed uint64, largest int, entries iter.Seq2[entry, error]) error {
	w := tableWriter{out: bufio.NewWriterSize(out, 1<<18), untimed: untimed}
	if blocks := blocksFor(untimed); blocks*blockSize <= uint64(largest) {
		w.filter = make(filter, blocks)
	}
	w.head(run)
	for e, err := range entries {
		if err != nil {
			return err
		}
		w.add(e)
	}
	w.endPage()
	if w.entries != run.records() {
		return fmt.Errorf("an index of %d positions got %d entries", run.records(), w.entries)
	}
	w.tail()
	return w.out.Flush()
}

// tableWriter leaves errors of writing to the last Flush.
type tableWriter struct {
	out     *bufio.Writer
	page    []byte
	inPage  int
	entries uint64
	firsts  []byte
	untimed uint64
	filter  filter       // of the untimed keys, or nil
	filters []pageFilter // of the pages that have none in the file yet; the last is of page
}

func (w *tableWriter) head(run span) {
	b := append(make([]byte, 0, tableHeader), tableMagic...)
	b = binary.BigEndian.AppendUint32(b, tableVersion)
	b = binary.BigEndian.AppendUint64(b, run.first)
	b = binary.BigEndian.AppendUint64(b, run.last)
	b = binary.BigEndian.AppendUint64(b, run.records())
	b = binary.BigEndian.AppendUint64(b, w.untimed)
	b = binary.BigEndian.AppendUint32(b, uint32(len(w.filter)))
	w.write(binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)))
}

func (w *tableWriter) add(e entry) {
	if w.inPage == 0 {
		w.firsts = binary.BigEndian.AppendUint64(w.firsts, e.key)
		w.filters = append(w.filters, pageFilter{})
	}
	w.page = e.append(w.page)
	w.filters[len(w.filters)-1].add(e.key)
	if w.filter != nil && e.key&timedBit == 0 {
		w.filter.add(e.key)
	}
	w.entries++
	if w.inPage++; w.inPage == pageEntries {
		w.endPage()
	}
}

func (w *tableWriter) endPage() {
	if w.inPage == 0 {
		return
	}
	w.page = append(w.page, make([]byte, pageEntries*entrySize-len(w.page))...)
	w.page = binary.BigEndian.AppendUint32(w.page, uint32(w.inPage))
	w.page = append(w.page, make([]byte, pageSize-sumSize-len(w.page))...)
	w.write(binary.BigEndian.AppendUint32(w.page, crc32.Checksum(w.page, castagnoli)))
	w.page, w.inPage = w.page[:0], 0
	if len(w.filters) == filteredPages {
		w.endFilters()
	}
}

// endFilters writes the page of filters that is due.
func (w *tableWriter) endFilters() {
	if len(w.filters) == 0 {
		return
	}
	b := make([]byte, 0, pageSize)
	for i := range w.filters {
		w.filters[i].close()
		b = append(b, w.filters[i][:]...)
	}
	w.write(b[:pageSize])
	w.filters = w.filters[:0]
}

func (w *tableWriter) tail() {
	w.endFilters()
	b := w.filter.append(w.firsts)
	w.write(binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)))
}

func (w *tableWriter) write(b []byte) { _, _ = w.out.Write(b) } // Flush tells the first error again.
