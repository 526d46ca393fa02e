package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
)

// The first byte of a key says what it leads to.
const (
	groupSpace  = 'g'
	parkedSpace = 'p'
	replaySpace = 'r'
	noteSpace   = 'n'
	stateSpace  = 's'
)

const numberSize = 8

func groupKey(name string) []byte { return append([]byte{groupSpace}, name...) }

// namedKey makes the keys of the spaces p and r.
func namedKey(dst []byte, space byte, name string, number uint64) []byte {
	return binary.BigEndian.AppendUint64(appendName(append(dst, space), name), number)
}

func appendName(dst []byte, name string) []byte {
	for i := range len(name) {
		dst = append(dst, name[i])
		if name[i] == 0 {
			dst = append(dst, 0xff)
		}
	}
	return append(dst, 0, 1)
}

// namedBounds holds all numbers of one name.
func namedBounds(space byte, name string) (lower, upper []byte) {
	lower = namedKey(nil, space, name, 0)
	upper = append(namedKey(nil, space, name, math.MaxUint64), 0)
	return lower, upper
}

// spaceBounds holds all keys of one space.
func spaceBounds(space byte) (lower, upper []byte) { return []byte{space}, []byte{space + 1} }

var errKey = errors.New("malformed key")

// parseNamedKey reads what namedKey makes.
func parseNamedKey(key []byte) (name string, number uint64, err error) {
	if len(key) < 1+2+numberSize {
		return "", 0, errKey
	}
	escaped, number := key[1:len(key)-numberSize], binary.BigEndian.Uint64(key[len(key)-numberSize:])
	escaped, ended := bytes.CutSuffix(escaped, []byte{0, 1})
	if !ended {
		return "", 0, errKey
	}
	unescaped := make([]byte, 0, len(escaped))
	for i := 0; i < len(escaped); i++ {
		unescaped = append(unescaped, escaped[i])
		if escaped[i] != 0 {
			continue
		}
		if i++; i == len(escaped) || escaped[i] != 0xff {
			return "", 0, errKey
		}
	}
	return string(unescaped), number, nil
}
