package domain

import (
	"bytes"
	"cmp"
	"strconv"
)

// compareNumbers compares two numbers of JSON's grammar by their decimal values, whatever their size and precision.
// Exponents count up to 2^40, beyond which they are all the same.
func compareNumbers(a, b []byte) int {
	if bytes.Equal(a, b) {
		return 0
	}
	x, y := decimalOf(a), decimalOf(b)
	if x.sign != y.sign || x.sign == 0 {
		return cmp.Compare(x.sign, y.sign)
	}
	return x.sign * cmp.Or(cmp.Compare(x.point, y.point), compareDigits(x.digits, y.digits))
}

// decimal is the value 0.d₁d₂…dₙ × 10^point, d₁ and dₙ not zero. A decimal point may stand among the digits.
type decimal struct {
	sign   int
	digits []byte
	point  int64
}

func decimalOf(number []byte) decimal {
	d := decimal{sign: 1}
	if number[0] == '-' {
		d.sign, number = -1, number[1:]
	}
	mantissa, exponent := number, []byte(nil)
	if e := bytes.IndexAny(number, "eE"); e >= 0 {
		mantissa, exponent = number[:e], number[e+1:]
	}
	whole := bytes.IndexByte(mantissa, '.')
	if whole < 0 {
		whole = len(mantissa)
	}
	first := bytes.IndexAny(mantissa, "123456789")
	if first < 0 {
		return decimal{}
	}
	if d.point = int64(whole - first); first > whole {
		d.point++ // the decimal point is no digit
	}
	d.digits = bytes.TrimRight(mantissa[first:], "0.")
	d.point += exponentOf(exponent)
	return d
}

// maxExponent is where exponents stop to count, far beyond what the digits of a text can make up for.
const maxExponent = 1 << 40

func exponentOf(text []byte) int64 {
	if len(text) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(string(text), 10, 64) // what is out of range is the greatest or least
	return min(max(n, -maxExponent), maxExponent)
}

// compareDigits compares what stands after "0." without zeros at the end, passing over decimal points.
func compareDigits(a, b []byte) int {
	for {
		a, b = bytes.TrimPrefix(a, []byte{'.'}), bytes.TrimPrefix(b, []byte{'.'})
		if len(a) == 0 || len(b) == 0 {
			return cmp.Compare(len(a), len(b))
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
}
