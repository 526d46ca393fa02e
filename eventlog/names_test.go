package eventlog

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

func TestIDRoundTrip(t *testing.T) {
	id := ID{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10}
	const want = "01234567-89ab-cdef-fedc-ba9876543210"
	if got := id.String(); got != want {
		t.Errorf("String: got %s, want %s", got, want)
	}
	if got, err := ParseID(want); got != id || err != nil {
		t.Errorf("ParseID: got %v, %v", got, err)
	}
	if id.IsZero() || !(ID{}).IsZero() {
		t.Error("IsZero is wrong")
	}
}

func TestParseIDRefusesOtherSpellings(t *testing.T) {
	const good = "01234567-89ab-cdef-fedc-ba9876543210"
	for name, s := range map[string]string{
		"empty":           "",
		"upper case":      strings.ToUpper(good),
		"braces":          "{" + good + "}",
		"no hyphens":      strings.ReplaceAll(good, "-", ""),
		"a hyphen moved":  "0123456-789ab-cdef-fedc-ba9876543210",
		"not hexadecimal": "g1234567-89ab-cdef-fedc-ba9876543210",
		"too short":       good[:35],
		"too long":        good + "0",
		"a space":         " 1234567-89ab-cdef-fedc-ba9876543210",
		"not ASCII":       "é234567-89ab-cdef-fedc-ba9876543210",
	} {
		if id, err := ParseID(s); err == nil || !id.IsZero() {
			t.Errorf("%s: ParseID(%q) = %v, %v", name, s, id, err)
		}
	}
}

func TestPositionRoundTrip(t *testing.T) {
	for want, p := range map[string]Position{
		"0-0":                               {},
		"0-1":                               PositionOf(0, 1),
		"a-ff":                              PositionOf(10, 255),
		"ffffffffffffffff-ffffffffffffffff": PositionOf(math.MaxUint64, math.MaxUint64),
	} {
		if got := p.String(); got != want {
			t.Errorf("String: got %s, want %s", got, want)
		}
		if got, err := ParsePosition(want); got != p || err != nil {
			t.Errorf("ParsePosition(%s): got %v, %v", want, got, err)
		}
		b, err := p.AppendBinary([]byte("x"))
		if err != nil || len(b) != 17 || b[0] != 'x' {
			t.Errorf("AppendBinary: got %x, %v", b, err)
		}
		var back Position
		if err := back.UnmarshalBinary(b[1:]); err != nil || back != p {
			t.Errorf("UnmarshalBinary: got %v, %v", back, err)
		}
	}
	var p Position
	if err := p.UnmarshalBinary(make([]byte, 15)); err == nil {
		t.Error("15 bytes were taken for a position")
	}
}

func TestParsePositionRefusesOtherSpellings(t *testing.T) {
	for _, s := range []string{"", "-", "0", "0-", "-0", "00-0", "0-00", "A-0", "+1-0", "0x1-0", "0-0-0", " 0-0", "1_0-0", "10000000000000000-0", "0-10000000000000000"} {
		if p, err := ParsePosition(s); err == nil || !p.IsZero() {
			t.Errorf("ParsePosition(%q) = %v, %v", s, p, err)
		}
	}
}

func TestPositionsAreOrdered(t *testing.T) {
	ordered := []Position{{}, PositionOf(0, 1), PositionOf(0, math.MaxUint64), PositionOf(1, 0), PositionOf(1, 2), PositionOf(2, 1)}
	for i, p := range ordered {
		for j, q := range ordered {
			pb, _ := p.AppendBinary(nil)
			qb, _ := q.AppendBinary(nil)
			want := 0
			switch {
			case i < j:
				want = -1
			case i > j:
				want = 1
			}
			if got := p.Compare(q); got != want || p.After(q) != (want > 0) || bytes.Compare(pb, qb) != want {
				t.Errorf("%s against %s: got %d, want %d", p, q, got, want)
			}
		}
	}
}

func TestExpectedNames(t *testing.T) {
	for e, want := range map[Expected]string{NoStream: "no stream", Any: "any", StreamExists: "stream exists", Exactly(7): "revision 7"} {
		if got := e.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("01234567-89ab-cdef-fedc-ba9876543210")
	f.Add("01234567-89AB-cdef-fedc-ba9876543210")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if err == nil && id.String() != s {
			t.Errorf("ParseID took %q for %s", s, id)
		}
		if err != nil && !id.IsZero() {
			t.Errorf("ParseID(%q) failed and gave %s", s, id)
		}
	})
}

func FuzzParsePosition(f *testing.F) {
	f.Add("0-1")
	f.Add("ffffffffffffffff-0")
	f.Add("+1-0")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePosition(s)
		if err == nil && p.String() != s {
			t.Errorf("ParsePosition took %q for %s", s, p)
		}
		if err != nil && !p.IsZero() {
			t.Errorf("ParsePosition(%q) failed and gave %s", s, p)
		}
	})
}
