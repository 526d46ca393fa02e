package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// occurred has a fraction that every layout must cut, and a zone that every layout must leave.
var occurred = time.Date(2026, 5, 23, 20, 0, 0, 123456789, time.FixedZone("", 2*60*60))

func testEvent(data string) Message {
	return Message{
		Type: "deal_room.created", ID: "evt_a1b2c3d4-e5f6-7890-abcd-ef1234567890",
		SubscriptionID: "wh_11111111-2222-3333-4444-555555555555", OccurredAt: occurred, Data: []byte(data),
	}
}

func named(t testing.TB, name string) *Profile {
	t.Helper()
	p, ok := ByName(name)
	if !ok {
		t.Fatalf("no profile %s", name)
	}
	return p
}

// TestBodiesHaveTheDocumentedMembersInOrder holds the row wire.body.
func TestBodiesHaveTheDocumentedMembersInOrder(t *testing.T) {
	t.Parallel()
	const data = `{"name":"Zoë & <b>","n":1}`
	tests := map[string]string{
		"vantageclaw": `{"event":"deal_room.created","id":"evt_a1b2c3d4-e5f6-7890-abcd-ef1234567890",` +
			`"subscription_id":"wh_11111111-2222-3333-4444-555555555555","occurred_at":"2026-05-23T18:00:00.123456Z","data":` + data + `}`,
		"clawbook": `{"id":"evt_a1b2c3d4-e5f6-7890-abcd-ef1234567890","type":"deal_room.created",` +
			`"created_at":"2026-05-23T18:00:00Z","data":` + data + `}`,
		"vantagekit": `{"type":"deal_room.created","data":` + data + `}`,
		"vntana":     `{"event":"deal_room.created","name":"Zoë & <b>","n":1}`,
		"standard":   `{"type":"deal_room.created","timestamp":"2026-05-23T18:00:00.123456Z","data":` + data + `}`,
	}
	if len(tests) != len(Profiles()) {
		t.Errorf("%d bodies for %d profiles", len(tests), len(Profiles()))
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := named(t, name).AppendBody([]byte("before "), testEvent(data))
			if err != nil || string(got) != "before "+want {
				t.Errorf("got %s, %v\nwant before %s", got, err, want)
			}
		})
	}
}

func TestTimeKeepsItsDigitsWhenTheyAreZero(t *testing.T) {
	t.Parallel()
	m := testEvent(`{}`)
	m.OccurredAt = time.Date(2026, 5, 23, 18, 0, 0, 0, time.UTC)
	body, err := named(t, "vantageclaw").AppendBody(nil, m)
	if err != nil || !strings.Contains(string(body), `"occurred_at":"2026-05-23T18:00:00.000000Z"`) {
		t.Errorf("got %s, %v", body, err)
	}
}

func TestVntanaSpreadsData(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, data, want string
		err              error
	}{
		{"no members", `{}`, `{"event":"deal_room.created"}`, nil},
		{"members", `{"a":{"event":1},"b":["event"],"c":"event","d":"\",\"event\":"}`,
			`{"event":"deal_room.created","a":{"event":1},"b":["event"],"c":"event","d":"\",\"event\":"}`, nil},
		{"event first", `{"event":1}`, ``, ErrReservedMember},
		{"event after nested values", `{"a":{"x":[1,{"y":"}"}]},"b":"\\","event":null}`, ``, ErrReservedMember},
		{"longer name", `{"events":1,"even":2}`, `{"event":"deal_room.created","events":1,"even":2}`, nil},
		{"array", `["event"]`, ``, ErrNotObject},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := named(t, "vntana").AppendBody(nil, testEvent(test.data))
			if string(got) != test.want || !errors.Is(err, test.err) {
				t.Errorf("got %s, %v; want %s, %v", got, err, test.want, test.err)
			}
		})
	}
	if err := named(t, "vantageclaw").CheckData([]byte(`{"event":1}`)); err != nil {
		t.Errorf("an envelope that nests data reserves nothing, got %v", err)
	}
}

func TestNoBodyOfWhatIsNoMessage(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*Message){
		"bad type":       func(m *Message) { m.Type = "a..b" },
		"type injection": func(m *Message) { m.Type = `a","b":"` },
		"no data":        func(m *Message) { m.Data = nil },
		"data a number":  func(m *Message) { m.Data = []byte(`1`) },
		"id not UTF-8":   func(m *Message) { m.ID = "\xff" },
		"year 10000":     func(m *Message) { m.OccurredAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := testEvent(`{}`)
			spoil(&m)
			if got, err := named(t, "vantageclaw").AppendBody(nil, m); err == nil || len(got) != 0 {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}

func TestBodyIsCanonicalAndKeepsTheData(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(Profiles()).Draw(t, "profile")
		m := testEvent("")
		m.ID = rapid.String().Draw(t, "id")
		m.Data = documents(1).Draw(t, "data")
		if m.Data = must(Canonical(m.Data)); !IsObject(m.Data) {
			m.Data = append(append([]byte(`{"value":`), m.Data...), '}')
		}
		if p.CheckData(m.Data) != nil {
			t.Skip("reserved member")
		}
		body, err := p.AppendBody(nil, m)
		if err != nil {
			t.Fatalf("AppendBody: %v", err)
		}
		if again, err := Canonical(body); err != nil || !bytes.Equal(again, body) {
			t.Fatalf("body %s\nis not canonical: %s, %v", body, again, err)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(body, &members); err != nil {
			t.Fatalf("body %s: %v", body, err)
		}
		if data, ok := members["data"]; ok && p.Name() != "vntana" && !bytes.Equal(data, m.Data) {
			t.Fatalf("data %s became %s", m.Data, data)
		}
	})
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func BenchmarkAppendBody(b *testing.B) {
	data := []byte(`{"text":"` + strings.Repeat("x", 488) + `"}`)
	for _, p := range Profiles() {
		b.Run(p.Name(), func(b *testing.B) {
			m, space := testEvent(string(data)), make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.AppendBody(space, m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
