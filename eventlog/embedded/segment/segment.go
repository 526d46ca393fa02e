package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

const (
	segmentMagic   = "hooklog segment\n"
	segmentVersion = 1
	segmentHeader  = 16 + 4 + 8 + sumSize
	offsetsMagic   = "hooklog offsets\n"
	offsetsVersion = 1
	offsetsHeader  = 16 + 4 + 8 + 4
	offsetSize     = 4
	// pageRecords is how many records' offsets are read together: each needs that of the one behind it, too.
	pageRecords = pageSize/offsetSize - 1
)

func segmentHead(first uint64) []byte {
	b := append(make([]byte, 0, segmentHeader), segmentMagic...)
	b = binary.BigEndian.AppendUint32(b, segmentVersion)
	b = binary.BigEndian.AppendUint64(b, first)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// checkSegmentHead says whether a segment begins as it must.
func checkSegmentHead(b []byte, first uint64) error {
	if string(b[:16]) != segmentMagic || crc32.Checksum(b[:segmentHeader-sumSize], castagnoli) != binary.BigEndian.Uint32(b[segmentHeader-sumSize:]) {
		return fmt.Errorf("%w: not a segment", ErrDamaged)
	}
	if v := binary.BigEndian.Uint32(b[16:]); v != segmentVersion {
		return fmt.Errorf("version %d is unknown: this release reads version %d", v, segmentVersion)
	}
	if binary.BigEndian.Uint64(b[20:]) != first {
		return errors.Join(ErrDamaged, errors.New("it begins elsewhere than its name says"))
	}
	return nil
}

// segment is a run of records in one file.
type segment struct {
	files *files
	first uint64
	// memory is the index while the segment grows or is being closed. A closed one has records, up to end.
	memory  *memory
	records uint64
	end     int64
}

func (s *segment) span() span {
	if s.memory != nil {
		return s.memory.span()
	}
	return span{s.first, s.first + s.records - 1}
}

// extent tells where a record lies.
func (s *segment) extent(position uint64) (from, to int64, err error) {
	if s.memory != nil {
		from, to, ok := s.memory.extent(position)
		if !ok {
			return 0, 0, fmt.Errorf("position %d: %w: it is missing", position, ErrDamaged)
		}
		return from, to, nil
	}
	record := position - s.first
	number := int(record / pageRecords)
	page, err := s.files.pages.get(pagePlace{span{first: s.first}, number}, func(b *[pageSize]byte) error { return s.readOffsets(number, b) })
	if err != nil {
		return 0, 0, err
	}
	b := page[record%pageRecords*offsetSize:]
	from, to = int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[offsetSize:]))
	if from < segmentHeader || to <= from || to > s.end {
		return 0, 0, fmt.Errorf("position %d: %s: %w", position, offsetsName(s.first), ErrDamaged)
	}
	return from, to, nil
}

// readOffsets reads the offsets of a page's records, and the one behind them.
func (s *segment) readOffsets(number int, b *[pageSize]byte) error {
	file, err := s.files.open(offsetsName(s.first))
	if err != nil {
		return err
	}
	defer file.close()
	before := uint64(number) * pageRecords
	size := min(pageSize, (s.records-before+1)*offsetSize)
	return file.readAt(b[:size], offsetsHeader+int64(before)*offsetSize)
}

// record reads one record.
func (s *segment) record(position uint64) ([]byte, error) {
	from, to, err := s.extent(position)
	if err != nil {
		return nil, err
	}
	return s.recordIn(from, to)
}

// recordIn reads the record that lies between two offsets, of which it may fill less.
func (s *segment) recordIn(from, to int64) ([]byte, error) {
	if from < segmentHeader || to <= from {
		return nil, fmt.Errorf("%s has no record from %d to %d: %w", segmentName(s.first), from, to, ErrDamaged)
	}
	file, err := s.files.open(segmentName(s.first))
	if err != nil {
		return nil, err
	}
	defer file.close()
	b := make([]byte, to-from)
	if err := file.readAt(b, from); err != nil {
		return nil, err
	}
	record, _, ok := cutRecord(b)
	if !ok {
		return nil, fmt.Errorf("%s at %d: %w: its length is wrong", segmentName(s.first), from, ErrDamaged)
	}
	return record, nil
}

// cutRecord takes a record off the front of b.
func cutRecord(b []byte) (record, rest []byte, ok bool) {
	if len(b) < lengthSize {
		return nil, b, false
	}
	size := binary.BigEndian.Uint32(b)
	if uint64(size) > uint64(len(b)-lengthSize) {
		return nil, b, false
	}
	at := lengthSize + int(size)
	return b[lengthSize:at:at], b[at:], true
}

// writeOffsets writes the file that says where the records of a closed segment are.
func writeOffsets(out io.Writer, m *memory) error {
	b := make([]byte, 0, offsetsHeader+(len(m.records)+1)*offsetSize+sumSize)
	b = append(b, offsetsMagic...)
	b = binary.BigEndian.AppendUint32(b, offsetsVersion)
	b = binary.BigEndian.AppendUint64(b, m.first)
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.records)))
	for _, r := range m.records {
		b = binary.BigEndian.AppendUint32(b, r.offset)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(m.end))
	_, err := out.Write(binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)))
	return err
}

// openClosed reads what of a closed segment is held in memory: how many records it has, and where it ends. Every record
// is checked when it is read, so the rest of its offsets need not be.
func openClosed(fs *files, first uint64) (*segment, error) {
	s := &segment{files: fs, first: first}
	file, err := fs.open(offsetsName(first))
	if err != nil {
		return nil, err
	}
	defer file.close()
	if err := s.load(file); err != nil {
		return nil, fmt.Errorf("%s: %w", offsetsName(first), err)
	}
	return s, nil
}

func (s *segment) load(file *handle) error {
	var b [offsetsHeader]byte
	if err := file.readAt(b[:], 0); err != nil {
		return err
	}
	if string(b[:16]) != offsetsMagic || binary.BigEndian.Uint64(b[20:]) != s.first {
		return fmt.Errorf("%w: not the offsets of this segment", ErrDamaged)
	}
	if v := binary.BigEndian.Uint32(b[16:]); v != offsetsVersion {
		return fmt.Errorf("version %d is unknown: this release reads version %d", v, offsetsVersion)
	}
	s.records = uint64(binary.BigEndian.Uint32(b[28:]))
	size, err := file.size()
	if err != nil {
		return err
	}
	if s.records == 0 || size != offsetsHeader+int64(s.records+1)*offsetSize+sumSize {
		return fmt.Errorf("%w: its length is wrong", ErrDamaged)
	}
	var end [offsetSize]byte
	if err := file.readAt(end[:], offsetsHeader+int64(s.records)*offsetSize); err != nil {
		return err
	}
	s.end = int64(binary.BigEndian.Uint32(end[:]))
	return nil
}
