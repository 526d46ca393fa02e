package domain

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"
)

func TestTheSameMemoryIsDecodedOnceAndNothingElseIsTakenForIt(t *testing.T) {
	c := NewCodec(testKeys{})
	id := [16]byte{1}
	e, err := c.Encode(Place{"hl_slug-acme", id, 0}, &SlugReserved{Slug: "acme"}, Meta{At: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	first, _, err := c.Decode(Place{"hl_slug-acme", id, 0}, e.Type, e.Data, e.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := c.Decode(Place{"hl_slug-acme", id, 0}, e.Type, e.Data, e.Metadata)
	if err != nil || again != first {
		t.Errorf("decoded again: %v, %v", again, err)
	}
	copied, _, err := c.Decode(Place{"hl_slug-acme", id, 0}, e.Type, bytes.Clone(e.Data), e.Metadata)
	if err != nil || copied == first {
		t.Errorf("other memory was taken for the same: %v", err)
	}
	if _, _, err := c.Decode(Place{"hl_slug-evil", id, 0}, e.Type, e.Data, e.Metadata); !errors.Is(err, ErrForged) {
		t.Errorf("on another stream: got %v, want ErrForged", err)
	}
}

func TestLargeFactsAreNotKept(t *testing.T) {
	c := NewCodec(testKeys{})
	for size, kept := range map[int]bool{memoBytes / 2: true, memoBytes: false} {
		id := [16]byte{15: byte(size >> 8)}
		e, err := c.Encode(Place{"s", id, 0}, &MessagePublished{Payload: make([]byte, size), PayloadSHA256: []byte{}, Targets: []Target{}}, ordinaryMeta)
		if err != nil {
			t.Fatal(err)
		}
		first, _, err := c.Decode(Place{"s", id, 0}, e.Type, e.Data, e.Metadata)
		if err != nil {
			t.Fatal(err)
		}
		if again, _, err := c.Decode(Place{"s", id, 0}, e.Type, e.Data, e.Metadata); err != nil || (again == first) != kept {
			t.Errorf("%d bytes: kept %v, want %v, %v", len(e.Data), again == first, kept, err)
		}
	}
}

// What the memo gives for a fact that was encoded here is what anybody else decodes.
func TestAFactThatWasEncodedHereIsReadAsItWasWritten(t *testing.T) {
	keys := mustKeyset(t)
	here, elsewhere := NewCodec(keys), NewCodec(keys)
	for _, f := range ordinaryFacts() {
		at := Place{"s", [16]byte{1}, 0}
		e, err := here.Encode(at, f, Meta{At: time.Now(), Actor: "key:test"})
		if err != nil {
			t.Fatal(err)
		}
		got, gotMeta, err := here.Decode(at, e.Type, e.Data, e.Metadata)
		if err != nil || got != f {
			t.Errorf("%T is decoded again where it was encoded: %v", f, err)
		}
		want, wantMeta, err := elsewhere.Decode(at, e.Type, e.Data, e.Metadata)
		if err != nil || !reflect.DeepEqual(got, want) || gotMeta != wantMeta {
			t.Errorf("%T: here %+v %+v, elsewhere %+v %+v, %v", f, got, gotMeta, want, wantMeta, err)
		}
	}
}
