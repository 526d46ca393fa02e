package eventlog

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
)

// ID identifies an event. It is 16 bytes chosen by the writer, shown in the 8-4-4-4-12 form of a UUID.
type ID [16]byte

// IsZero reports whether id is unset.
func (id ID) IsZero() bool { return id == ID{} }

// String returns the 36-character form of a UUID, in lower case.
func (id ID) String() string {
	var b [36]byte
	hex.Encode(b[:8], id[:4])
	b[8] = '-'
	hex.Encode(b[9:13], id[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], id[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], id[8:10])
	b[23] = '-'
	hex.Encode(b[24:], id[10:])
	return string(b[:])
}

// ParseID reads what String writes. It refuses every other spelling, upper case included.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return ID{}, fmt.Errorf("not an event id: %.40q", s)
	}
	packed := s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	if _, err := hex.Decode(id[:], []byte(packed)); err != nil || id.String() != s {
		return ID{}, fmt.Errorf("not an event id: %.40q", s)
	}
	return id, nil
}

// Revision is the 0-based place of an event in its stream.
type Revision uint64

// Position is an opaque, ordered place in the whole log. Positions of different logs have nothing to do with each
// other. The zero Position is before the first event.
type Position struct{ high, low uint64 }

// PositionOf makes a Position of a backend's own numbers, the more significant first.
func PositionOf(high, low uint64) Position { return Position{high, low} }

// Halves returns the numbers that the Position was made of.
func (p Position) Halves() (high, low uint64) { return p.high, p.low }

// IsZero reports whether p is before the first event.
func (p Position) IsZero() bool { return p == Position{} }

// Compare returns -1, 0 or +1 as p is before, at or after q.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.high, q.high), cmp.Compare(p.low, q.low))
}

// After reports whether p is later in the log than q.
func (p Position) After(q Position) bool { return p.Compare(q) > 0 }

// String returns the position as two hexadecimal numbers joined by a hyphen.
func (p Position) String() string {
	b, _ := p.AppendText(make([]byte, 0, 33))
	return string(b)
}

// AppendText appends what String returns. It never fails.
func (p Position) AppendText(b []byte) ([]byte, error) {
	b = append(strconv.AppendUint(b, p.high, 16), '-')
	return strconv.AppendUint(b, p.low, 16), nil
}

// ParsePosition reads what String writes and refuses every other spelling.
func ParsePosition(s string) (Position, error) {
	var p Position
	for i := range len(s) {
		if s[i] != '-' {
			continue
		}
		var err1, err2 error
		p.high, err1 = strconv.ParseUint(s[:i], 16, 64)
		p.low, err2 = strconv.ParseUint(s[i+1:], 16, 64)
		if err1 == nil && err2 == nil && p.String() == s {
			return p, nil
		}
		break
	}
	return Position{}, fmt.Errorf("not a log position: %.40q", s)
}

// AppendBinary appends the 16 bytes of p, which sort as positions do.
func (p Position) AppendBinary(b []byte) ([]byte, error) {
	b = binary.BigEndian.AppendUint64(b, p.high)
	return binary.BigEndian.AppendUint64(b, p.low), nil
}

// UnmarshalBinary reads the 16 bytes that AppendBinary appends.
func (p *Position) UnmarshalBinary(b []byte) error {
	if len(b) != 16 {
		return fmt.Errorf("a log position has 16 bytes, not %d", len(b))
	}
	p.high, p.low = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	return nil
}

// Expected is what an appender believes of a stream: [NoStream], [StreamExists], [Any] or [Exactly] a last revision.
type Expected int64

// What can be expected besides an exact revision.
const (
	// NoStream expects that the stream has no event yet.
	NoStream Expected = -1
	// Any expects nothing. A repeated append at Any may append twice.
	Any Expected = -2
	// StreamExists expects at least one event.
	StreamExists Expected = -4
)

// Exactly expects that r is the stream's last revision.
func Exactly(r Revision) Expected { return Expected(r) }

// String names the expectation for people.
func (e Expected) String() string {
	switch e {
	case NoStream:
		return "no stream"
	case Any:
		return "any"
	case StreamExists:
		return "stream exists"
	}
	return "revision " + strconv.FormatInt(int64(e), 10)
}
