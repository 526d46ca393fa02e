package domain

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const uuid = "019e5620-4c80-7abc-8def-0123456789ab"

func TestIDsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := drawID[messageKind](t, "id")
		text := id.String()
		if back, err := ParseMessageID(text); err != nil || back != id {
			t.Fatalf("%s: got %v, %v", text, back, err)
		}
		if text != "evt_"+id.UUID() {
			t.Fatalf("got %s and %s", text, id.UUID())
		}
		if b, err := id.MarshalText(); err != nil || string(b) != text {
			t.Fatalf("MarshalText: %s, %v, want %s", b, err, text)
		}
		other := drawID[messageKind](t, "other")
		if got, want := compareIDs(id, other), bytes.Compare(id[:], other[:]); got != want {
			t.Fatalf("compared: got %d, want %d", got, want)
		}
		if got, want := strings.Compare(text, other.String()), bytes.Compare(id[:], other[:]); got != want {
			t.Fatalf("texts do not sort as ids: got %d, want %d", got, want)
		}
	})
}

func TestOtherSpellingsOfIDsAreRefused(t *testing.T) {
	for _, text := range []string{"", "evt_", uuid, "evt_" + strings.ToUpper(uuid), "EVT_" + uuid, "wh_" + uuid, "evt_" + uuid + "0",
		" evt_" + uuid, "evt_" + strings.ReplaceAll(uuid, "-", ""), "evt_" + strings.Replace(uuid, "-", "0", 1),
		"evt_" + strings.Replace(uuid, "0", "g", 1), "evt_" + strings.Replace(uuid, "0", "\xff", 1), "evt_{" + uuid[1:35] + "}"} {
		if id, err := ParseMessageID(text); err == nil || !id.IsZero() {
			t.Errorf("%q: got %v, %v", text, id, err)
		}
	}
}

func TestEachKindOfIDHasItsPrefix(t *testing.T) {
	org, err1 := ParseOrganizationID("org_" + uuid)
	sub, err2 := ParseSubscriptionID("wh_" + uuid)
	msg, err3 := ParseMessageID("evt_" + uuid)
	del, err4 := ParseDeliveryID("del_" + uuid)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		t.Fatal(err1, err2, err3, err4)
	}
	got := []string{org.String(), sub.String(), msg.String(), del.String()}
	if want := []string{"org_" + uuid, "wh_" + uuid, "evt_" + uuid, "del_" + uuid}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("evt_" + uuid)
	f.Add("wh_" + uuid)
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseMessageID(s); err == nil && id.String() != s {
			t.Errorf("%q was read as %s", s, id)
		}
		var id SubscriptionID
		if err := id.UnmarshalText([]byte(s)); err == nil && id.String() != s {
			t.Errorf("%q was read as %s", s, id)
		}
	})
}

func TestLaidOutIDsAreUUIDsThatKeepTheirTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ulid := [16]byte(drawID[messageKind](t, "ulid"))
		id := MessageID(LayOut(ulid))
		if text := id.UUID(); text[14] != '7' || !strings.Contains("89ab", text[19:20]) {
			t.Fatalf("%s is no UUID of version 7", text)
		}
		if !bytes.Equal(id[:6], ulid[:6]) || !id.Time().Equal(MessageID(ulid).Time()) {
			t.Fatalf("%x lost its time: %x", ulid, id)
		}
	})
	at := time.Date(2026, 5, 23, 18, 0, 0, 0, time.UTC)
	ms := at.UnixMilli()
	id := MessageID{byte(ms >> 40), byte(ms >> 32), byte(ms >> 24), byte(ms >> 16), byte(ms >> 8), byte(ms)}
	if !id.Time().Equal(at) {
		t.Errorf("got %s, want %s", id.Time(), at)
	}
}

func TestDerivedIDsAreTheSameForEver(t *testing.T) {
	org, err := ParseOrganizationID("org_" + uuid)
	if err != nil {
		t.Fatal(err)
	}
	// Both were computed with another tool.
	if got, want := DeriveMessageID(org, "order-1").String(), "evt_14fd711d-6fd9-8445-97f4-05ef4ed53817"; got != want {
		t.Errorf("message: got %s, want %s", got, want)
	}
	message, err1 := ParseMessageID("evt_019e5620-4c83-7abc-8def-0123456789ab")
	subscription, err2 := ParseSubscriptionID("wh_019e5620-4c81-7abc-8def-0123456789ab")
	if got, want := DeriveDeliveryID(message, subscription).String(), "del_019e5620-4c83-79fd-81b7-028fc1389429"; got != want || err1 != nil || err2 != nil {
		t.Errorf("delivery: got %s, want %s (%v, %v)", got, want, err1, err2)
	}
	m, s := MessageID{1, 2, 3, 4, 5, 6, 7}, SubscriptionID{9}
	rapid.Check(t, func(t *rapid.T) {
		own := rapid.String().Draw(t, "own")
		id := DeriveMessageID(org, own)
		if id != DeriveMessageID(org, own) || id.UUID()[14] != '8' || !strings.Contains("89ab", id.UUID()[19:20]) {
			t.Fatalf("%s is no UUID of version 8", id)
		}
		if id == DeriveMessageID(OrganizationID{1}, own) || id == DeriveMessageID(org, own+"x") {
			t.Fatal("two publishers' ids gave one message id")
		}
		sub := drawID[subscriptionKind](t, "subscription")
		d := DeriveDeliveryID(m, sub)
		if d.UUID()[14] != '7' || !bytes.Equal(d[:6], m[:6]) || d != (DeliveryOf{Message: m, Subscription: sub}).ID() {
			t.Fatalf("%s does not carry the time of its message", d)
		}
		if sub != s && d == DeriveDeliveryID(m, s) {
			t.Fatal("two subscriptions share a delivery")
		}
	})
}

func TestStreamsAreNamedAfterTheirAggregate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		org, sub := drawID[organizationKind](t, "o"), drawID[subscriptionKind](t, "s")
		msg, del := drawID[messageKind](t, "m"), drawID[deliveryKind](t, "d")
		if got, ok := OrganizationOfStream(OrganizationStream(org)); !ok || got != org {
			t.Fatal(got, ok)
		}
		if got, ok := SubscriptionOfStream(SubscriptionStream(sub)); !ok || got != sub {
			t.Fatal(got, ok)
		}
		if got, ok := MessageOfStream(MessageStream(msg)); !ok || got != msg {
			t.Fatal(got, ok)
		}
		if got, ok := DeliveryOfStream(DeliveryStream(del)); !ok || got != del {
			t.Fatal(got, ok)
		}
		if got, ok := KeyOfStream(KeyStream("live_a")); !ok || got != "live_a" {
			t.Fatal(got, ok)
		}
		if _, ok := MessageOfStream(SubscriptionStream(sub)); ok {
			t.Fatal("a subscription's stream passed for a message's")
		}
		if _, ok := DeliveryOfStream(DeliveryStream(del) + "0"); ok {
			t.Fatal("a longer name passed")
		}
	})
	names := []string{KeysetProbeStream, SlugStream("acme"), DataKeyStream(OrganizationID{}), EventTypeStream(OrganizationID{}, "a.b")}
	zero := "org_00000000-0000-0000-0000-000000000000"
	want := []string{"hl_keyset-probe", "hl_slug-acme", "hl_datakey-" + zero, "hl_eventtype-" + zero + ".a.b"}
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}
