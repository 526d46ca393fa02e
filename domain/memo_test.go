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
	published := &MessagePublished{Payload: []byte{1}, PayloadSHA256: []byte{}, Targets: []Target{}}
	e, err := c.Encode(Place{"hl_message-a", id, 0}, published, ordinaryMeta)
	if err != nil {
		t.Fatal(err)
	}
	same, _, err := c.Decode(Place{"hl_message-a", id, 0}, e.Type, e.Data, e.Metadata)
	if err != nil || same != Fact(published) {
		t.Errorf("the same memory was decoded: %v", err)
	}
	copied, _, err := c.Decode(Place{"hl_message-a", id, 0}, e.Type, bytes.Clone(e.Data), e.Metadata)
	if err != nil || copied == Fact(published) {
		t.Errorf("other memory was taken for the same: %v", err)
	}
	if _, _, err := c.Decode(Place{"hl_message-b", id, 0}, e.Type, e.Data, e.Metadata); !errors.Is(err, ErrForged) {
		t.Errorf("on another stream: got %v, want ErrForged", err)
	}
}

func TestAFactIsKeptUntilAllHaveReadItWhoAreAboutTo(t *testing.T) {
	for _, f := range ordinaryFacts() {
		c, at := NewCodec(testKeys{}), Place{"s", [16]byte{1}, 0}
		e, err := c.Encode(at, f, ordinaryMeta)
		if err != nil {
			t.Fatal(err)
		}
		for n := range readers(f) + 1 {
			got, _, err := c.Decode(at, e.Type, e.Data, e.Metadata)
			if kept := got == f; err != nil || kept != (n < readers(f)) {
				t.Errorf("%T: reader %d is given the same one: %v, %v", f, n+1, kept, err)
			}
		}
		for i := range c.memo {
			if d := c.memo[i].Load(); d != nil && d.fact == f {
				t.Errorf("%T is kept for nobody", f)
			}
		}
	}
}

// What the memo has decoded itself is for those who are left.
func TestAFactThatWasReadIsKeptForTheOthers(t *testing.T) {
	for f, others := range map[Fact]bool{&RetryDue{}: true, &SlugReserved{Slug: "acme"}: false} {
		here, there, at := NewCodec(testKeys{}), NewCodec(testKeys{}), Place{"s", [16]byte{1}, 0}
		e, err := there.Encode(at, f, ordinaryMeta)
		if err != nil {
			t.Fatal(err)
		}
		first, _, err1 := here.Decode(at, e.Type, e.Data, e.Metadata)
		second, _, err2 := here.Decode(at, e.Type, e.Data, e.Metadata)
		if err := errors.Join(err1, err2); err != nil || (second == first) != others {
			t.Errorf("%T is kept for a second reader: %v, %v", f, second == first, err)
		}
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
