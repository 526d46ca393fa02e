package webhook

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

const lowerHex = "0123456789abcdef"

// text reads a string, quotes included.
func (c *canonicalizer) text() error {
	c.copyByte()
	for {
		run := plainRun(c.in[c.at:])
		c.out = append(c.out, c.in[c.at:c.at+run]...)
		c.at += run
		if c.at == len(c.in) {
			return ErrSyntax
		}
		switch b := c.in[c.at]; {
		case b == '"':
			c.copyByte()
			return nil
		case b == '\\':
			if err := c.escape(); err != nil {
				return err
			}
		case b < ' ':
			return ErrSyntax
		default:
			if err := c.wide(); err != nil {
				return err
			}
		}
	}
}

// wide takes over one character outside ASCII.
func (c *canonicalizer) wide() error {
	r, size := utf8.DecodeRune(c.in[c.at:])
	if r == utf8.RuneError && size == 1 {
		return ErrUTF8
	}
	c.out = append(c.out, c.in[c.at:c.at+size]...)
	c.at += size
	return nil
}

// escape reads an escape and writes what it stands for.
func (c *canonicalizer) escape() error {
	if c.at+1 == len(c.in) {
		return ErrSyntax
	}
	switch b := c.in[c.at+1]; b {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		c.out = append(c.out, '\\', b)
	case '/':
		c.out = append(c.out, b)
	case 'u':
		return c.unicodeEscape()
	default:
		return ErrSyntax
	}
	c.at += 2
	return nil
}

func (c *canonicalizer) unicodeEscape() error {
	r, ok := unicodeAt(c.in[c.at:])
	if !ok {
		return ErrSyntax
	}
	size := escapeSize
	if utf16.IsSurrogate(r) {
		low, _ := unicodeAt(c.in[c.at+escapeSize:]) // 0 if there is none, which completes no pair
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return ErrLoneSurrogate
		}
		size = 2 * escapeSize
	}
	c.out = appendRune(c.out, r)
	c.at += size
	return nil
}

const escapeSize = len(`\u0000`)

// unicodeAt reads a \u escape at the beginning of text.
func unicodeAt(text []byte) (rune, bool) {
	if len(text) < escapeSize || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, b := range text[2:escapeSize] {
		switch {
		case '0' <= b && b <= '9':
			r = r<<4 | rune(b-'0')
		case 'a' <= b && b <= 'f':
			r = r<<4 | rune(b-'a'+10)
		case 'A' <= b && b <= 'F':
			r = r<<4 | rune(b-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// appendRune appends a character of a string with the escape that JSON.stringify gives it, if any.
func appendRune(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	if r < ' ' {
		return append(dst, '\\', 'u', '0', '0', lowerHex[r>>4], lowerHex[r&15])
	}
	return utf8.AppendRune(dst, r)
}

// appendText appends s as a canonical string.
func appendText(dst []byte, s string) ([]byte, error) {
	if isPlainText(s) {
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"'), nil
	}
	if !utf8.ValidString(s) {
		return dst, ErrUTF8
	}
	dst = append(dst, '"')
	for _, r := range s {
		dst = appendRune(dst, r)
	}
	return append(dst, '"'), nil
}

// plainRun returns how many bytes at the beginning of text are printable ASCII that no string escapes. It looks at
// eight bytes at a time: a byte's highest bit ends up set if it is not plain.
func plainRun(text []byte) int {
	const (
		ones      = 0x0101010101010101
		highs     = ones << 7
		quote     = ones * '"'
		backslash = ones * '\\'
		space     = ones * ' '
	)
	n := 0
	for ; len(text)-n >= 8; n += 8 {
		word := binary.LittleEndian.Uint64(text[n:])
		q, b := word^quote, word^backslash
		// A borrow out of a byte can only mark bytes above one that is marked rightly, so the lowest mark is right.
		special := (word | (word - space) | (q - ones) | (b - ones)) & highs
		if special != 0 {
			return n + bits.TrailingZeros64(special)/8
		}
	}
	for n < len(text) && isPlain(text[n]) {
		n++
	}
	return n
}

func isPlain(b byte) bool { return ' ' <= b && b < utf8.RuneSelf && b != '"' && b != '\\' }

func isPlainText(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isPlain(s[i]) {
			return false
		}
	}
	return true
}
