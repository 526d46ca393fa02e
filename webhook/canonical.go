package webhook

import (
	"bytes"
	"errors"
	"fmt"
)

// MaxDepth is how deep arrays and objects may nest in what Canonical accepts.
const MaxDepth = 128

// Why JSON is refused, for errors.Is.
var (
	// ErrSyntax: not one JSON value as RFC 8259 has it.
	ErrSyntax = errors.New("invalid JSON")
	// ErrUTF8: bytes that are no UTF-8.
	ErrUTF8 = errors.New("invalid UTF-8")
	// ErrLoneSurrogate: an escape for half of a character outside the basic plane.
	ErrLoneSurrogate = errors.New("lone surrogate")
	// ErrDuplicateName: an object with two members of one name, however each is escaped.
	ErrDuplicateName = errors.New("duplicate member name")
	// ErrTooDeep: arrays and objects nested deeper than MaxDepth.
	ErrTooDeep = errors.New("nested too deeply")
)

// DataError says what is wrong with a JSON text and where. It quotes nothing of the text.
type DataError struct {
	// Offset is the number of bytes before the fault.
	Offset int
	// Err is one of the errors above.
	Err error
}

// Error tells the fault and its place.
func (e *DataError) Error() string { return fmt.Sprintf("%v at byte %d", e.Err, e.Offset) }

// Unwrap returns Err.
func (e *DataError) Unwrap() error { return e.Err }

// Canonical returns data, one JSON value, in the spelling in which it is delivered: no white space, members in their
// given order, strings with the fewest escapes and numbers as JavaScript writes them; so that JSON.stringify of the
// parsed result gives the result again. There are two exceptions, which JavaScript itself cannot keep: a number whose
// decimal value changes in a double stays as it was published, and members named like array indexes stay in place.
// A minus before a zero is dropped: the value is the same and JSON.stringify drops it too.
//
// Canonical of a result is that result. A result can be longer than data, at most sixfold: "1e20" has 21 digits. The
// error is a *DataError.
func Canonical(data []byte) ([]byte, error) {
	return AppendCanonical(make([]byte, 0, len(data)), data)
}

// AppendCanonical is Canonical that appends to dst, which must not overlap data. On an error it returns dst as it was.
func AppendCanonical(dst, data []byte) ([]byte, error) {
	c := canonicalizer{in: data, out: dst}
	err := c.document()
	if err != nil {
		return dst, &DataError{Offset: c.at, Err: err}
	}
	return c.out, nil
}

// canonicalizer reads in from at on and appends to out. After an error at stands where the fault is.
type canonicalizer struct {
	in    []byte
	at    int
	out   []byte
	depth int
}

func (c *canonicalizer) document() error {
	if err := c.value(c.next()); err != nil {
		return err
	}
	if c.next(); c.at < len(c.in) {
		return ErrSyntax
	}
	return nil
}

// next skips white space and returns the byte after it, or 0 at the end, which begins nothing.
func (c *canonicalizer) next() byte {
	for c.at < len(c.in) {
		switch b := c.in[c.at]; b {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return b
		}
	}
	return 0
}

func (c *canonicalizer) value(first byte) error {
	switch first {
	case '"':
		return c.text()
	case '{', '[':
		return c.nested(first)
	case 't':
		return c.word("true")
	case 'f':
		return c.word("false")
	case 'n':
		return c.word("null")
	default:
		return c.number()
	}
}

func (c *canonicalizer) word(word string) error {
	if !bytes.HasPrefix(c.in[c.at:], []byte(word)) {
		return ErrSyntax
	}
	c.at += len(word)
	c.out = append(c.out, word...)
	return nil
}

// nested reads an object or an array that begins with opening.
func (c *canonicalizer) nested(opening byte) (err error) {
	if c.depth == MaxDepth {
		return ErrTooDeep
	}
	c.depth++
	c.copyByte()
	if opening == '{' {
		err = c.object()
	} else {
		err = c.array()
	}
	c.depth--
	return err
}

// copyByte takes over the byte at hand.
func (c *canonicalizer) copyByte() {
	c.out = append(c.out, c.in[c.at])
	c.at++
}

// array reads on after the opening bracket.
func (c *canonicalizer) array() error {
	first := c.next()
	if first == ']' {
		c.copyByte()
		return nil
	}
	for {
		if err := c.value(first); err != nil {
			return err
		}
		if more, err := c.separator(']'); err != nil || !more {
			return err
		}
		first = c.next()
	}
}

// separator takes over a comma, and is true, or the closing bracket.
func (c *canonicalizer) separator(closing byte) (more bool, err error) {
	switch c.next() {
	case ',':
		c.copyByte()
		return true, nil
	case closing:
		c.copyByte()
		return false, nil
	default:
		return false, ErrSyntax
	}
}

// object reads on after the opening brace.
func (c *canonicalizer) object() error {
	if c.next() == '}' {
		c.copyByte()
		return nil
	}
	var names nameSet
	for {
		if err := c.name(&names); err != nil {
			return err
		}
		if err := c.value(c.next()); err != nil {
			return err
		}
		if more, err := c.separator('}'); err != nil || !more {
			return err
		}
	}
}

// name reads a member's name and the colon after it.
func (c *canonicalizer) name(names *nameSet) error {
	if c.next() != '"' {
		return ErrSyntax
	}
	start, from := len(c.out), c.at
	if err := c.text(); err != nil {
		return err
	}
	if !names.add(c.out, span{start, len(c.out)}) {
		c.at = from
		return ErrDuplicateName
	}
	if c.next() != ':' {
		return ErrSyntax
	}
	c.copyByte()
	return nil
}

// fewNames is up to how many members comparing each name with each is cheaper than hashing.
const fewNames = 16

// nameSet is the set of names of one object: where the first few are, and an index of all once there are more.
// Canonical spelling is unique, so two names are equal if their bytes are.
type nameSet struct {
	few   [fewNames]span
	n     int
	index map[string]struct{}
}

// add tells whether the name that stands in text is new.
func (s *nameSet) add(text []byte, name span) bool {
	if s.index == nil && s.n == fewNames {
		s.build(text)
	}
	if s.index != nil {
		before := len(s.index)
		s.index[string(name.of(text))] = struct{}{}
		return len(s.index) > before
	}
	for _, other := range s.few[:s.n] {
		if bytes.Equal(other.of(text), name.of(text)) {
			return false
		}
	}
	s.few[s.n] = name
	s.n++
	return true
}

func (s *nameSet) build(text []byte) {
	s.index = make(map[string]struct{}, 4*fewNames)
	for _, name := range s.few {
		s.index[string(name.of(text))] = struct{}{}
	}
}

// span is a place in a text.
type span struct{ start, end int }

func (s span) of(text []byte) []byte { return text[s.start:s.end] }
