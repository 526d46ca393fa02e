package webhook

import (
	"math"
	"strconv"
)

const (
	// sureDigits is how many significant digits every double keeps, so that they are the shortest spelling too.
	sureDigits = 15
	// maxDigits is the most that JavaScript writes.
	maxDigits = 17
	// surePoint bounds the places of the decimal point for which sureDigits holds, well inside the normal doubles.
	surePoint = 290
)

// number reads a number and writes it as JavaScript does if that is the same value, else as it is.
func (c *canonicalizer) number() error {
	end := numberEnd(c.in, c.at)
	if end < 0 {
		return ErrSyntax
	}
	text := c.in[c.at:end]
	if isShortInteger(text) {
		c.out = append(c.out, text...)
	} else {
		c.out = appendNumber(c.out, text)
	}
	c.at = end
	return nil
}

// numberEnd returns where the number that begins at start ends, or -1 if none does.
func numberEnd(in []byte, start int) int {
	i := start
	if i < len(in) && in[i] == '-' {
		i++
	}
	if i < len(in) && in[i] == '0' {
		i++
	} else if i = digitsEnd(in, i); i < 0 {
		return -1
	}
	if i < len(in) && in[i] == '.' {
		if i = digitsEnd(in, i+1); i < 0 {
			return -1
		}
	}
	if i < len(in) && in[i]|0x20 == 'e' {
		i++
		if i < len(in) && (in[i] == '+' || in[i] == '-') {
			i++
		}
		return digitsEnd(in, i)
	}
	return i
}

// digitsEnd returns the end of the digits at start, or -1 if there is none.
func digitsEnd(in []byte, start int) int {
	i := start
	for i < len(in) && '0' <= in[i] && in[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// isShortInteger tells whether a number is what JavaScript writes, judged by its look alone.
func isShortInteger(number []byte) bool {
	if len(number) > sureDigits || number[0] == '-' && number[1] == '0' {
		return false
	}
	return digitsEnd(number, 1) == len(number) || len(number) == 1
}

// decimal is the value 0.d₁d₂…dₙ × 10^point, d₁ and dₙ not zero; zero has no digits.
type decimal struct {
	negative bool
	digits   [maxDigits]byte
	n        int
	point    int
	long     bool // there are more digits than fit
}

// appendNumber appends a number of JSON's grammar.
func appendNumber(dst, number []byte) []byte {
	d := parseDecimal(number)
	if d.long {
		return append(dst, number...)
	}
	if d.n == 0 {
		return append(dst, '0')
	}
	if d.n > sureDigits || d.point < -surePoint || d.point > surePoint {
		if !d.isShortest(number) {
			return append(dst, number...)
		}
	}
	return d.append(dst)
}

// isShortest tells whether the double nearest to number is written with exactly these digits.
func (d *decimal) isShortest(number []byte) bool {
	f, err := strconv.ParseFloat(string(number), 64)
	if err != nil || f == 0 {
		return false // beyond the doubles
	}
	var space [32]byte
	shortest := parseDecimal(strconv.AppendFloat(space[:0], f, 'e', -1, 64))
	return *d == shortest
}

func parseDecimal(number []byte) (d decimal) {
	i := 0
	if number[0] == '-' {
		d.negative = true
		i = 1
	}
	zeros := 0 // read after the last digit that is not zero, and not yet known to matter
	fraction := false
	for ; i < len(number) && number[i]|0x20 != 'e'; i++ {
		switch b := number[i]; {
		case b == '.':
			fraction = true
			continue
		case b != '0':
			d.add(zeros, b)
			zeros = 0
		case d.n > 0:
			zeros++
		}
		if !fraction && d.n > 0 {
			d.point++
		} else if fraction && d.n == 0 {
			d.point--
		}
	}
	if i < len(number) {
		d.point = addExponent(d.point, number[i+1:])
	}
	return d
}

// add appends the zeros that turned out to stand between digits, and the digit.
func (d *decimal) add(zeros int, digit byte) {
	if d.n+zeros >= maxDigits {
		d.long = true
		return
	}
	for range zeros {
		d.digits[d.n] = '0'
		d.n++
	}
	d.digits[d.n] = digit
	d.n++
}

// addExponent adds a written exponent; one that is out of all bounds counts as the bound.
func addExponent(point int, exponent []byte) int {
	const bound = math.MaxInt32
	n, err := strconv.Atoi(string(exponent))
	if err != nil || n > bound || n < -bound {
		n = bound
		if exponent[0] == '-' {
			n = -bound
		}
	}
	return point + n
}

// append writes the number as ECMAScript's Number::toString does.
func (d *decimal) append(dst []byte) []byte {
	digits := d.digits[:d.n]
	if d.negative {
		dst = append(dst, '-')
	}
	switch {
	case d.point > 21 || d.point <= -6:
		return appendExponent(dst, digits, d.point-1)
	case d.point <= 0:
		dst = append(dst, "0."...)
		dst = appendZeros(dst, -d.point)
		return append(dst, digits...)
	case d.point >= d.n:
		dst = append(dst, digits...)
		return appendZeros(dst, d.point-d.n)
	default:
		dst = append(dst, digits[:d.point]...)
		dst = append(dst, '.')
		return append(dst, digits[d.point:]...)
	}
}

func appendExponent(dst, digits []byte, exponent int) []byte {
	dst = append(dst, digits[0])
	if len(digits) > 1 {
		dst = append(dst, '.')
		dst = append(dst, digits[1:]...)
	}
	dst = append(dst, 'e')
	if exponent > 0 {
		dst = append(dst, '+')
	}
	return strconv.AppendInt(dst, int64(exponent), 10)
}

func appendZeros(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, '0')
	}
	return dst
}
