package domain

import (
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hooklog/hooklog/webhook"
)

// mustFilter makes a filter; a test cannot go on without.
func mustFilter(t interface {
	Helper()
	Fatalf(string, ...any)
}, text string) *Filter {
	t.Helper()
	f, bad := ParseFilter("filter", []byte(text))
	if len(bad) > 0 {
		t.Fatalf("%s: %v", text, bad)
	}
	return f
}

func canonicalDocument(t *testing.T, data string) Document {
	t.Helper()
	canonical, err := webhook.Canonical([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return ReadDocument(canonical)
}

const filterData = `{"amount":100.50,"big":123456789012345678901234567890.10,"small":-0.05,"name":"Ünder \"quotes\" and /","empty":"","ok":true,
	"none":null,"tags":["a","b",{"c":[1,2]}],"order":{"id":"A-1","items":[],"a.b":1,"0":"zero"},"back\\slash":2,"tab":"a\tb","e":1e400}`

func TestAFilterAdmits(t *testing.T) {
	data := canonicalDocument(t, filterData)
	for _, c := range []struct {
		filter string
		want   bool
	}{
		{`{"path":"amount","equals":100.5}`, true},
		{`{"path":"amount","equals":1005e-1}`, true},
		{`{"path":"amount","equals":"100.5"}`, false},
		{`{"path":"big","equals":123456789012345678901234567890.1}`, true},
		{`{"path":"big","equals":123456789012345678901234567890.2}`, false},
		{`{"path":"big","greater":123456789012345678901234567890.09}`, true},
		{`{"path":"e","equals":10e399}`, true},
		{`{"path":"e","greater":9e399}`, true},
		{`{"path":"e","less":1e999999999999999999999}`, true},
		{`{"path":"small","greater":-0.051}`, true},
		{`{"path":"small","less":0}`, true},
		{`{"path":"small","greater":-0.05}`, false},
		{`{"path":"small","greater_or_equal":-0.0500}`, true},
		{`{"path":"small","less_or_equal":-0.05}`, true},
		{`{"path":"amount","less":"a"}`, false},
		{`{"path":"name","equals":"\u00dcnder \"quotes\" and \/"}`, true},
		{`{"path":"name","prefix":"Ünder \""}`, true},
		{`{"path":"name","prefix":"nder"}`, false},
		{`{"path":"amount","prefix":"1"}`, false},
		{`{"path":"empty","prefix":""}`, true},
		{`{"path":"empty","less":"a"}`, true},
		{`{"path":"tab","greater":"a\u0008"}`, true},
		{`{"path":"tab","less":"a "}`, true},
		{`{"path":"ok","equals":true}`, true},
		{`{"path":"none","equals":null}`, true},
		{`{"path":"none","exists":true}`, true},
		{`{"path":"none","exists":false}`, false},
		{`{"path":"missing","exists":false}`, true},
		{`{"path":"missing","equals":null}`, false},
		{`{"path":"missing","not_equals":1}`, true},
		{`{"path":"ok","not_equals":true}`, false},
		{`{"path":"ok","not_equals":1}`, true},
		{`{"path":"missing.deeper.still","exists":true}`, false},
		{`{"path":"amount.deeper","exists":true}`, false},
		{`{"path":"tags.1","equals":"b"}`, true},
		{`{"path":"tags.3","exists":true}`, false},
		{`{"path":"tags.01","exists":true}`, false},
		{`{"path":"tags.2.c.1","in":["x",2]}`, true},
		{`{"path":"tags","equals":"a"}`, false},
		{`{"path":"tags","not_equals":"a"}`, true},
		{`{"path":"tags","greater":0}`, false},
		{`{"path":"order.id","in":["A-0","A-1"]}`, true},
		{`{"path":"order.id","in":["A-0"]}`, false},
		{`{"path":"order.items","exists":true}`, true},
		{`{"path":"order.items.0","exists":true}`, false},
		{`{"path":"order.0","equals":"zero"}`, true},
		{`{"path":"order.a\\.b","equals":1}`, true},
		{`{"path":"order.a.b","exists":true}`, false},
		{`{"path":"back\\\\slash","equals":2}`, true},
		{`{"not":{"path":"ok","equals":true}}`, false},
		{`{"and":[{"path":"ok","equals":true},{"path":"amount","greater":100}]}`, true},
		{`{"and":[{"path":"ok","equals":true},{"path":"amount","greater":101}]}`, false},
		{`{"or":[{"path":"ok","equals":false},{"path":"amount","greater":100}]}`, true},
		{`{"or":[{"path":"ok","equals":false},{"not":{"path":"amount","greater":100}}]}`, false},
	} {
		if got := mustFilter(t, c.filter).Admits(data); got != c.want {
			t.Errorf("%s: got %v", c.filter, got)
		}
	}
	if !(*Filter)(nil).Admits(data) {
		t.Error("no filter does not admit everything")
	}
}

func TestAFilterIsRefused(t *testing.T) {
	nested := func(levels int) string {
		return strings.Repeat(`{"not":`, levels-1) + `{"path":"a","exists":true}` + strings.Repeat(`}`, levels-1)
	}
	wide := func(leaves int) string {
		return `{"or":[` + strings.TrimSuffix(strings.Repeat(`{"path":"a","exists":true},`, leaves), ",") + `]}`
	}
	for _, good := range []string{nested(MaxFilterDepth), wide(MaxFilterNodes - 1)} {
		mustFilter(t, good)
	}
	for _, c := range []struct{ filter, field, message string }{
		{``, "filter", "JSON"},
		{`{`, "filter", "JSON"},
		{`[]`, "filter", "object"},
		{`"x"`, "filter", "object"},
		{`{}`, "filter", "one of"},
		{`{"path":"a"}`, "filter", "one of"},
		{`{"equals":1}`, "filter.path", "required"},
		{`{"path":1,"equals":1}`, "filter.path", "string"},
		{`{"path":"","equals":1}`, "filter.path", "names"},
		{`{"path":"a..b","equals":1}`, "filter.path", "names"},
		{`{"path":"a.","equals":1}`, "filter.path", "names"},
		{`{"path":"a\\b","equals":1}`, "filter.path", "names"},
		{`{"path":"a\\","equals":1}`, "filter.path", "names"},
		{`{"path":"` + strings.Repeat("a.", 16) + `a","equals":1}`, "filter.path", "names"},
		{`{"path":"` + strings.Repeat("a", 257) + `","equals":1}`, "filter.path", "256 bytes"},
		{`{"path":"a","equals":1,"less":2}`, "filter", "one operator"},
		{`{"path":"a","like":1}`, "filter", `"like"`},
		{`{"path":"a","equals":[]}`, "filter.equals", "string"},
		{`{"path":"a","not_equals":{}}`, "filter.not_equals", "string"},
		{`{"path":"a","in":1}`, "filter.in", "array"},
		{`{"path":"a","in":[]}`, "filter.in", "array"},
		{`{"path":"a","in":[1,[]]}`, "filter.in[1]", "string"},
		{`{"path":"a","in":[` + strings.Repeat("1,", 100) + `1]}`, "filter.in", "at most 100"},
		{`{"path":"a","exists":1}`, "filter.exists", "true or false"},
		{`{"path":"a","greater":true}`, "filter.greater", "number or a string"},
		{`{"path":"a","prefix":1}`, "filter.prefix", "string"},
		{`{"and":{}}`, "filter.and", "array"},
		{`{"or":[]}`, "filter.or", "array"},
		{`{"or":[{"not":[]}]}`, "filter.or[0].not", "object"},
		{`{"or":[{"path":"a","exists":true}],"path":"a"}`, "filter.or", "no path"},
		{`{"and":[{"path":"a","exists":true},{"path":"a"}]}`, "filter.and[1]", "one of"},
		{nested(MaxFilterDepth + 1), "filter" + strings.Repeat(".not", MaxFilterDepth), "deeper"},
		{wide(MaxFilterNodes), "filter", "64 conditions"},
		{`{"path":"a","equals":"` + strings.Repeat("x", 16<<10) + `"}`, "filter", "16384 bytes"},
	} {
		_, bad := ParseFilter("filter", []byte(c.filter))
		is := func(e FieldError) bool { return e.Field == c.field && strings.Contains(e.Message, c.message) }
		if !slices.ContainsFunc(bad, is) {
			t.Errorf("%.80s: got %v, want %s: …%s…", c.filter, bad, c.field, c.message)
		}
	}
}

func TestAFilterComesBackFromJSON(t *testing.T) {
	f := mustFilter(t, ` {"and" : [{"path":"a<b","equals":1.0}, {"not":{"path":"\u00e9","in":["&"]}}]}`)
	text, err := json.Marshal(SubscriptionSettings{Filter: f})
	if err != nil {
		t.Fatal(err)
	}
	var s SubscriptionSettings
	if err := json.Unmarshal(text, &s); err != nil || !reflect.DeepEqual(s.Filter, f) {
		t.Errorf("got %+v, %v from %s", s.Filter, err, text)
	}
	if err := json.Unmarshal([]byte(`{"filter":{"path":"a"}}`), &s); err == nil {
		t.Error("a filter that is none was read")
	}
}

// TestADocumentOfNonsenseHoldsNothing looks for a panic, and for something found where nothing is.
func TestADocumentOfNonsenseHoldsNothing(t *testing.T) {
	f := mustFilter(t, `{"path":"a.0","exists":true}`)
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"{", "}", "[", "]", `"a"`, `"`, ":", ",", "1", `\`, "x", " "}), 0, 12).Draw(t, "text"), "")
		if got := f.Admits(ReadDocument([]byte(text))); got && !strings.Contains(text, `"a"`) {
			t.Fatalf("%q holds a.0", text)
		}
	})
}

// drawValue makes a JSON value out of few names and values, so that filters meet them.
func drawValue(t *rapid.T, depth int) any {
	kinds := 4
	if depth > 0 {
		kinds = 6
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return rapid.SampledFrom([]any{true, false, nil}).Draw(t, "word")
	case 1, 2:
		return json.Number(rapid.SampledFrom([]string{"0", "1", "-1", "1.0", "0.10", "10e-2", "1e2", "100", "-0.5", "12345678901234567890.5", "1e-7"}).Draw(t, "number"))
	case 3:
		return rapid.SampledFrom(awkwardTexts).Draw(t, "text")
	case 4:
		all := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			all = append(all, drawValue(t, depth-1))
		}
		return all
	}
	all := map[string]any{}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "0", "a.b", "é", "\n"}), 0, 4, rapid.ID).Draw(t, "names") {
		all[name] = drawValue(t, depth-1)
	}
	return all
}

var awkwardTexts = []string{"", "a", "ab", "é", "\"", "\\", "\\u", "\n", "\x01", "\u2028", "\U0001F4E8", "~", "<"}

func drawScalar(t *rapid.T) any { return drawValue(t, 0) }

// drawCondition makes a filter as maps and slices, what encoding/json makes of one.
func drawCondition(t *rapid.T, depth int) map[string]any {
	least := 0
	if depth == 0 {
		least = 3
	}
	switch n := rapid.IntRange(least, 9).Draw(t, "condition"); n {
	case 0, 1:
		parts := []any{}
		for range rapid.IntRange(1, 3).Draw(t, "parts") {
			parts = append(parts, drawCondition(t, depth-1))
		}
		return map[string]any{[]string{"and", "or"}[n]: parts}
	case 2:
		return map[string]any{"not": drawCondition(t, depth-1)}
	}
	path := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "0", "1", `a\.b`, "é", "\n"}), 1, 3).Draw(t, "path"), ".")
	op := rapid.SampledFrom(operators).Draw(t, "operator")
	var operand any
	switch op {
	case opIn:
		operand = []any{drawScalar(t), drawScalar(t)}
	case opExists:
		operand = rapid.Bool().Draw(t, "exists")
	case opPrefix:
		operand = rapid.SampledFrom(awkwardTexts).Draw(t, "prefix")
	case opEquals, opNotEquals:
		operand = drawScalar(t)
	default:
		operand = rapid.SampledFrom([]any{json.Number("1"), json.Number("0.1"), json.Number("-1e2"), "a", "é", "\n"}).Draw(t, "bound")
	}
	return map[string]any{"path": path, string(op): operand}
}

// naive judges as the contract says, over decoded values.
func naive(condition map[string]any, data any) bool {
	for op, operand := range condition {
		switch operator(op) {
		case opAnd:
			return !slices.ContainsFunc(operand.([]any), func(c any) bool { return !naive(c.(map[string]any), data) })
		case opOr:
			return slices.ContainsFunc(operand.([]any), func(c any) bool { return naive(c.(map[string]any), data) })
		case opNot:
			return !naive(operand.(map[string]any), data)
		}
	}
	value, found := naiveFind(condition["path"].(string), data)
	for op, operand := range condition {
		switch order, ordered := naiveOrder(value, operand); operator(op) {
		case opExists:
			return found == operand.(bool)
		case opEquals:
			return found && naiveSame(value, operand)
		case opNotEquals:
			return !found || !naiveSame(value, operand)
		case opIn:
			return found && slices.ContainsFunc(operand.([]any), func(o any) bool { return naiveSame(value, o) })
		case opPrefix:
			s, ok := value.(string)
			return ok && strings.HasPrefix(s, operand.(string))
		case opGreater:
			return ordered && order > 0
		case opGreaterOrEqual:
			return ordered && order >= 0
		case opLess:
			return ordered && order < 0
		case opLessOrEqual:
			return ordered && order <= 0
		}
	}
	panic(fmt.Sprint("a condition without operator: ", condition))
}

func naiveFind(path string, data any) (any, bool) {
	for _, name := range strings.Split(strings.ReplaceAll(path, `\.`, "\x00"), ".") {
		name = strings.ReplaceAll(name, "\x00", ".")
		switch at := data.(type) {
		case map[string]any:
			value, ok := at[name]
			if !ok {
				return nil, false
			}
			data = value
		case []any:
			n, err := strconv.Atoi(name)
			if err != nil || n >= len(at) {
				return nil, false
			}
			data = at[n]
		default:
			return nil, false
		}
	}
	return data, true
}

func naiveSame(a, b any) bool {
	switch a.(type) {
	case map[string]any, []any:
		return false
	}
	if order, ordered := naiveOrder(a, b); ordered {
		return order == 0
	}
	return reflect.DeepEqual(a, b)
}

func naiveOrder(a, b any) (int, bool) {
	switch x := a.(type) {
	case json.Number:
		if y, ok := b.(json.Number); ok {
			p, _ := new(big.Rat).SetString(string(x))
			q, _ := new(big.Rat).SetString(string(y))
			return p.Cmp(q), true
		}
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), true
		}
	}
	return 0, false
}

func TestAFilterAdmitsWhatANaiveOneDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := map[string]any{"a": drawValue(t, 3), "b": drawValue(t, 2), "é": drawScalar(t)}
		condition := drawCondition(t, 3)
		dataText, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		filterText, err := json.Marshal(condition)
		if err != nil {
			t.Fatal(err)
		}
		canonical, err := webhook.Canonical(dataText)
		if err != nil {
			t.Fatal(err)
		}
		got := mustFilter(t, string(filterText)).Admits(ReadDocument(canonical))
		if want := naive(condition, data); got != want {
			t.Fatalf("%s of %s: got %v, want %v", filterText, dataText, got, want)
		}
	})
}

func TestNumbersAreComparedAsRationalsAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func() string {
			return rapid.StringMatching(`-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		}
		a, b := draw(), draw()
		p, _ := new(big.Rat).SetString(a)
		q, _ := new(big.Rat).SetString(b)
		if got, want := compareNumbers([]byte(a), []byte(b)), p.Cmp(q); got != want {
			t.Fatalf("%s to %s: got %d, want %d", a, b, got, want)
		}
	})
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{`{"path":"a.b","equals":1}`, `{"and":[{"path":"a\\.b","in":["x",null]},{"not":{"or":[{"path":"0","prefix":"\u00e9"}]}}]}`,
		`{"path":"a","greater":-1e400}`, `{}`, `[`, `{"path":"a","exists":true,"x":1}`} {
		f.Add([]byte(seed), []byte(filterData))
	}
	f.Fuzz(func(t *testing.T, text, data []byte) {
		read, bad := ParseFilter("filter", text)
		if (read == nil) != (len(bad) > 0) {
			t.Fatalf("got %v and %v", read, bad)
		}
		if read == nil {
			return
		}
		again, bad := ParseFilter("filter", read.text)
		if len(bad) > 0 || !reflect.DeepEqual(again, read) {
			t.Fatalf("%s comes back as %+v, %v", read.text, again, bad)
		}
		read.Admits(ReadDocument(data)) // must not panic, whatever the data is
		if canonical, err := webhook.Canonical(data); err == nil {
			not, bad := ParseFilter("filter", fmt.Appendf(nil, `{"not":%s}`, read.text))
			if len(bad) == 0 && not.Admits(ReadDocument(canonical)) == read.Admits(ReadDocument(canonical)) {
				t.Fatalf("%s and its opposite agree on %s", read.text, canonical)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	data := []byte(`{"order":{"id":"A-1","amount":99.5,"items":[{"sku":"x","n":1},{"sku":"y","n":2}]},"text":"` + strings.Repeat("t", 400) + `"}`)
	for _, c := range []struct{ name, filter string }{{"plain", ""}, {"filtered", `{"and":[{"path":"order.amount","greater":50},{"path":"order.id","prefix":"A-"}]}`}} {
		b.Run(c.name, func(b *testing.B) {
			x := NewSubscribers()
			x.Put(subscriber(1, "a.b", func(s *Subscription) {
				if c.filter != "" {
					s.Filter = mustFilter(b, c.filter)
				}
			}))
			b.ReportAllocs()
			for b.Loop() {
				if m := x.Match("a.b", "").Filter(data); len(m.Targets) != 1 {
					b.Fatal(m)
				}
			}
		})
	}
}
