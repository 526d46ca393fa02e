package domain

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTargetsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Target{drawID[subscriptionKind](t, "id"), drawUint(t, "revision")}
		text, err := want.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var got Target
		if err := got.UnmarshalText(text); err != nil || got != want {
			t.Fatalf("%s: got %v, %v", text, got, err)
		}
	})
	var most Target
	if err := most.UnmarshalText([]byte("wh_" + uuid + "@18446744073709551615")); err != nil || most.Revision != math.MaxUint64 {
		t.Errorf("the last revision: got %v, %v", most, err)
	}
}

func TestOtherSpellingsOfTargetsAreRefused(t *testing.T) {
	for _, s := range []string{"", "@", "wh_" + uuid, "wh_" + uuid + "@", "wh_" + uuid + "@-1", "wh_" + uuid + "@+1", "wh_" + uuid + "@01",
		"wh_" + uuid + "@1 ", "wh_" + uuid + "@1@2", "evt_" + uuid + "@1", "@1", "wh_" + uuid + "@18446744073709551616",
		"wh_" + uuid + "@0000000000000000000000", "wh_" + uuid + "@1_0"} {
		var target Target
		if err := target.UnmarshalText([]byte(s)); err == nil || target != (Target{}) {
			t.Errorf("%q: got %v, %v", s, target, err)
		}
	}
}

func FuzzTarget(f *testing.F) {
	f.Add("wh_" + uuid + "@17")
	f.Add("wh_" + uuid + "@12345678901234567890")
	f.Fuzz(func(t *testing.T, s string) {
		var target Target
		if target.UnmarshalText([]byte(s)) != nil {
			return
		}
		if text, err := target.MarshalText(); err != nil || string(text) != s {
			t.Errorf("%q was read as %s (%v)", s, text, err)
		}
	})
}

func TestOwnIDsOfPublishers(t *testing.T) {
	for id, ok := range map[string]bool{
		"": true, "a": true, "AZaz09._:-": true, strings.Repeat("a", 128): true, strings.Repeat("a", 129): false,
		"a b": false, "é": false, "a/b": false, "a\n": false, "a@b": false, "[": false, "`": false, "{": false,
	} {
		var want []string
		if !ok {
			want = []string{"id"}
		}
		wantFields(t, "id "+id, CheckOwnID(id), want...)
	}
}

func TestARepetitionAsksForTheSame(t *testing.T) {
	first := MessagePublished{EventType: "a", Client: "c", OccurredAt: noon, OccurredGiven: true, PayloadSHA256: []byte("sum")}
	change := func(f func(*MessagePublished)) *MessagePublished {
		other := first
		f(&other)
		return &other
	}
	for _, c := range []struct {
		name  string
		other *MessagePublished
		want  bool
	}{
		{"all equal", change(func(*MessagePublished) {}), true},
		{"other ciphertext and targets", change(func(p *MessagePublished) { p.Payload, p.Targets, p.Seen = []byte("x"), []Target{{}}, 9 }), true},
		{"the same time elsewhere", change(func(p *MessagePublished) { p.OccurredAt = noon.Local() }), true},
		{"another type", change(func(p *MessagePublished) { p.EventType = "b" }), false},
		{"another client", change(func(p *MessagePublished) { p.Client = "" }), false},
		{"another time", change(func(p *MessagePublished) { p.OccurredAt = noon.Add(1000) }), false},
		{"no time", change(func(p *MessagePublished) { p.OccurredGiven = false }), false},
		{"other data", change(func(p *MessagePublished) { p.PayloadSHA256 = []byte("mus") }), false},
	} {
		if got := first.SameAs(c.other); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
	a, b := MessagePublished{OccurredAt: noon}, MessagePublished{OccurredAt: noon.Add(1000)}
	if !a.SameAs(&b) {
		t.Error("a time that nobody gave was compared")
	}
	if got, want := first.Of(ordinaryMeta), (MessageOf{EventType: "a", PublishedAt: noon}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
