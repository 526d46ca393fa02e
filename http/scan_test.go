package http

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/webhook"
)

// FuzzDecodeObject: whatever the strict decoder takes, encoding/json reads as the same; and nothing else panics.
func FuzzDecodeObject(f *testing.F) {
	for _, seed := range []string{`{}`, `{"s":"x","l":["a","b"],"n":12,"t":"2026-01-30T14:30:00Z","d":"5m","o":{"a":[1,{}]}}`,
		` { "s" : "\u00e9\"\\" , "l":[ ] } `, `{"s":1}`, `{"x":"\ud800"}`, `{"s":"a"}}`, `[1]`, `{"n":1e3}`, `{"s":"a","s":"b"}`, `{"l":[[]]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got struct {
			S string          `json:"s"`
			L []string        `json:"l"`
			N int             `json:"n"`
			T time.Time       `json:"t"`
			D domain.Duration `json:"d"`
			O json.RawMessage `json:"o"`
		}
		want := got
		err := decodeObject(body, optional("s", text(&got.S)), optional("l", texts(&got.L)), optional("n", integer(&got.N, 0)),
			optional("t", instant(&got.T)), optional("d", duration(&got.D)), optional("o", document(&got.O)))
		if err != nil {
			if domain.CodeOf(err) != domain.Invalid || !utf8.ValidString(err.Error()) {
				t.Fatalf("refused with %q", err)
			}
			return
		}
		canonical, err := webhook.Canonical(body)
		if err != nil || !json.Valid(body) {
			t.Fatalf("taken, but %v", err)
		}
		strict := json.NewDecoder(bytes.NewReader(canonical)) // where 1e3 is 1000
		strict.DisallowUnknownFields()
		if err := strict.Decode(&want); err != nil {
			t.Fatalf("taken, but encoding/json says %v", err)
		}
		if _, err := strict.Token(); err != io.EOF {
			t.Fatalf("taken with something after it: %v", err)
		}
		if got.S != want.S || got.N != want.N || got.D != want.D || !got.T.Equal(want.T) || strings.Join(got.L, "\x00") != strings.Join(want.L, "\x00") {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

// FuzzReadPublication: a message that is taken and whose data is canonical JSON is what encoding/json reads.
func FuzzReadPublication(f *testing.F) {
	for _, seed := range []string{`{"type":"a.b","data":{}}`, `{"type":"a.b","data":{"x":[1,"}]"]},"id":"1","client":"é\n","occurred_at":"2026-01-30T14:30:00Z"}`,
		` {"data" : {"a":{}} ,"type":"\u0061"} `, `{"type":"a","data":{"x":[}]}}`, `{"type":"a","data":{}}x`, `{"type":"a\`, `{"type":"a","data":{"\`, `{"a"`, `{"type":"a","data":{},}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := readPublication(domain.OrganizationID{1}, body)
		if err != nil {
			if domain.CodeOf(err) != domain.Invalid || !utf8.ValidString(err.Error()) {
				t.Fatalf("refused with %q", err)
			}
			return
		}
		canonical, err := webhook.Canonical(p.Data)
		if err != nil {
			return // refused by whoever publishes it
		}
		var want struct {
			Type, ID, Client string
			Occurred         time.Time `json:"occurred_at"`
			Data             json.RawMessage
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatalf("taken, but encoding/json says %v", err)
		}
		data, err := webhook.Canonical(want.Data)
		if err != nil || !bytes.Equal(data, canonical) {
			t.Fatalf("data %s, want %s (%v)", canonical, data, err)
		}
		if p.EventType != want.Type || p.OwnID != want.ID || p.Client != want.Client || !p.OccurredAt.Equal(want.Occurred) {
			t.Fatalf("got %+v, want %+v", p, want)
		}
	})
}

func TestElements(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"[]": "", " [ ] ": "", "[1]": "1", `[ {"a":"]"} , "x,\"]" ,[2,3] ]`: `{"a":"]"}|"x,\"]"|[2,3]`,
		"[1,]": "bad", "[,1]": "bad", "[1 2]": "bad", "[1": "bad", "[1]]": "bad", "1": "bad", "": "bad", `["a]`: "bad"} {
		var got []string
		walk := elements{in: []byte(in)}
		for walk.next() {
			got = append(got, string(walk.value))
		}
		if bad := walk.err != nil; bad != (want == "bad") || !bad && strings.Join(got, "|") != want {
			t.Errorf("%q: %q, %v", in, got, walk.err)
		}
	}
}
