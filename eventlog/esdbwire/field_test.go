package esdbwire_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hooklog/hooklog/eventlog/esdbwire"
	"google.golang.org/protobuf/encoding/protowire"
)

func TestFieldsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	for _, length := range []int{0, 1, 125, 126, 127, 128, 20_000} {
		long := strings.Repeat("x", length)
		b := esdbwire.AppendMessage([]byte{}, 7, func(b []byte) []byte {
			b = esdbwire.AppendNumber(b, 1, 1<<63)
			return esdbwire.AppendText(b, 300, long)
		})
		b = protowire.AppendFixed64(protowire.AppendTag(b, 9, protowire.Fixed64Type), 1) // It is passed over.
		b = esdbwire.AppendEntry(b, 8, "key", long)
		b = esdbwire.AppendBytes(b, 10, nil)
		fields := all(t, b)
		if len(fields) != 3 || fields[0].Number != 7 || fields[1].Number != 8 || fields[2].Number != 10 || len(fields[2].Bytes) != 0 {
			t.Fatalf("got %v", fields)
		}
		if inner := all(t, fields[0].Bytes); len(inner) != 2 || inner[0].N != 1<<63 || inner[1].Number != 300 || string(inner[1].Bytes) != long {
			t.Errorf("%d: got %v", length, inner)
		}
		if key, value, err := esdbwire.Entry(fields[1].Bytes); err != nil || string(key) != "key" || string(value) != long {
			t.Errorf("%d: got %q, %q, %v", length, key, value, err)
		}
	}
}

func all(t *testing.T, b []byte) (fields []esdbwire.Field) {
	t.Helper()
	for f, err := range esdbwire.Fields(b) {
		if err != nil {
			t.Fatal(err)
		}
		fields = append(fields, f)
	}
	return fields
}

func TestWhatIsNoMessageIsRefused(t *testing.T) {
	t.Parallel()
	whole := esdbwire.AppendText(esdbwire.AppendNumber(nil, 1, 300), 2, "text")
	for _, b := range [][]byte{whole[:1], whole[:2], whole[:4], whole[:len(whole)-1], {0}, {0x0f}} {
		var err error
		for _, err = range esdbwire.Fields(slices.Clone(b)) {
		}
		if !errors.Is(err, esdbwire.ErrMalformed) {
			t.Errorf("%x: got %v", b, err)
		}
	}
}
