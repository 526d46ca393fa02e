package embedded

import (
	"bytes"
	"math"
	"testing"

	"github.com/hooklog/hooklog/eventlog"
)

func encoded(position uint64, h header, stream string, e eventlog.Event) []byte {
	b := make([]byte, recordSize(stream, &e))
	putRecord(b, position, h, stream, &e)
	return b
}

func sample() eventlog.Event {
	return eventlog.Event{ID: eventlog.ID{1, 2, 3}, Type: "t.v1", Data: []byte(`{"a":1}`), Metadata: []byte(`{"at":2}`)}
}

func TestRecordRoundTrip(t *testing.T) {
	want, h := sample(), header{recordedAt: 123456789, revision: math.MaxUint64, left: 7}
	got, back, err := decodeRecord(encoded(9, h, "s\x00\xf0\x9f\x93\xa8", want), 9, nil)
	if err != nil || back != h {
		t.Fatalf("decode: got %+v, %v", back, err)
	}
	if got.ID != want.ID || got.Type != want.Type || !bytes.Equal(got.Data, want.Data) || !bytes.Equal(got.Metadata, want.Metadata) {
		t.Errorf("got %+v, want %+v", got.Event, want)
	}
	if got.Stream != "s\x00\U0001F4E8" || got.Revision != math.MaxUint64 || got.Position != eventlog.PositionOf(0, 9) || got.RecordedAt.UnixNano() != 123456789 {
		t.Errorf("got %+v", got)
	}
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	record := encoded(9, header{recordedAt: 1, revision: 2}, "stream", sample())
	for bit := range len(record) * 8 {
		record[bit/8] ^= 1 << (bit % 8)
		if _, _, err := decodeRecord(record, 9, nil); err == nil {
			t.Errorf("bit %d flipped, and the record was read", bit)
		}
		record[bit/8] ^= 1 << (bit % 8)
	}
	for n := range record {
		if _, _, err := decodeRecord(record[:n], 9, nil); err == nil {
			t.Errorf("a record cut to %d bytes was read", n)
		}
	}
	if _, _, err := decodeRecord(record, 10, nil); err == nil {
		t.Error("a record was read at another position")
	}
}

func TestNamedKeysSortAndRoundTrip(t *testing.T) {
	names := []string{"\x00", "\x00\x00", "\x00\x01", "\x00\xff", "a", "a\x00", "a\x00\x00", "a\x00\x01", "a\x00b", "a\x01", "aa", "b", "\xff"}
	var before []byte
	for _, name := range names {
		for _, number := range []uint64{0, 1, 256, math.MaxUint64} {
			key := namedKey(nil, parkedSpace, name, number)
			if before != nil && bytes.Compare(before, key) >= 0 {
				t.Errorf("%q %d does not sort after what is before it", name, number)
			}
			before = key
			gotName, gotNumber, err := parseNamedKey(key)
			if gotName != name || gotNumber != number || err != nil {
				t.Errorf("%q %d came back as %q %d, %v", name, number, gotName, gotNumber, err)
			}
		}
	}
}

func TestGroupRoundTrip(t *testing.T) {
	want := eventlog.Group{Name: "g", TypePrefixes: []string{"", "a", "\x00"}, MessageTimeout: 90e9, MaxRetries: 12}
	b := encodeGroup(want, 77)
	got, checkpoint, err := decodeGroup("g", b)
	if err != nil || checkpoint != 77 || !got.SameSettings(want) || got.Name != "g" {
		t.Errorf("got %+v at %d, %v", got, checkpoint, err)
	}
	for n := range b {
		if _, _, err := decodeGroup("g", b[:n]); err == nil {
			t.Errorf("a group cut to %d bytes was read", n)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(encoded(9, header{recordedAt: 1, revision: 2, left: 3}, "stream", sample()))
	f.Add([]byte{recordVersion, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, h, err := decodeRecord(bytes.Clone(b), 9, nil)
		if err != nil {
			return
		}
		again, h2, err := decodeRecord(encoded(9, h, got.Stream, got.Event), 9, nil)
		if err != nil || h2 != h || again.ID != got.ID || again.Type != got.Type || !bytes.Equal(again.Data, got.Data) {
			t.Errorf("%x does not round-trip: %v", b, err)
		}
	})
}

func FuzzParseNamedKey(f *testing.F) {
	f.Add(namedKey(nil, parkedSpace, "a\x00b", 7))
	f.Fuzz(func(t *testing.T, key []byte) {
		name, number, err := parseNamedKey(key)
		if err == nil && !bytes.Equal(namedKey(nil, key[0], name, number), key) {
			t.Errorf("%x was read as %q %d", key, name, number)
		}
	})
}
