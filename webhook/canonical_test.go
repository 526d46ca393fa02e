package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestCanonicalSpelling(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"white space", " {\t\"a\" :\r\n[ 1 , { } , [ ] ] } ", `{"a":[1,{},[]]}`},
		{"literals", ` [ true , false , null ] `, `[true,false,null]`},
		{"order kept", `{"b":1,"a":2,"10":3,"9":4}`, `{"b":1,"a":2,"10":3,"9":4}`},
		{"needless escapes", `"\u0041\/\u00e9\u20AC"`, `"A/é€"`},
		{"needed escapes", `"\u0022\u005c\u0008\u000C\u000a\u000D\u0009\u0000\u001F"`, `"\"\\\b\f\n\r\t\u0000\u001f"`},
		{"short escapes", `"\"\\\b\f\n\r\t"`, `"\"\\\b\f\n\r\t"`},
		{"raw separators, markup and DEL", `"\u2028\u2029\u003c\u003E\u0026\u007f"`, "\"\u2028\u2029<>&\u007f\""},
		{"surrogate pair", `"\uD83D\ude00"`, `"😀"`},
		{"replacement character", `"\ufffd` + "\ufffd" + `"`, "\"\ufffd\ufffd\""},
		{"eight bytes and more", `"abcdefgh\n01234567é012345678"`, `"abcdefgh\n01234567é012345678"`},
		{"name escaped", `{"\u0061":1}`, `{"a":1}`},
		{"empty name", `{"":{"":""}}`, `{"":{"":""}}`},
		{"same name in other objects", `{"a":{"a":[{"a":1},{"a":2}]}}`, `{"a":{"a":[{"a":1},{"a":2}]}}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := AppendCanonical([]byte("x"), []byte(test.in))
			if err != nil || string(got) != "x"+test.want {
				t.Errorf("got %s, %v; want x%s", got, err, test.want)
			}
		})
	}
}

func TestCanonicalNumbers(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"0", "0"}, {"-0", "0"}, {"-0.0", "0"}, {"0e99999999999999999999", "0"}, {"0.000E-5", "0"}, {"-1", "-1"},
		{"1.0", "1"}, {"1.10", "1.1"}, {"1E5", "100000"}, {"1e+5", "100000"}, {"10e-1", "1"}, {"-1.50e1", "-15"},
		{"0.1", "0.1"}, {"0.000001", "0.000001"}, {"0.0000001", "1e-7"}, {"0.00000123", "0.00000123"}, {"123e-9", "1.23e-7"},
		{"1e20", "100000000000000000000"}, {"1e21", "1e+21"}, {"12e20", "1.2e+21"}, {"100000000000000000000", "100000000000000000000"},
		{"1000000000000000000000", "1e+21"}, {"123456789012345", "123456789012345"}, {"1234567890123456", "1234567890123456"},
		{"-123456789012345", "-123456789012345"}, {"9007199254740991", "9007199254740991"}, {"9007199254740992", "9007199254740992"},
		// What a double cannot keep stays as published.
		{"9007199254740993", "9007199254740993"}, {"9007199254740993.0", "9007199254740993.0"}, {"1E400", "1E400"}, {"-1e400", "-1e400"},
		{"1e-400", "1e-400"}, {"1e99999999999999999999", "1e99999999999999999999"}, {"1e-99999999999999999999", "1e-99999999999999999999"},
		{"0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"}, {"3.14159265358979323846", "3.14159265358979323846"},
		{"12345678901234567890", "12345678901234567890"}, {"18446744073709551615", "18446744073709551615"},
		// The limits of doubles.
		{"5e-324", "5e-324"}, {"4.9e-324", "4.9e-324"}, {"2.2250738585072014e-308", "2.2250738585072014e-308"},
		{"1.7976931348623157e308", "1.7976931348623157e+308"}, {"1.7976931348623159e308", "1.7976931348623159e308"},
		{"1.7976931348623157E+308", "1.7976931348623157e+308"}, {"123.4560e-300", "1.23456e-298"},
		{"0.30000000000000004", "0.30000000000000004"}, {"0.3000000000000000", "0.3"}, {"5e-325", "5e-325"},
	}
	for _, test := range tests {
		t.Run(test.in, func(t *testing.T) {
			t.Parallel()
			if got, err := Canonical([]byte(test.in)); err != nil || string(got) != test.want {
				t.Errorf("got %s, %v; want %s", got, err, test.want)
			}
		})
	}
}

func TestCanonicalRefuses(t *testing.T) {
	t.Parallel()
	manyNames := func(last string) string {
		var text strings.Builder
		for i := range 3 * fewNames {
			fmt.Fprintf(&text, `"n%d":%d,`, i, i)
		}
		return `{` + text.String() + `"` + last + `":0}`
	}
	tests := []struct {
		name, in string
		want     error
		offset   int
	}{
		{"nothing", ``, ErrSyntax, 0},
		{"white space", " \n", ErrSyntax, 2},
		{"byte order mark", "\ufeff{}", ErrSyntax, 0},
		{"two values", `{} {}`, ErrSyntax, 3},
		{"trailing garbage", `{}x`, ErrSyntax, 2},
		{"trailing zero byte", "{}\x00", ErrSyntax, 2},
		{"form feed as space", "\f{}", ErrSyntax, 0},
		{"open object", `{`, ErrSyntax, 1},
		{"open array", `[1`, ErrSyntax, 2},
		{"trailing comma in array", `[1,]`, ErrSyntax, 3},
		{"trailing comma in object", `{"a":1,}`, ErrSyntax, 7},
		{"no comma", `[1 2]`, ErrSyntax, 3},
		{"no colon", `{"a" 1}`, ErrSyntax, 5},
		{"no value", `{"a":}`, ErrSyntax, 5},
		{"name no string", `{a:1}`, ErrSyntax, 1},
		{"wrong closing", `{"a":1]`, ErrSyntax, 6},
		{"literal cut", `tru`, ErrSyntax, 0},
		{"literal with more", `nulls`, ErrSyntax, 4},
		{"NaN", `NaN`, ErrSyntax, 0},
		{"leading zero", `01`, ErrSyntax, 1},
		{"leading plus", `+1`, ErrSyntax, 0},
		{"bare minus", `-`, ErrSyntax, 0},
		{"minus before letter", `-x`, ErrSyntax, 0},
		{"bare point", `1.`, ErrSyntax, 0},
		{"leading point", `.5`, ErrSyntax, 0},
		{"bare exponent", `1e`, ErrSyntax, 0},
		{"signed bare exponent", `1e+`, ErrSyntax, 0},
		{"hexadecimal", `0x1`, ErrSyntax, 1},
		{"open string", `"abc`, ErrSyntax, 4},
		{"string ends in backslash", `"abc\`, ErrSyntax, 4},
		{"raw control character", "\"a\x1f\"", ErrSyntax, 2},
		{"raw line feed", "\"\n\"", ErrSyntax, 1},
		{"unknown escape", `"\x"`, ErrSyntax, 1},
		{"single quote escape", `"\'"`, ErrSyntax, 1},
		{"short unicode escape", `"\u12"`, ErrSyntax, 1},
		{"unicode escape of letters", `"\u12g4"`, ErrSyntax, 1},
		{"lone high surrogate", `"\ud83d"`, ErrLoneSurrogate, 1},
		{"high surrogate before text", `"a\ud83dabcdef"`, ErrLoneSurrogate, 2},
		{"high surrogate before another escape", `"\ud83d\u0041"`, ErrLoneSurrogate, 1},
		{"two high surrogates", `"\ud83d\ud83d\ude00"`, ErrLoneSurrogate, 1},
		{"lone low surrogate", `"\ude00"`, ErrLoneSurrogate, 1},
		{"surrogates in wrong order", `"\ude00\ud83d"`, ErrLoneSurrogate, 1},
		{"surrogate in a name", `{"\udfff":1}`, ErrLoneSurrogate, 2},
		{"stray continuation", "\"\x80\"", ErrUTF8, 1},
		{"cut character", "\"a\xe2\x82\"", ErrUTF8, 2},
		{"overlong", "\"\xc0\xaf\"", ErrUTF8, 1},
		{"surrogate as UTF-8", "\"\xed\xa0\x80\"", ErrUTF8, 1},
		{"beyond Unicode", "\"\xf4\x90\x80\x80\"", ErrUTF8, 1},
		{"invalid UTF-8 outside strings", "{\xff}", ErrSyntax, 1},
		{"duplicate name", `{"a":1,"b":2,"a":3}`, ErrDuplicateName, 13},
		{"duplicate name by escape", `{"a":1,"\u0061":3}`, ErrDuplicateName, 7},
		{"duplicate empty name", `{"":1,"":3}`, ErrDuplicateName, 6},
		{"duplicate name inside", `[{"x":{"a":1,"a":2}}]`, ErrDuplicateName, 13},
		{"duplicate name after a nested object", `{"a":{"b":1},"a":2}`, ErrDuplicateName, 13},
		{"duplicate of the first of many names", manyNames("n0"), ErrDuplicateName, len(manyNames("n0")) - len(`"n0":0}`)},
		{"duplicate of the last of many names", manyNames("n47"), ErrDuplicateName, len(manyNames("n47")) - len(`"n47":0}`)},
		{"one too deep", strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1), ErrTooDeep, MaxDepth},
		{"objects one too deep", strings.Repeat(`{"a":`, MaxDepth+1) + "1" + strings.Repeat("}", MaxDepth+1), ErrTooDeep, 5 * MaxDepth},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := AppendCanonical([]byte("x"), []byte(test.in))
			var fault *DataError
			if !errors.As(err, &fault) || fault.Err != test.want || fault.Offset != test.offset {
				t.Errorf("got %v; want %v at byte %d", err, test.want, test.offset)
			}
			if string(got) != "x" {
				t.Errorf("dst became %q", got)
			}
		})
	}
	if _, err := Canonical([]byte(manyNames("other"))); err != nil {
		t.Errorf("many different names: %v", err)
	}
	deepest := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	if got, err := Canonical([]byte(deepest)); err != nil || string(got) != deepest {
		t.Errorf("the deepest that is admitted: %s, %v", got, err)
	}
}

// TestNumbersAgainstDoubles compares with the decimal value computed by math/big and the shortest digits by strconv.
func TestNumbersAgainstDoubles(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := numbers().Draw(t, "number")
		out := string(must(Canonical([]byte(in))))
		if rational(t, in).Cmp(rational(t, out)) != 0 {
			t.Fatalf("%s became %s, another value", in, out)
		}
		f, err := strconv.ParseFloat(in, 64)
		shortest := "0"
		if err == nil {
			shortest = ecmaScript(f)
		}
		kept := err == nil && rational(t, shortest).Cmp(rational(t, in)) == 0
		if kept && out != shortest {
			t.Fatalf("%s became %s; JavaScript writes %s", in, out, shortest)
		}
		if !kept && out != in {
			t.Fatalf("%s, which a double does not keep, became %s", in, out)
		}
	})
}

func TestEveryDoubleIsWrittenAsJavaScriptWritesIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := math.Float64frombits(rapid.Uint64().Draw(t, "bits"))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			t.Skip("no JSON")
		}
		in := strconv.FormatFloat(f, 'e', -1, 64)
		if out := string(must(Canonical([]byte(in)))); out != ecmaScript(f) {
			t.Fatalf("%s became %s; JavaScript writes %s", in, out, ecmaScript(f))
		}
	})
}

// ecmaScript is another way to JavaScript's spelling: the two forms of strconv, chosen by magnitude.
func ecmaScript(f float64) string {
	if f == 0 {
		return "0"
	}
	if abs := math.Abs(f); abs >= 1e-6 && abs < 1e21 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	return mantissa + "e" + exponent[:1] + strings.TrimLeft(exponent[1:], "0")
}

func rational(t *rapid.T, number string) *big.Rat {
	r, ok := new(big.Rat).SetString(number)
	if !ok {
		t.Fatalf("%q is no number", number)
	}
	return r
}

// numbers draws numbers of JSON's grammar, mostly around the borders that matter: 15 to 18 digits, zeros everywhere.
func numbers() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		digits := rapid.StringOfN(rapid.RuneFrom([]rune("0000123459")), 0, 22, -1)
		text := strings.TrimLeft(digits.Draw(t, "integer"), "0")
		if text == "" {
			text = "0"
		}
		if rapid.Bool().Draw(t, "negative") {
			text = "-" + text
		}
		if rapid.Bool().Draw(t, "fraction") {
			text += "." + digits.Draw(t, "digits") + "0"
		}
		if rapid.Bool().Draw(t, "exponent") {
			text += rapid.SampledFrom([]string{"e", "E", "e+", "e-"}).Draw(t, "e")
			text += strconv.Itoa(rapid.IntRange(0, 400).Draw(t, "power"))
		}
		return text
	})
}

// documents draws JSON texts with white space and escapes that are not needed. Names do not look like array indexes,
// and numbers are such as doubles keep, so that JSON.stringify can be held against the result.
func documents(depth int) *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		kind := rapid.IntRange(0, 6).Draw(t, "kind")
		if depth >= 5 && kind >= 4 {
			kind -= 4
		}
		space := rapid.SampledFrom([]string{"", "", " ", "\n\t", "\r "}).Draw(t, "space")
		return []byte(space + document(t, kind, depth) + space)
	})
}

func document(t *rapid.T, kind, depth int) string {
	var parts []string
	switch kind {
	case 0:
		return rapid.SampledFrom([]string{"true", "false", "null", "{}", "[]"}).Draw(t, "word")
	case 1:
		f := rapid.Float64().Draw(t, "double")
		return strconv.FormatFloat(f, rapid.SampledFrom([]byte("ef")).Draw(t, "form"), -1, 64)
	case 2:
		if number := numbers().Draw(t, "number"); doubleKeeps(number) {
			return number
		}
		return rapid.SampledFrom([]string{"-0", "-0.0e5", "1.0", "1E5", "9007199254740991", "-0.1E-6", "123456789012345680000"}).Draw(t, "kept")
	case 3, 4:
		return quoted(t, texts().Draw(t, "string"))
	case 5:
		for range rapid.IntRange(0, 5).Draw(t, "items") {
			parts = append(parts, string(documents(depth+1).Draw(t, "item")))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	names := texts().Filter(func(name string) bool { return !isArrayIndex(name) })
	for _, name := range rapid.SliceOfNDistinct(names, 0, 20, rapid.ID).Draw(t, "names") {
		parts = append(parts, quoted(t, name)+" : "+string(documents(depth+1).Draw(t, "member")))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// texts draws strings with what JSON.stringify escapes, what others escape, and names that mean something to JavaScript.
func texts() *rapid.Generator[string] {
	special := rapid.SampledFrom([]string{
		"\u2028", "\u2029", "\x00", "\x1f", "\x7f", "\u0080", "\ufeff", "\ufffe", "\uffff", "\ufffd", "\U0001F99E", "\U0010FFFF", "e\u0301",
		"</script>", "&amp;", `"`, `\`, `\\"`, "/", "\b\f\n\r\t", "'", "__proto__", "toJSON", "-1", "01", "1.5", "4294967295", "",
	})
	return rapid.OneOf(rapid.String(), special, rapid.Map(rapid.SliceOfN(special, 2, 5), func(s []string) string { return strings.Join(s, "") }))
}

// isArrayIndex tells whether JavaScript moves a member of that name to the front: an integer from 0 to 2^32-2.
func isArrayIndex(name string) bool {
	n, err := strconv.ParseUint(name, 10, 32)
	return err == nil && n < math.MaxUint32 && strconv.FormatUint(n, 10) == name
}

// doubleKeeps tells whether JavaScript writes the number with the value that it has.
func doubleKeeps(number string) bool {
	f, err := strconv.ParseFloat(number, 64)
	return err == nil && decimalValue(ecmaScript(f)) == decimalValue(number)
}

// quoted writes s as a JSON string, some characters escaped without need.
func quoted(t *rapid.T, s string) string {
	escapes := rapid.SampledFrom([]string{"none", "all", "some"}).Draw(t, "escapes")
	var out bytes.Buffer
	out.WriteByte('"')
	for i, r := range s {
		switch {
		case r < ' ' && escapes == "none" && strings.ContainsRune("\b\f\n\r\t", r):
			out.WriteString(`\` + string("btn?fr"[r-'\b']))
		case escapes == "some" && (r == '/' || r == '"' || r == '\\'):
			out.WriteString(`\` + string(r))
		case r < ' ', r == '"', r == '\\', escapes == "all", escapes == "some" && i%3 == 0:
			for _, unit := range utf16Units(r) {
				fmt.Fprintf(&out, rapid.SampledFrom([]string{`\u%04X`, `\u%04x`}).Draw(t, "digits"), unit)
			}
		default:
			out.WriteRune(r)
		}
	}
	out.WriteByte('"')
	return out.String()
}

func utf16Units(r rune) []rune {
	if r < 0x10000 {
		return []rune{r}
	}
	return []rune{0xd800 + (r-0x10000)>>10, 0xdc00 + (r-0x10000)&0x3ff}
}

func TestCanonicalKeepsTheValueAndIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := documents(0).Draw(t, "document")
		checkCanonical(t, in, must(Canonical(in)))
	})
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkCanonical holds everything against out that must be true of it without another implementation at hand.
func checkCanonical(t failer, in, out []byte) {
	t.Helper()
	again, err := Canonical(out)
	if err != nil || !bytes.Equal(again, out) {
		t.Fatalf("%q became %q became %q, %v", in, out, again, err)
	}
	if !utf8.Valid(out) {
		t.Fatalf("%q became %q, which is not UTF-8", in, out)
	}
	want, got := decoded(t, in), decoded(t, out)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q became %q, another value", in, out)
	}
}

// decoded is what encoding/json makes of text, numbers as their decimal value.
func decoded(t failer, text []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("encoding/json refuses %q: %v", text, err)
	}
	return withValues(value)
}

func withValues(value any) any {
	switch v := value.(type) {
	case json.Number:
		return decimalValue(string(v))
	case []any:
		for i := range v {
			v[i] = withValues(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = withValues(v[name])
		}
	}
	return value
}

// decimalValue brings a number into one spelling a value by moving the point, without regard to doubles.
func decimalValue(number string) string {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(number), "e")
	power := new(big.Int)
	if exponent != "" {
		power.SetString(exponent, 10)
	}
	sign := ""
	if strings.HasPrefix(mantissa, "-") {
		sign, mantissa = "-", mantissa[1:]
	}
	integer, fraction, _ := strings.Cut(mantissa, ".")
	power.Sub(power, big.NewInt(int64(len(fraction))))
	digits := strings.TrimLeft(integer+fraction, "0")
	short := strings.TrimRight(digits, "0")
	if short == "" {
		return "0"
	}
	power.Add(power, big.NewInt(int64(len(digits)-len(short))))
	return sign + short + "e" + power.String()
}

func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,2.50,-0,1e5,"\u00e9\ud83d\ude00"],"b":{"c":null,"d":true}}`, `"\ud800"`, `{"a":1,"\u0061":2}`, `[1e400,9007199254740993]`,
		"\"\xff\"", ` [ ] `, `{`, `"\u2028<>&\/"`, `-`, `0.1e`, strings.Repeat("[", MaxDepth+2),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := Canonical(in)
		if err != nil {
			if len(out) != 0 || !errors.As(err, new(*DataError)) {
				t.Fatalf("refused %q with %q, %v", in, out, err)
			}
			if errors.Is(err, ErrSyntax) && json.Valid(in) {
				t.Fatalf("refused valid JSON %q: %v", in, err)
			}
			return
		}
		if !json.Valid(in) {
			t.Fatalf("accepted %q", in)
		}
		if len(out) > 6*len(in) {
			t.Fatalf("%d bytes became %d", len(in), len(out))
		}
		checkCanonical(t, in, out)
	})
}

func BenchmarkCanonical500(b *testing.B) {
	for name, data := range map[string]string{
		"compact": `{"dealRoomId":"550e8400-e29b-41d4-a716-446655440000","name":"Series A","changes":["name","branding"],` +
			`"version":12,"amount":1250.75,"viewer":{"email":"someone@example.com","name":"Zoë","active":true},"note":"` +
			strings.Repeat("The quick brown fox. ", 14) + `"}`,
		"one string": `{"text":"` + strings.Repeat("x", 488) + `"}`,
		"numbers":    `{"values":[` + strings.Repeat(`12.50,3,1e3,0.001,`, 27) + `1]}`,
	} {
		b.Run(name, func(b *testing.B) {
			in, space := []byte(data), make([]byte, 0, 1024)
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := AppendCanonical(space, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
