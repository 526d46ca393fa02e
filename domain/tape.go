package domain

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"
)

// tape is a JSON text on which a layout is written, or from which it is read: the same calls in the same order do
// both. What does not fit marks the tape as bad, and the text is left to encoding/json; so a tape need not know every
// spelling, only be sure of those it takes. While reading, the values passed in are zero.
type tape struct {
	// text is what was written so far, or what is still to be read.
	text    []byte
	reading bool
	depth   depth
	bad     bool
}

// depth is how much of a text is read.
type depth byte

const (
	whole depth = iota
	// outline says that bytes and remarks are checked and not read.
	outline
	// attested is outline of a text that has a good MAC: they are as they were written, and passed over.
	attested
)

// lead is what stands before a value: the name of a member and the punctuation around it.
func (t *tape) lead(s string) {
	if !t.reading {
		t.text = append(t.text, s...)
	} else if !t.take(s) {
		t.bad = true
	}
}

// has is lead for a member that may be missing: while writing present says whether it is there, while reading the text
// does.
func (t *tape) has(s string, present bool) bool {
	if t.reading {
		return t.take(s)
	}
	if present {
		t.text = append(t.text, s...)
	}
	return present
}

// take reads s if it is what comes next.
func (t *tape) take(s string) bool {
	if len(t.text) < len(s) || string(t.text[:len(s)]) != s {
		return false
	}
	t.text = t.text[len(s):]
	return true
}

// quoted reads up to the closing quote and past it. The text still has its escapes.
func (t *tape) quoted() []byte {
	end := bytes.IndexByte(t.text, '"')
	if end < 0 {
		t.bad = true
		return nil
	}
	s := t.text[:end]
	t.text = t.text[end+1:]
	return s
}

// string writes or reads a text after its opening quote, up to and with its closing quote. Only texts that JSON spells
// as they are pass.
func (t *tape) string(v *string) {
	if t.reading {
		s := t.quoted()
		t.bad = t.bad || !plainText(s)
		*v = string(s)
		return
	}
	t.bad = t.bad || !plainText(*v)
	t.text = append(append(t.text, *v...), '"')
}

// plainText reports whether encoding/json writes s as it is.
func plainText[T string | []byte](s T) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c == '"' || c == '\\':
			return false
		case c >= utf8.RuneSelf:
			return plainUnicode(string(s[i:]))
		}
	}
	return true
}

// plainUnicode is plainText past the first byte that is not ASCII. Two line separators have escapes of their own.
func plainUnicode(s string) bool {
	for i, r := range s {
		if r < ' ' || r == '"' || r == '\\' || r == '\u2028' || r == '\u2029' {
			return false
		}
		if _, size := utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && size == 1 {
			return false
		}
	}
	return true
}

// remark is string for a text that an outline leaves out.
func (t *tape) remark(v *string) {
	if t.depth == whole {
		t.string(v)
		return
	}
	s := t.quoted()
	t.bad = t.bad || t.depth == outline && !plainText(s)
}

// time is string for a time.
func (t *tape) time(v *time.Time) {
	if t.reading {
		var ok bool
		*v, ok = readTime(t.quoted())
		t.bad = t.bad || !ok
		return
	}
	var err error
	t.text, err = v.AppendText(t.text)
	t.text = append(t.text, '"')
	t.bad = t.bad || err != nil
}

// base64 is string for bytes.
func (t *tape) base64(v *[]byte) {
	if !t.reading {
		t.bad = t.bad || *v == nil
		t.text = append(base64.StdEncoding.AppendEncode(t.text, *v), '"')
		return
	}
	s := t.quoted()
	if t.depth != whole {
		t.bad = t.bad || t.depth == outline && !plainBase64(s)
		return
	}
	b := make([]byte, base64.StdEncoding.DecodedLen(len(s)))
	n, err := base64.StdEncoding.Decode(b, s)
	t.bad = t.bad || err != nil || base64.StdEncoding.EncodedLen(n) != len(s) // the decoder passes over line breaks
	*v = b[:n]
}

// plainBase64 reports whether s is the base64 of anything, without line breaks.
func plainBase64(s []byte) bool {
	digits := bytes.TrimRight(s, "=")
	if len(s)%4 != 0 || len(s)-len(digits) > 2 {
		return false
	}
	other := byte(0)
	for _, c := range digits {
		other |= notBase64[c]
	}
	return other == 0
}

// notBase64 is 0 for the digits of base64 and 1 for all else.
var notBase64 = func() (other [256]byte) {
	for c := range other {
		other[c] = 1
	}
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		other[c] = 0
	}
	return other
}()

// duration is string for a duration.
func (t *tape) duration(v *Duration) {
	if t.reading {
		t.bad = v.UnmarshalText(t.quoted()) != nil || t.bad
		return
	}
	t.text = append(append(t.text, v.String()...), '"')
}

// rate is string for a rate.
func (t *tape) rate(v *Rate) {
	if t.reading {
		t.bad = v.UnmarshalText(t.quoted()) != nil || t.bad
		return
	}
	t.text = append(append(t.text, v.String()...), '"')
}

// stringItem is string with its opening quote, durationItem duration with it.
func (t *tape) stringItem(v *string)     { t.lead(`"`); t.string(v) }
func (t *tape) durationItem(v *Duration) { t.lead(`"`); t.duration(v) }

// list writes or reads the items of a list, after the opening bracket, up to and with the closing one. What is read is
// not nil.
func list[T any](t *tape, v *[]T, item func(*tape, *T)) {
	if t.reading {
		*v = []T{}
	}
	for i := 0; !t.bad && !t.has(`]`, i == len(*v)); i++ {
		if i > 0 {
			t.lead(`,`)
		}
		if t.reading {
			*v = append(*v, *new(T))
		}
		item(t, &(*v)[i])
	}
}

// identity is string for an id.
func identity[K kind](t *tape, v *ID[K]) {
	if !t.reading {
		t.text, _ = v.AppendText(t.text)
		t.text = append(t.text, '"')
		return
	}
	var ok bool
	*v, ok = readID[K](t.quoted())
	t.bad = t.bad || !ok
}

// number writes or reads a whole number that is not negative.
func number[N int | int64 | uint64](t *tape, v *N) {
	if !t.reading {
		t.bad = t.bad || *v < 0
		t.text = strconv.AppendUint(t.text, uint64(*v), 10)
		return
	}
	n, digits := readDigits(t.text)
	t.bad = t.bad || digits == 0
	*v, t.text = N(n), t.text[digits:]
}

// sureDigits is how many decimal digits every int64 holds.
const sureDigits = 18

// readDigits reads a number in its one decimal spelling from the front of b and says how many digits it has: 0 if
// there is none, or one too long to be sure of.
func readDigits(b []byte) (n uint64, digits int) {
	for digits < len(b) && b[digits] >= '0' && b[digits] <= '9' {
		if digits == sureDigits {
			return 0, 0
		}
		n = n*10 + uint64(b[digits]-'0')
		digits++
	}
	if digits > 1 && b[0] == '0' {
		return 0, 0
	}
	return n, digits
}

// targets writes or reads the texts of targets, after the opening bracket.
func (t *tape) targets(v *[]Target) {
	if !t.reading {
		t.bad = t.bad || *v == nil
		for i, target := range *v {
			if i > 0 {
				t.text = append(t.text, ',')
			}
			t.text = append(t.text, '"')
			t.text, _ = target.AppendText(t.text)
			t.text = append(t.text, '"')
		}
		t.text = append(t.text, ']')
		return
	}
	*v = []Target{}
	for !t.bad && !t.take("]") {
		if len(*v) > 0 {
			t.lead(",")
		}
		t.lead(`"`)
		target, ok := readTarget(t.quoted())
		t.bad = t.bad || !ok
		*v = append(*v, target)
	}
}
