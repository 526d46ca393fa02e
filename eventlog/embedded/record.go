package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"
	"time"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded/segment"
)

const (
	recordVersion = 1
	opaqueFlag    = 1
	headerSize    = 1 + 1 + 8 + 8 + 4
	idSize        = 16
	sumSize       = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errRecord = errors.New("malformed record")

// recordSize is how many bytes the record of an event takes.
func recordSize(stream string, e *eventlog.Event) int {
	size := headerSize + idSize + sumSize
	for _, n := range [...]int{len(stream), len(e.Type), len(e.Data), len(e.Metadata)} {
		size += n + (bits.Len(uint(n)|1)+6)/7 // of a varint
	}
	return size
}

// header is the part of a record that only the writer knows.
type header struct {
	recordedAt int64 // nanoseconds since 1970
	revision   uint64
	left       uint32
}

// putRecord fills dst, which has recordSize bytes.
func putRecord(dst []byte, position uint64, h header, stream string, e *eventlog.Event) {
	dst[0], dst[1] = recordVersion, 0
	if e.Opaque {
		dst[1] = opaqueFlag
	}
	binary.BigEndian.PutUint64(dst[2:], uint64(h.recordedAt))
	binary.BigEndian.PutUint64(dst[10:], h.revision)
	binary.BigEndian.PutUint32(dst[18:], h.left)
	b := append(dst[:headerSize], e.ID[:]...)
	b = append(binary.AppendUvarint(b, uint64(len(stream))), stream...)
	b = append(binary.AppendUvarint(b, uint64(len(e.Type))), e.Type...)
	b = append(binary.AppendUvarint(b, uint64(len(e.Data))), e.Data...)
	b = append(binary.AppendUvarint(b, uint64(len(e.Metadata))), e.Metadata...)
	sum := crc32.Checksum(b[headerSize:], castagnoli)
	binary.BigEndian.PutUint32(dst[len(b):], closeSum(sum, dst[:headerSize], position))
}

// closeSum continues the checksum of a body over its header and position.
func closeSum(sum uint32, head []byte, position uint64) uint32 {
	var number [numberSize]byte
	binary.BigEndian.PutUint64(number[:], position)
	return crc32.Update(crc32.Update(sum, castagnoli, head), castagnoli, number[:])
}

// recorded makes an event as readers see it.
func recorded(e eventlog.Event, stream string, position uint64, h header) eventlog.Recorded {
	return eventlog.Recorded{
		Event: e, Stream: stream, Revision: eventlog.Revision(h.revision),
		Position: eventlog.PositionOf(0, position), RecordedAt: time.Unix(0, h.recordedAt).UTC(),
	}
}

// decodeRecord reads a record and keeps hold of value. Names makes strings of the names in it.
func decodeRecord(value []byte, position uint64, names *interner) (eventlog.Recorded, header, error) {
	if len(value) < headerSize+idSize+sumSize {
		return eventlog.Recorded{}, header{}, fmt.Errorf("position %d: %w of %d bytes", position, errRecord, len(value))
	}
	if value[0] != recordVersion || value[1]&^opaqueFlag != 0 {
		return eventlog.Recorded{}, header{}, fmt.Errorf("position %d: record version %d, flags %d: this release reads version %d, flags 0 and %d",
			position, value[0], value[1], recordVersion, opaqueFlag)
	}
	head, body := value[:headerSize], value[headerSize:len(value)-sumSize]
	sum := closeSum(crc32.Update(0, castagnoli, body), head, position)
	if sum != binary.BigEndian.Uint32(value[len(value)-sumSize:]) {
		return eventlog.Recorded{}, header{}, fmt.Errorf("position %d: %w: its checksum is wrong", position, errRecord)
	}
	h := header{
		recordedAt: int64(binary.BigEndian.Uint64(head[2:])),
		revision:   binary.BigEndian.Uint64(head[10:]),
		left:       binary.BigEndian.Uint32(head[18:]),
	}
	r := reader{rest: body[idSize:]}
	stream, kind, data, metadata := r.field(), r.field(), r.field(), r.field()
	if r.bad || len(r.rest) != 0 {
		return eventlog.Recorded{}, header{}, fmt.Errorf("position %d: %w", position, errRecord)
	}
	e := eventlog.Event{Type: names.repeated(kind), Data: data, Metadata: metadata, Opaque: value[1] == opaqueFlag}
	copy(e.ID[:], body)
	return recorded(e, string(stream), position, h), h, nil
}

// inspectRecord checks a record that was read from the disk.
func inspectRecord(value []byte, position uint64) (segment.Place, error) {
	if _, _, err := decodeRecord(value, position, nil); err != nil {
		return segment.Place{}, err
	}
	return placeOf(value), nil
}

// placeOf tells the place of a record that is whole.
func placeOf(value []byte) segment.Place {
	if len(value) < headerSize+idSize+sumSize {
		return segment.Place{}
	}
	r := reader{rest: value[headerSize+idSize : len(value)-sumSize]}
	return segment.Place{Stream: r.field(), Revision: binary.BigEndian.Uint64(value[10:])}
}

// reader takes length-prefixed fields off the front of rest.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) field() []byte {
	n := r.number()
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	f := r.rest[:n:n]
	r.rest = r.rest[n:]
	return f
}

// interner keeps one string for each of the few names that come again and again. It is not safe for concurrent use; nil
// keeps nothing.
type interner struct{ known map[string]string }

const maxInterned = 1024

func (in *interner) repeated(b []byte) string {
	if in == nil {
		return string(b)
	}
	if s, ok := in.known[string(b)]; ok {
		return s
	}
	s := string(b)
	if in.known == nil || len(in.known) >= maxInterned {
		in.known = make(map[string]string)
	}
	in.known[s] = s
	return s
}
