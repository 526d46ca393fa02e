package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
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
	// lengthsSize is the most that the four lengths of a record take.
	lengthsSize = 4 * binary.MaxVarintLen32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errRecord = errors.New("malformed record")

// entry is one event of an append on its way to the disk: the event, sharing the bytes of its encoded body.
type entry struct {
	event eventlog.Event
	body  []byte
	sum   uint32 // of body
}

// encodeBodies encodes in the appender's goroutine what does not depend on where the events will stand. The entries
// share nothing with the data of events.
func encodeBodies(dst []entry, stream string, events []eventlog.Event) (_ []entry, size int) {
	for i := range events {
		e := &events[i]
		size += idSize + lengthsSize + len(stream) + len(e.Type) + len(e.Data) + len(e.Metadata)
	}
	buf := make([]byte, 0, size)
	for i := range events {
		e := &events[i]
		start := len(buf)
		buf = append(buf, e.ID[:]...)
		buf = append(binary.AppendUvarint(buf, uint64(len(stream))), stream...)
		buf = append(binary.AppendUvarint(buf, uint64(len(e.Type))), e.Type...)
		buf = append(binary.AppendUvarint(buf, uint64(len(e.Data))), e.Data...)
		data := buf[len(buf)-len(e.Data) : len(buf) : len(buf)]
		buf = append(binary.AppendUvarint(buf, uint64(len(e.Metadata))), e.Metadata...)
		metadata := buf[len(buf)-len(e.Metadata) : len(buf) : len(buf)]
		body := buf[start:len(buf):len(buf)]
		dst = append(dst, entry{
			event: eventlog.Event{ID: e.ID, Type: e.Type, Data: data, Metadata: metadata, Opaque: e.Opaque},
			body:  body,
			sum:   crc32.Update(0, castagnoli, body),
		})
	}
	return dst, len(buf)
}

// header is the part of a record that only the writer knows.
type header struct {
	recordedAt int64 // nanoseconds since 1970
	revision   uint64
	left       uint32
}

func recordSize(body []byte) int { return headerSize + len(body) + sumSize }

// putRecord fills dst, which has recordSize bytes.
func putRecord(dst []byte, position uint64, h header, e *entry) {
	dst[0], dst[1] = recordVersion, 0
	if e.event.Opaque {
		dst[1] = opaqueFlag
	}
	binary.BigEndian.PutUint64(dst[2:], uint64(h.recordedAt))
	binary.BigEndian.PutUint64(dst[10:], h.revision)
	binary.BigEndian.PutUint32(dst[18:], h.left)
	copy(dst[headerSize:], e.body)
	binary.BigEndian.PutUint32(dst[len(dst)-sumSize:], closeSum(e.sum, dst[:headerSize], position))
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
