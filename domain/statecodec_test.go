package domain

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// sameState demands that reading a state's text is what encoding/json makes of it. It reports whether the hand read it.
func sameState[T any](t interface{ Fatalf(string, ...any) }, text []byte, layout func(*tape, *T)) (hand bool) {
	var want T
	refused := json.Unmarshal(text, &want)
	got, err := readState(text, layout)
	if (err == nil) != (refused == nil) || err == nil && !reflect.DeepEqual(*got, want) {
		t.Fatalf("read\n%+v, %v\nencoding/json\n%+v, %v\n%s", got, err, want, refused, text)
	}
	_, hand = readHotState(text, layout)
	return hand
}

func TestAStateIsReadAsEncodingJSONReadsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkState(t, drawSubscription(t), (*tape).subscription)
		checkState(t, drawEventType(t), (*tape).eventType)
	})
}

// checkState reads a state's text, and the text with a byte changed, cut short and begun twice.
func checkState[T any](t *rapid.T, state T, layout func(*tape, *T)) {
	text, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	sameState(t, text, layout)
	changed := bytes.Clone(text)
	changed[rapid.IntRange(0, len(text)-1).Draw(t, "place")] = rapid.Byte().Draw(t, "byte")
	sameState(t, changed, layout)
	at := rapid.IntRange(0, len(text)).Draw(t, "cut")
	sameState(t, text[:at], layout)
	sameState(t, append(bytes.Clone(text), text[at:]...), layout)
}

// TestTheHandReadsWhatSubscriptionsAre makes sure that nothing but what has no plain spelling is left to encoding/json.
func TestTheHandReadsWhatSubscriptionsAre(t *testing.T) {
	full := Subscription{ID: SubscriptionID{1}, Organization: OrganizationID{2}, Revision: 7, SubscriptionSettings: SubscriptionSettings{
		URL: "https://example.com/hook", Events: []string{"order.created", "user.*"}, Clients: []string{"a", "b"}, Name: "Müller",
		Description: "Orders", Email: "ops@example.com", Headers: []SealedHeader{{"X-A", []byte("sealed")}, {"X-B", []byte("sealed")}},
		RetrySchedule: []Duration{MinDelay, MaxDelay}, Timeout: MaxTimeout, RateLimit: Rate{600, 60e9}, Ordered: true},
		Secret: []byte("sealed"), PreviousSecret: []byte("sealed"), PreviousUntil: noon, CreatedAt: noon, UpdatedAt: noon,
		Disabled: &Disabling{ByFailures, noon}, Deleted: true, Lifecycle: 7, Closures: []Closure{{Revision: 3, At: noon, By: ByOwner}, {Revision: 7, At: noon, Deleted: true}}}
	least := Subscription{SubscriptionSettings: SubscriptionSettings{Events: []string{}}, Secret: []byte{}}
	filtered := least
	filtered.Filter = &Filter{text: []byte(`{"path":"a","equals":1}`)}
	for _, c := range []struct {
		name  string
		state Subscription
		hand  bool
	}{{"full", full, true}, {"least", least, true}, {"filtered", filtered, false}} {
		text, err := json.Marshal(c.state)
		if err != nil {
			t.Fatal(err)
		}
		if hand := sameState(t, text, (*tape).subscription); hand != c.hand {
			t.Errorf("%s: read by hand %v, want %v\n%s", c.name, hand, c.hand, text)
		}
	}
	for _, e := range []EventType{{Name: "a.b"}, {OrganizationID{1}, "a.b", EventTypeSettings{Description: "B", Category: "A"}, noon, noon}} {
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if !sameState(t, text, (*tape).eventType) {
			t.Errorf("not read by hand: %s", text)
		}
	}
}

func TestOtherSpellingsOfAStateAreLeftToEncodingJSON(t *testing.T) {
	plain := `{"id":"wh_00000000-0000-0000-0000-000000000000","organization":"org_00000000-0000-0000-0000-000000000000","revision":1,` +
		`"url":"u","events":["a","b"],"retry_schedule":["1m"],"rate_limit":"10/s","secret":"QUJD","created_at":"2026-05-23T18:00:00Z","lifecycle":1}`
	if !sameState(t, []byte(plain), (*tape).subscription) {
		t.Fatalf("the plain spelling is not read by hand: %s", plain)
	}
	for _, change := range [][2]string{
		{`"a","b"`, `"a",`}, {`"a","b"`, `,"a"`}, {`"a","b"`, `"a""b"`}, {`"a","b"`, `"a", "b"`}, {`["a","b"]`, `null`}, {`["a","b"]`, `["a","b"`},
		{`"u"`, `"u\u0026v"`}, {`"u"`, `null`}, {`"1m"`, `1`}, {`"1m"`, `"m"`}, {`"10/s"`, `"010/s"`}, {`"10/s"`, `""`}, {`"QUJD"`, `null`},
		{`,"secret"`, `,"ordered":false,"secret"`}, {`,"secret"`, `,"ordered":true,"ordered":true,"secret"`}, {`"revision":1`, `"revision":-1`},
		{`{"id"`, `{"deleted":true,"id"`}, {`"lifecycle":1}`, `"lifecycle":1,"closures":[{}]}`}, {`"lifecycle":1}`, `"lifecycle":1}}`},
	} {
		text := strings.Replace(plain, change[0], change[1], 1)
		if text == plain {
			t.Fatalf("%q does not occur", change[0])
		}
		if sameState(t, []byte(text), (*tape).subscription) {
			t.Errorf("%q for %q is read by hand", change[1], change[0])
		}
	}
}

func drawEventType(t *rapid.T) EventType {
	e := EventType{drawID[organizationKind](t, "organization"), drawText(t, "name"), EventTypeSettings{Description: drawText(t, "description"),
		Category: drawText(t, "category")}, drawTime(t, "created"), drawTime(t, "retired")}
	if rapid.Bool().Draw(t, "schema") {
		e.Schema = json.RawMessage(`{"type":"object"}`)
	}
	return e
}

func drawSubscription(t *rapid.T) Subscription {
	texts := func(label string) (all []string) {
		for range rapid.IntRange(0, 3).Draw(t, label) {
			all = append(all, drawText(t, label))
		}
		return all
	}
	s := Subscription{ID: drawID[subscriptionKind](t, "id"), Organization: drawID[organizationKind](t, "organization"), Revision: drawUint(t, "revision"),
		Secret: drawBytes(t, "secret"), PreviousSecret: drawBytes(t, "previous"), CreatedAt: drawTime(t, "created"), UpdatedAt: drawTime(t, "updated"),
		Deleted: rapid.Bool().Draw(t, "deleted"), Lifecycle: drawUint(t, "lifecycle"), SubscriptionSettings: SubscriptionSettings{
			URL: drawText(t, "url"), Events: texts("events"), Clients: texts("clients"), Name: drawText(t, "name"), Description: drawText(t, "description"),
			Email: drawText(t, "email"), Timeout: drawDuration(t, "timeout"), Ordered: rapid.Bool().Draw(t, "ordered")}}
	if rapid.Bool().Draw(t, "more") {
		s.PreviousUntil, s.Disabled = drawTime(t, "until"), &Disabling{DisabledBy(drawText(t, "by")), drawTime(t, "at")}
		s.Closures = []Closure{{drawUint(t, "revision"), drawTime(t, "at"), rapid.Bool().Draw(t, "deleted"), DisabledBy(drawText(t, "by"))}}
		s.Headers = []SealedHeader{{drawText(t, "header"), drawBytes(t, "value")}}
		s.RetrySchedule, s.RateLimit = []Duration{drawDuration(t, "delay"), drawDuration(t, "delay")}, Rate{rapid.IntRange(1, MaxRate).Draw(t, "rate"), 1e9}
		s.Filter = rapid.SampledFrom([]*Filter{nil, {text: []byte(`{"path":"a","exists":true}`)}}).Draw(t, "filter")
	}
	return s
}

// BenchmarkReadState measures reading the states of which a start reads the most.
func BenchmarkReadState(b *testing.B) {
	s, err := json.Marshal(Subscription{ID: SubscriptionID{1}, Organization: OrganizationID{2}, Secret: bytes.Repeat([]byte{7}, 85), CreatedAt: noon, UpdatedAt: noon,
		SubscriptionSettings: SubscriptionSettings{URL: "https://example.com/hook", Events: []string{"order.created"}}})
	if err != nil {
		b.Fatal(err)
	}
	e, err := json.Marshal(EventType{Organization: OrganizationID{2}, Name: "order.created", CreatedAt: noon})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Subscription/hand", func(b *testing.B) { benchmarkRead(b, s, ReadSubscription) })
	b.Run("Subscription/encoding-json", func(b *testing.B) { benchmarkRead(b, s, unmarshalled[Subscription]) })
	b.Run("EventType/hand", func(b *testing.B) { benchmarkRead(b, e, ReadEventType) })
	b.Run("EventType/encoding-json", func(b *testing.B) { benchmarkRead(b, e, unmarshalled[EventType]) })
}

func unmarshalled[T any](text []byte) (*T, error) {
	read := new(T)
	return read, json.Unmarshal(text, read)
}

func benchmarkRead[T any](b *testing.B, text []byte, read func([]byte) (*T, error)) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := read(text); err != nil {
			b.Fatal(err)
		}
	}
}
