package webhook

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// stringified is JSON.stringify(JSON.parse(text)) in Go, for machines without JavaScript: numbers go through a double,
// members named like array indexes go first, of members with one name the last one counts, at the first one's place.
func stringified(t failer, text []byte) string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	m := javascript{t, decoder}
	out := m.value(m.token())
	if decoder.More() {
		t.Fatalf("more than one value: %q", text)
	}
	return out
}

type javascript struct {
	t       failer
	decoder *json.Decoder
}

func (m javascript) token() json.Token {
	token, err := m.decoder.Token()
	if err != nil {
		m.t.Fatalf("encoding/json: %v", err)
	}
	return token
}

func (m javascript) value(token json.Token) string {
	switch v := token.(type) {
	case json.Delim:
		if v == '[' {
			return m.array()
		}
		return m.object()
	case json.Number:
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil {
			return "null" // Infinity
		}
		return ecmaScript(f)
	case string:
		return javascriptString(v)
	case nil:
		return "null"
	default:
		return fmt.Sprint(v)
	}
}

func (m javascript) array() string {
	var items []string
	for m.decoder.More() {
		items = append(items, m.value(m.token()))
	}
	m.token()
	return "[" + strings.Join(items, ",") + "]"
}

func (m javascript) object() string {
	type property struct{ name, value string }
	var indexes, others []property
	for m.decoder.More() {
		p := property{name: fmt.Sprint(m.token())}
		p.value = m.value(m.token())
		list := &others
		if isArrayIndex(p.name) {
			list = &indexes
		}
		if i := slices.IndexFunc(*list, func(other property) bool { return other.name == p.name }); i >= 0 {
			(*list)[i] = p
		} else {
			*list = append(*list, p)
		}
	}
	m.token()
	slices.SortFunc(indexes, func(a, b property) int {
		if len(a.name) != len(b.name) {
			return len(a.name) - len(b.name)
		}
		return strings.Compare(a.name, b.name)
	})
	var members []string
	for _, p := range append(indexes, others...) {
		members = append(members, javascriptString(p.name)+":"+p.value)
	}
	return "{" + strings.Join(members, ",") + "}"
}

// javascriptString is QuoteJSONString of ECMA-262.
func javascriptString(s string) string {
	short := map[rune]string{'\b': `\b`, '\t': `\t`, '\n': `\n`, '\f': `\f`, '\r': `\r`, '"': `\"`, '\\': `\\`}
	out := []byte{'"'}
	for _, r := range s {
		switch escaped, ok := short[r]; {
		case ok:
			out = append(out, escaped...)
		case r < 0x20:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return string(append(out, '"'))
}

// TestStringifyChangesNothing holds docs/contract.md for the body of every accepted message in every profile.
func TestStringifyChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		published := objects(t)
		data := must(Canonical(published))
		if again := stringified(t, published); again != string(data) {
			t.Fatalf("published %q\nJavaScript %q\ncanonical  %q", published, again, data)
		}
		for _, p := range Profiles() {
			m := testEvent(string(data))
			m.ID = texts().Draw(t, "id")
			body, err := p.AppendBody(nil, m)
			if p.CheckData(data) != nil {
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", p.Name(), err)
			}
			if again := stringified(t, body); again != string(body) {
				t.Fatalf("%s: body %q\nJavaScript %q", p.Name(), body, again)
			}
		}
	})
}

// objects draws what a platform may publish as data.
func objects(t *rapid.T) []byte {
	return []byte(document(t, 6, rapid.IntRange(0, 4).Draw(t, "depth")))
}

// TestTheTwoExceptions shows that the comparison can fail, and where alone it does.
func TestTheTwoExceptions(t *testing.T) {
	t.Parallel()
	for published, want := range map[string]string{
		`{"n":9007199254740993}`:                     `{"n":9007199254740992}`,
		`{"n":1e400}`:                                `{"n":null}`,
		`{"n":0.1000000000000000055511151231257827}`: `{"n":0.1}`,
		`{"b":1,"10":2,"9":3,"01":4}`:                `{"9":3,"10":2,"b":1,"01":4}`,
	} {
		data := must(Canonical([]byte(published)))
		if got := stringified(t, data); string(data) != published || got != want {
			t.Errorf("%s is delivered as %s, and JavaScript makes %s of it, not %s", published, data, got, want)
		}
	}
}
