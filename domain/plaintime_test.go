package domain

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTimesAreReadAsTheyAreWritten also changes a byte: what is read then is what UnmarshalText reads.
func TestTimesAreReadAsTheyAreWritten(t *testing.T) {
	first, last := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]int64{1, 1e3, 1e6, 1e9}).Draw(t, "unit")
		want := time.Unix(rapid.Int64Range(first, last).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanos")/unit*unit).UTC()
		text, err := want.AppendText(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := readTime(text); !ok || got != want {
			t.Fatalf("%s: got %v, %v", text, got, ok)
		}
		text[rapid.IntRange(0, len(text)-1).Draw(t, "place")] = rapid.Byte().Draw(t, "byte")
		sameTime(t, text)
	})
}

// sameTime demands that a time that is read by hand is the one that UnmarshalText reads.
func sameTime(t interface{ Fatalf(string, ...any) }, text []byte) {
	var want time.Time
	if got, ok := readTime(text); ok && (want.UnmarshalText(text) != nil || got != want) {
		t.Fatalf("%q: by hand %v, UnmarshalText %v", text, got, want)
	}
}

// TestOtherTimesAreLeft holds what is near enough to be mistaken.
func TestOtherTimesAreLeft(t *testing.T) {
	for _, text := range []string{
		"2026-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z",
		"2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00",
		"2026-01-01T00:00:00z", "2026-01-01t00:00:00Z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00.Z",
		"2026-01-01T00:00:00.10Z", "2026-01-01T00:00:00.0Z", "2026-01-01T00:00:00,1Z", "2026-01-01T00:00:00.1234567891Z",
		"2026-01-01T00:00:00.1a2Z", "2026-01-0\xbaT00:00:00Z", "12026-01-01T00:00:00Z", "-026-01-01T00:00:00Z", "Z", "",
		strings.Repeat("Z", plainSeconds+1),
	} {
		if got, ok := readTime([]byte(text)); ok {
			t.Errorf("%q is read as %v", text, got)
		}
	}
	for _, text := range []string{"2024-02-29T23:59:59.999999999Z", "0000-01-01T00:00:00Z", "9999-12-31T00:00:00.000001Z"} {
		if _, ok := readTime([]byte(text)); !ok {
			t.Errorf("%q is not read", text)
		}
		sameTime(t, []byte(text))
	}
}
