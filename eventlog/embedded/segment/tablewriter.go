package segment

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
)

// writeTable writes an index over a run of positions. The entries come in order, one for each position.
func writeTable(out io.Writer, run span, entries iter.Seq2[entry, error]) error {
	w := tableWriter{out: bufio.NewWriterSize(out, 1<<18), filter: newFilter(run.records())}
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
	filter  filter
}

func (w *tableWriter) head(run span) {
	b := append(make([]byte, 0, tableHeader), tableMagic...)
	b = binary.BigEndian.AppendUint32(b, tableVersion)
	b = binary.BigEndian.AppendUint64(b, run.first)
	b = binary.BigEndian.AppendUint64(b, run.last)
	b = binary.BigEndian.AppendUint64(b, run.records())
	b = binary.BigEndian.AppendUint32(b, uint32(len(w.filter)))
	w.write(binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)))
}

func (w *tableWriter) add(e entry) {
	if w.inPage == 0 {
		w.firsts = binary.BigEndian.AppendUint64(w.firsts, e.hash)
	}
	w.page = e.append(w.page)
	w.filter.add(e.hash)
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
}

func (w *tableWriter) tail() {
	b := w.filter.append(w.firsts)
	w.write(binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)))
}

func (w *tableWriter) write(b []byte) { _, _ = w.out.Write(b) } // Flush tells the first error again.
