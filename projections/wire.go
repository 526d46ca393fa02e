package projections

import (
	"encoding/binary"
	"errors"
	"time"
)

// errRow means that a row of the store is not what this release writes under its format.
var errRow = errors.New("a row of the read models is damaged (they may be deleted: they are folded from the log again)")

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendTime keeps microseconds, as facts do.
func appendTime(b []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(t.UnixMicro()))
}

// reader reads a row; the first thing that does not fit makes it bad, and everything after that zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || len(r.rest) < n {
		r.bad = true
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) id() (id [idSize]byte) {
	copy(id[:], r.take(idSize))
	return id
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if r.bad || size <= 0 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) string() string {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.bad = true
		return ""
	}
	return string(r.take(int(n)))
}

func (r *reader) time() time.Time {
	if b := r.take(8); b != nil {
		return time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC()
	}
	return time.Time{}
}

// end says whether the row was read to its end without a fault.
func (r *reader) end() error {
	if r.bad || len(r.rest) > 0 {
		return errRow
	}
	return nil
}
