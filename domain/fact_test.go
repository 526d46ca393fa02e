package domain

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// testKeys authenticates under a fixed key, so that the samples' MACs stay.
type testKeys struct{}

func (testKeys) AppendMAC(b []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, []byte("the key of the samples"))
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write(p)
	}
	return h.Sum(b)
}

func (k testKeys) VerifyMAC(mac []byte, parts ...[]byte) error {
	if !hmac.Equal(mac, k.AppendMAC(nil, parts...)) {
		return errors.New("wrong MAC")
	}
	return nil
}

// emptyFacts returns a zero fact of every type that is written, by its name.
func emptyFacts() map[string]Fact {
	all := map[string]Fact{}
	for name, k := range factKinds {
		f, err := k.decode([]byte("{}"), whole)
		if err != nil {
			panic(name + ": " + err.Error())
		}
		all[name] = zeroOf(f)
	}
	return all
}

// sample is a recorded event of one type, kept for ever.
type sample struct {
	Stream         string
	ID             string
	Data, Metadata json.RawMessage
}

func (s sample) id(t *testing.T) [16]byte {
	id, ok := readUUID(s.ID)
	if !ok {
		t.Fatalf("the sample's id is none: %q", s.ID)
	}
	return id
}

// samples reads testdata/facts, a file for each type.
func samples(t *testing.T) map[string]sample {
	files, err := filepath.Glob("testdata/facts/*.json")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]sample{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var s sample
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = s
	}
	return all
}

// withoutSample names the types that have none.
func withoutSample(types []string, have map[string]sample) []string {
	var missing []string
	for _, name := range types {
		if _, ok := have[name]; !ok {
			missing = append(missing, name)
		}
	}
	return missing
}

func TestEveryFactTypeHasASample(t *testing.T) {
	have := samples(t)
	if missing := withoutSample(FactTypes(), have); len(missing) > 0 {
		t.Errorf("no sample in testdata/facts of %v", missing)
	}
	if got := withoutSample([]string{"hooklog.Added.v1"}, have); !slices.Equal(got, []string{"hooklog.Added.v1"}) {
		t.Errorf("a type without sample goes unnoticed: got %v", got)
	}
	for name := range have {
		_, old := upcasters[name]
		if _, known := factKinds[name]; !known && !old {
			t.Errorf("%s was recorded once and can be read no more: it needs an upcaster", name)
		}
	}
}

func TestEverySampleComesBackByteForByte(t *testing.T) {
	codec := NewCodec(testKeys{})
	for name, s := range samples(t) {
		f, m, err := codec.Decode(Place{s.Stream, s.id(t), 0}, name, s.Data, s.Metadata)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if empty := emptyMembers(reflect.ValueOf(f).Elem(), name); len(empty) > 0 {
			t.Errorf("the sample shows nothing of %v", empty)
		}
		if _, old := upcasters[name]; old {
			continue
		}
		e, err := codec.Encode(Place{s.Stream, s.id(t), 0}, f, m)
		if err != nil || e.Type != name || !bytes.Equal(e.Data, s.Data) || !bytes.Equal(e.Metadata, s.Metadata) {
			t.Errorf("%s: %v: got\n%s\n%s\nwant\n%s\n%s", name, err, e.Data, e.Metadata, s.Data, s.Metadata)
		}
	}
}

// emptyMembers names the members of a fact that have their zero value.
func emptyMembers(v reflect.Value, path string) []string {
	var empty []string
	for i := range v.NumField() {
		field, name := v.Field(i), path+"."+v.Type().Field(i).Name
		switch {
		case field.IsZero():
			empty = append(empty, name)
		case v.Type().Field(i).Anonymous:
			empty = append(empty, emptyMembers(field, name)...)
		}
	}
	return empty
}

func TestFactTypesAreNamedByTheRule(t *testing.T) {
	for _, name := range FactTypes() {
		if !strings.HasPrefix(name, TypePrefix) || !strings.HasSuffix(name, ".v1") {
			t.Errorf("%s", name)
		}
	}
}

// TestWhatGivesPowerIsAuthenticated holds DESIGN's list of the facts that count only with a good MAC.
func TestWhatGivesPowerIsAuthenticated(t *testing.T) {
	plain := []string{"hooklog.AttemptSucceeded.v1", "hooklog.AttemptFailed.v1", "hooklog.RetryDue.v1"}
	for name, k := range factKinds {
		if k.authenticated == slices.Contains(plain, name) {
			t.Errorf("%s: authenticated %v", name, k.authenticated)
		}
	}
}

// oldKey is how an imagined earlier release recorded KeyRevoked: with a reason, and the reason's name before that.
const (
	oldKey   = "hooklog.KeyEnded.v2"
	olderKey = "hooklog.KeyEnded.v1"
)

func castingCodec() *Codec {
	up := map[string]Upcaster{
		olderKey: {To: oldKey, Convert: func(data []byte) ([]byte, error) {
			return bytes.ReplaceAll(data, []byte("cause"), []byte("hash")), nil
		}},
		oldKey: {To: "hooklog.KeyRotated.v1", Convert: func(data []byte) ([]byte, error) {
			var old struct{ Hash string }
			if err := json.Unmarshal(data, &old); err != nil {
				return nil, err
			}
			return appendJSON(nil, KeyRotated{SecretHash: old.Hash, PreviousUntil: noon})
		}},
	}
	return newCodec(testKeys{}, factKinds, up)
}

func TestAnOldFactIsReadThroughItsUpcasters(t *testing.T) {
	codec := castingCodec()
	for _, c := range []struct{ typ, data string }{{oldKey, `{"hash":"h"}`}, {olderKey, `{"cause":"h"}`}} {
		e := recordAs(codec, "hl_key-live_a", c.typ, c.data)
		f, m, err := codec.Decode(Place{"hl_key-live_a", [16]byte{1}, 0}, c.typ, e.Data, e.Metadata)
		if want := (&KeyRotated{"h", noon}); err != nil || !reflect.DeepEqual(f, want) || m != ordinaryMeta {
			t.Errorf("%s: got %+v, %+v, %v, want %+v", c.typ, f, m, err, want)
		}
		if _, _, err := codec.Decode(Place{"hl_key-live_b", [16]byte{1}, 0}, c.typ, e.Data, e.Metadata); !errors.Is(err, ErrForged) {
			t.Errorf("%s in another stream: got %v, want ErrForged", c.typ, err)
		}
		if _, _, err := NewCodec(testKeys{}).Decode(Place{"hl_key-live_a", [16]byte{1}, 0}, c.typ, e.Data, e.Metadata); !errors.Is(err, ErrUnknownFact) {
			t.Errorf("%s without upcaster: got %v, want ErrUnknownFact", c.typ, err)
		}
	}
	bad := recordAs(codec, "hl_key-live_a", oldKey, `{"hash":7}`)
	if _, _, err := codec.Decode(Place{"hl_key-live_a", [16]byte{1}, 0}, oldKey, bad.Data, bad.Metadata); !errors.Is(err, ErrMalformed) {
		t.Errorf("what cannot be upcast: got %v, want ErrMalformed", err)
	}
}

// recordAs makes an event of any type and data with a good MAC.
func recordAs(c *Codec, stream, typ, data string) Encoded {
	meta, ok := writeHotMeta(nil, ordinaryMeta)
	if !ok {
		panic("ordinary metadata has no plain spelling")
	}
	e := Encoded{Type: typ, Data: []byte(data), Metadata: meta}
	e.Metadata = c.seal(Place{stream, [16]byte{1}, 0}, e)
	return e
}

func TestFactsComeBackThroughTheCodec(t *testing.T) {
	keys := mustKeyset(t)
	rotated, err := keys.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	writer, old, next := NewCodec(keys), NewCodec(keys), NewCodec(rotated) // who wrote a fact would not read it
	rapid.Check(t, func(t *rapid.T) {
		f, m := drawHotFact(t), drawMeta(t)
		stream, id := rapid.String().Draw(t, "stream"), [16]byte(drawID[messageKind](t, "id"))
		e, err := writer.Encode(Place{stream, id, 0}, f, m)
		if err != nil {
			t.Fatal(err)
		}
		want, wantMeta := zeroOf(f), Meta{}
		plain, err := appendJSON(nil, f)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(plain, want); err != nil {
			t.Skip("encoding/json cannot read what it wrote") // a duration past its bounds
		}
		text, err := appendJSON(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &wantMeta); err != nil {
			t.Fatal(err)
		}
		for _, codec := range []*Codec{old, next} {
			got, gotMeta, err := codec.Decode(Place{stream, id, 0}, e.Type, e.Data, e.Metadata)
			if err != nil || !reflect.DeepEqual(got, want) || gotMeta != wantMeta {
				t.Fatalf("%v\ngot  %+v %+v\nwant %+v %+v", err, got, gotMeta, want, wantMeta)
			}
		}
	})
}

func TestEveryTamperingIsForged(t *testing.T) {
	codec := NewCodec(mustKeyset(t))
	at := Place{"hl_key-live_operator", [16]byte{1, 2, 3}, 7}
	f := &KeyIssued{Scopes: []Scope{ScopeOperator}, Mode: "live", SecretHash: "sha256:00"}
	e, err := codec.Encode(at, f, ordinaryMeta)
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, at Place, typ string, data, metadata []byte) {
		t.Helper()
		if f, _, err := codec.Decode(at, typ, data, metadata); !errors.Is(err, ErrForged) || f != nil {
			t.Errorf("%s: got %+v, %v, want ErrForged", what, f, err)
		}
	}
	if _, _, err := codec.Decode(at, e.Type, e.Data, e.Metadata); err != nil {
		t.Fatalf("untouched: %v", err)
	}
	try("moved to another stream", Place{"hl_key-live_b", at.ID, at.Revision}, e.Type, e.Data, e.Metadata)
	try("under another id", Place{at.Stream, [16]byte{1, 2, 4}, at.Revision}, e.Type, e.Data, e.Metadata)
	try("recorded again", Place{at.Stream, at.ID, at.Revision + 1}, e.Type, e.Data, e.Metadata)
	try("as another type", at, "hooklog.KeyRotated.v1", e.Data, e.Metadata)
	try("stream and type divided elsewhere", Place{at.Stream + "hook", at.ID, at.Revision}, "hooklog.KeyIssued.v1", e.Data, e.Metadata)
	for i := range e.Data {
		changed := bytes.Clone(e.Data)
		changed[i] ^= 1
		try(fmt.Sprintf("data changed at %d", i), at, e.Type, changed, e.Metadata)
		try(fmt.Sprintf("data cut at %d", i), at, e.Type, e.Data[:i], e.Metadata)
	}
	for i := range e.Metadata {
		for _, bit := range []byte{1, 2, 4, 32} {
			changed := bytes.Clone(e.Metadata)
			changed[i] ^= bit
			try(fmt.Sprintf("metadata changed at %d by %d", i, bit), at, e.Type, e.Data, changed)
		}
		try(fmt.Sprintf("metadata cut at %d", i), at, e.Type, e.Data, e.Metadata[:i])
	}
	bare, _, err := encodeMeta(nil, ordinaryMeta)
	if err != nil {
		t.Fatal(err)
	}
	for what, metadata := range map[string]string{
		"without MAC": string(bare), "empty MAC": strings.TrimSuffix(string(bare), "}") + macOpen + macClose,
		"a long MAC":    strings.TrimSuffix(string(bare), "}") + macOpen + strings.Repeat("A", 4000) + macClose,
		"no metadata":   "",
		"only the MAC":  string(e.Metadata[bytes.LastIndex(e.Metadata, []byte(macOpen))+1:]),
		"space after":   string(e.Metadata) + " ",
		"a second MAC":  strings.TrimSuffix(string(e.Metadata), "}") + macOpen + "AAAA" + macClose,
		"no MAC's text": `,"mac":"}`,
		"more members":  strings.Replace(string(e.Metadata), "{", `{"actor":"cli",`, 1),
	} {
		try(what, at, e.Type, e.Data, []byte(metadata))
	}
	stranger := NewCodec(mustKeyset(t))
	if _, _, err := stranger.Decode(at, e.Type, e.Data, e.Metadata); !errors.Is(err, ErrForged) {
		t.Errorf("another keyset: got %v, want ErrForged", err)
	}
}

func TestWhatIsNoFactIsToldApart(t *testing.T) {
	codec := NewCodec(testKeys{})
	badMeta := recordAs(codec, "s", "hooklog.KeyRevoked.v1", `{}`)
	cases := []struct {
		name, typ, data, metadata string
		want                      error
		skippable                 bool
	}{
		{"somebody else's event", "$metadata", "\x00", "", ErrForeign, true},
		{"a name that only begins alike", "hooklogger.X.v1", "{}", "{}", ErrForeign, true},
		{"a newer release's event", "hooklog.KeyRevoked.v2", "{}", "{}", ErrUnknownFact, false},
		{"the bare prefix", "hooklog.", "{}", "{}", ErrUnknownFact, false},
		{"a plain fact's data is no JSON", "hooklog.RetryDue.v1", "{", `{"at":"2026-05-23T18:00:00Z"}`, ErrMalformed, true},
		{"a plain fact's member has another type", "hooklog.RetryDue.v1", `{"round":"1"}`, `{"at":"2026-05-23T18:00:00Z"}`, ErrMalformed, true},
		{"a plain fact's metadata is no JSON", "hooklog.RetryDue.v1", "{}", "", ErrMalformed, true},
		{"a plain fact's time is none", "hooklog.RetryDue.v1", "{}", `{"at":"yesterday"}`, ErrMalformed, true},
		{"an authenticated fact without MAC", "hooklog.KeyRevoked.v1", "{}", `{"at":"2026-05-23T18:00:00Z"}`, ErrForged, true},
		{"an authenticated fact is malformed", "hooklog.KeyRevoked.v1", "[]", "", ErrMalformed, true},
		{"authenticated metadata", "hooklog.KeyRevoked.v1", "{}", string(badMeta.Metadata), nil, false},
	}
	for _, c := range cases {
		data, metadata := []byte(c.data), []byte(c.metadata)
		if c.data == "[]" {
			e := recordAs(codec, "s", c.typ, c.data)
			data, metadata = e.Data, e.Metadata
		}
		f, _, err := codec.Decode(Place{"s", [16]byte{1}, 0}, c.typ, data, metadata)
		if !errors.Is(err, c.want) || (f == nil) != (c.want != nil) || Skippable(err) != c.skippable {
			t.Errorf("%s: got %v, %v, skippable %v, want %v, %v", c.name, f, err, Skippable(err), c.want, c.skippable)
		}
	}
	if _, _, err := codec.Decode(Place{"s", [16]byte{1}, 0}, "hooklog.Later.v3", nil, nil); err == nil || !strings.Contains(err.Error(), "hooklog.Later.v3") {
		t.Errorf("an unknown type is not named: %v", err)
	}
}

func TestEncodeRefusesWhatCannotBeWritten(t *testing.T) {
	codec := NewCodec(testKeys{})
	f := &RetryDue{DueAt: noon.AddDate(9000, 0, 0)}
	if _, err := codec.Encode(Place{"s", [16]byte{1}, 0}, f, ordinaryMeta); err == nil {
		t.Error("a time past the year 9999 was written")
	}
	if _, err := codec.Encode(Place{"s", [16]byte{1}, 0}, &RetryDue{}, Meta{At: noon.AddDate(9000, 0, 0)}); err == nil {
		t.Error("metadata of a year past 9999 was written")
	}
}

func FuzzDecode(f *testing.F) {
	codec := castingCodec()
	for _, name := range []string{"hooklog.MessagePublished.v1", "hooklog.AttemptFailed.v1", "hooklog.KeyIssued.v1"} {
		text, err := os.ReadFile("testdata/facts/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		var s sample
		if err := json.Unmarshal(text, &s); err != nil {
			f.Fatal(err)
		}
		f.Add(s.Stream, name, []byte(s.Data), []byte(s.Metadata), false)
	}
	f.Add("s", oldKey, []byte(`{"hash":1}`), []byte(`{"at":"2026-05-23T18:00:00Z"}`), true)
	f.Fuzz(func(t *testing.T, stream, typ string, data, metadata []byte, sign bool) {
		if sign && len(metadata) > 0 {
			metadata = codec.seal(Place{stream, [16]byte{1}, 0}, Encoded{Type: typ, Data: data, Metadata: bytes.Clone(metadata)})
		}
		fact, m, err := codec.Decode(Place{stream, [16]byte{1}, 0}, typ, data, metadata)
		if (fact == nil) == (err == nil) {
			t.Fatalf("got %v and %v", fact, err)
		}
		if err != nil {
			return
		}
		e, err := codec.Encode(Place{stream, [16]byte{1}, 0}, fact, m)
		if err != nil {
			return // a time past what can be written again
		}
		again, n, err := codec.Decode(Place{stream, [16]byte{1}, 0}, e.Type, e.Data, e.Metadata)
		if err != nil || m != n {
			t.Fatalf("written again it reads %+v, %+v, %v, not %+v, %+v", again, n, err, fact, m)
		}
	})
}
