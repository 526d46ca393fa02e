package domain

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// subscriber makes a subscription for matching; its id sorts by n.
func subscriber(n byte, events string, change ...func(*Subscription)) *Subscription {
	s := &Subscription{ID: SubscriptionID{n}, Organization: OrganizationID{1}, Revision: uint64(n) * 10}
	s.Events = strings.Fields(events)
	for _, c := range change {
		c(s)
	}
	return s
}

func off(by DisabledBy) func(*Subscription) {
	return func(s *Subscription) { s.Disabled = &Disabling{By: by} }
}

func clients(names ...string) func(*Subscription) {
	return func(s *Subscription) { s.Clients = names }
}

func TestMatching(t *testing.T) {
	x := NewSubscribers()
	for _, s := range []*Subscription{
		subscriber(9, "a.b a.c"), subscriber(1, "*"), subscriber(2, "a.*"), subscriber(3, "a.b.*"), subscriber(4, "* a.* a.b"),
		subscriber(5, "a.b", off(ByOwner)), subscriber(6, "a.*", off(ByFailures)), subscriber(7, "a.b", clients("x", "y")),
		subscriber(8, ""), subscriber(10, "a.b", off(ByOperator), clients("x")), subscriber(11, "hooklog.*"),
		subscriber(12, "a.b", func(s *Subscription) { s.Deleted = true }),
	} {
		x.Put(s)
	}
	if x.Len() != 11 {
		t.Errorf("%d are not deleted, want 11", x.Len())
	}
	for _, c := range []struct {
		typ, client string
		targets     []byte
		withheld    map[byte]WithheldWhy
	}{
		{"a.b", "", []byte{1, 2, 4, 9}, map[byte]WithheldWhy{5: WithheldDisabled, 6: WithheldFailures, 7: WithheldClient, 10: WithheldDisabled}},
		{"a.b", "x", []byte{1, 2, 4, 7, 9}, map[byte]WithheldWhy{5: WithheldDisabled, 6: WithheldFailures, 10: WithheldDisabled}},
		{"a.b", "z", []byte{1, 2, 4, 9}, map[byte]WithheldWhy{5: WithheldDisabled, 6: WithheldFailures, 7: WithheldClient, 10: WithheldDisabled}},
		{"a.c", "", []byte{1, 2, 4, 9}, map[byte]WithheldWhy{6: WithheldFailures}},
		{"a.b.c", "", []byte{1, 2, 3, 4}, map[byte]WithheldWhy{6: WithheldFailures}},
		{"a.b.c.d", "", []byte{1, 2, 3, 4}, map[byte]WithheldWhy{6: WithheldFailures}},
		{"a", "", []byte{1, 4}, nil},
		{"ab", "", []byte{1, 4}, nil},
		{"hooklog.x", "", []byte{11}, nil},
		{"a.", "", []byte{1, 4}, nil},
		{"", "", []byte{1, 4}, nil},
	} {
		var want Matching
		for _, n := range c.targets {
			want.Targets = append(want.Targets, Target{SubscriptionID{n}, uint64(n) * 10})
		}
		for n := range byte(13) {
			if why, ok := c.withheld[n]; ok {
				want.Withheld = append(want.Withheld, Withheld{SubscriptionID{n}, why})
			}
		}
		if got := x.Match(c.typ, c.client); !reflect.DeepEqual(got, want) {
			t.Errorf("%s for %q: got %+v, want %+v", c.typ, c.client, got, want)
		}
	}
}

func TestALaterStateReplacesTheEarlierOne(t *testing.T) {
	x := NewSubscribers()
	matched := func(typ string) int { return len(x.Match(typ, "").Targets) }
	x.Put(subscriber(1, "a b.*"))
	x.Put(subscriber(1, "c d.*"))
	if matched("a") != 0 || matched("b.x") != 0 || matched("c") != 1 || matched("d.x") != 1 {
		t.Error("the state before still matches")
	}
	if s, ok := x.Get(SubscriptionID{1}); !ok || s.Events[0] != "c" {
		t.Errorf("got %v, %v", s, ok)
	}
	x.Put(subscriber(1, "c d.*", func(s *Subscription) { s.Deleted = true }))
	if _, ok := x.Get(SubscriptionID{1}); ok || x.Len() != 0 || matched("c") != 0 || matched("d.x") != 0 {
		t.Error("a deleted one is still there")
	}
	if len(x.asking) != 0 {
		t.Errorf("what is gone takes room: %v", x.asking)
	}
}

// TestMatchingIsWhatEverySubscriptionSaysByItself compares the arranged matching with asking each one.
func TestMatchingIsWhatEverySubscriptionSaysByItself(t *testing.T) {
	names := []string{"a", "a.b", "a.b.c", "b", "*", "a.*", "a.b.*", "b.*"}
	rapid.Check(t, func(t *rapid.T) {
		x := NewSubscribers()
		present := map[SubscriptionID]*Subscription{}
		for range rapid.IntRange(0, 20).Draw(t, "facts") {
			s := subscriber(rapid.ByteRange(1, 6).Draw(t, "id"), "")
			s.Events = rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 4, rapid.ID).Draw(t, "events")
			s.Clients = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y"}), 0, 2, rapid.ID).Draw(t, "clients")
			s.Revision = rapid.Uint64Range(0, 9).Draw(t, "revision")
			switch rapid.IntRange(0, 5).Draw(t, "state") {
			case 0:
				s.Disabled = &Disabling{By: rapid.SampledFrom([]DisabledBy{ByOwner, ByFailures, ByOperator}).Draw(t, "by")}
			case 1:
				s.Deleted = true
			}
			x.Put(s)
			present[s.ID] = s
		}
		typ := rapid.SampledFrom([]string{"a", "a.b", "a.b.c", "b", "b.c", "c"}).Draw(t, "type")
		client := rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "client")
		asks := func(s *Subscription) bool {
			return slices.ContainsFunc(s.Events, func(e string) bool {
				return e == "*" || e == typ || strings.HasSuffix(e, ".*") && strings.HasPrefix(typ, strings.TrimSuffix(e, "*"))
			})
		}
		var want Matching
		for n := range byte(7) {
			s, ok := present[SubscriptionID{n}]
			if !ok || s.Deleted || !asks(s) {
				continue
			}
			if s.Disabled == nil && (len(s.Clients) == 0 || slices.Contains(s.Clients, client)) {
				want.Targets = append(want.Targets, Target{s.ID, s.Revision})
			} else {
				want.Withheld = append(want.Withheld, Withheld{s.ID, withhold(s, client)})
			}
		}
		if got := x.Match(typ, client); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func TestCorrectingGivesTheRightTargets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) []Target {
			var targets []Target
			for n := range byte(8) {
				if rapid.Bool().Draw(t, label) {
					targets = append(targets, Target{SubscriptionID{n}, rapid.Uint64Range(0, 2).Draw(t, label)})
				}
			}
			return targets
		}
		recorded, right := draw("recorded"), draw("right")
		added, removed := Correct(recorded, right)
		ids := func(targets []Target) (all []SubscriptionID) {
			for _, x := range targets {
				all = append(all, x.Subscription)
			}
			return all
		}
		var got []SubscriptionID
		for _, id := range ids(recorded) {
			if !slices.Contains(removed, id) {
				got = append(got, id)
			}
		}
		for _, x := range added {
			if !slices.Contains(right, x) {
				t.Fatalf("%v was added and is not right", x)
			}
			got = append(got, x.Subscription)
		}
		slices.SortFunc(got, compareIDs)
		if want := ids(right); !slices.Equal(got, want) {
			t.Fatalf("recorded %v, added %v, removed %v: got %v, want %v", recorded, added, removed, got, want)
		}
		if a, r := Correct(right, right); a != nil || r != nil {
			t.Fatalf("nothing was wrong: added %v, removed %v", a, r)
		}
	})
}

// BenchmarkMatchAmong measures a message with one match beside ever more subscriptions of its organization that ask for
// something else: each of another name, each by another pattern, and all of a pattern that begins like the type.
func BenchmarkMatchAmong(b *testing.B) {
	for _, c := range []struct{ name, events string }{{"names", "order.t%d.paid"}, {"patterns", "order.t%d.*"}, {"near", "order.t%d.paid.*"}} {
		for _, n := range []int{10, 1_000, 100_000} {
			b.Run(fmt.Sprintf("%s/subscriptions=%d", c.name, n), func(b *testing.B) {
				x := NewSubscribers()
				for i := range n {
					s := subscriber(1, fmt.Sprintf(c.events, i))
					binary.BigEndian.PutUint32(s.ID[12:], uint32(i))
					x.Put(s)
				}
				want := 1
				if c.name == "near" {
					want = 0
				}
				b.ReportAllocs()
				for b.Loop() {
					if m := x.Match("order.t7.paid", ""); len(m.Targets) != want {
						b.Fatal(m)
					}
				}
			})
		}
	}
}
