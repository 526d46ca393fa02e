package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"

	"github.com/cockroachdb/pebble/v2"
)

// The first byte of a key says what it leads to.
const (
	eventSpace  = 'e'
	indexSpace  = 'i'
	groupSpace  = 'g'
	parkedSpace = 'p'
	replaySpace = 'r'
	noteSpace   = 'n'
	stateSpace  = 's'
)

const numberSize = 8

// comparer orders keys by their bytes. Its prefixes are what Pebble's bloom filters hold: of an index key the stream,
// so that a stream that does not exist is told without reading a block; of an event's key all but the last byte, so
// that the filters stay small.
func comparer() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = "hooklog.log.v1"
	c.Split = prefixLength
	c.Separator = func(dst, a, b []byte) []byte {
		if len(a) > 0 && len(b) > 0 && a[0] == b[0] {
			return append(dst, a...) // A shortened key would have another prefix.
		}
		return pebble.DefaultComparer.Separator(dst, a, b)
	}
	return &c
}

// prefixLength is given whole keys and prefixes, of which the prefix is all.
func prefixLength(key []byte) int {
	switch {
	case len(key) > 0 && key[0] == indexSpace:
		return nameEnd(key)
	case len(key) == numberSize+1 && key[0] == eventSpace:
		return numberSize
	}
	return len(key)
}

// nameEnd is where the name in a key ends: after the first 00 01, since a 00 within a name is followed by FF.
func nameEnd(key []byte) int {
	for at := 1; ; at += 2 {
		zero := bytes.IndexByte(key[at:], 0)
		if zero < 0 || at+zero+1 >= len(key) {
			return len(key)
		}
		if at += zero; key[at+1] == 1 {
			return at + 2
		}
	}
}

func eventKey(dst []byte, position uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, eventSpace), position)
}

func groupKey(name string) []byte { return append([]byte{groupSpace}, name...) }

// namedKey makes the keys of the spaces i, p and r.
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

func parseEventKey(key []byte) (uint64, error) {
	if len(key) != 1+numberSize || key[0] != eventSpace {
		return 0, errKey
	}
	return binary.BigEndian.Uint64(key[1:]), nil
}
