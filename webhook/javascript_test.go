package webhook

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// stringify compares, for each line of a base64 text and what is to become of it, what JSON.parse and JSON.stringify make
// of either with the second, and prints the number of lines that agree.
const stringify = `
const lines = require('fs').readFileSync(0, 'latin1').split('\n').filter(line => line !== '');
const decode = text => new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(Buffer.from(text, 'base64'));
let agreed = 0;
for (const line of lines) {
  const [published, body] = line.split(' ').map(decode);
  if (JSON.stringify(JSON.parse(body)) === body && JSON.stringify(JSON.parse(published)) === body) agreed++;
  else console.error(published + ' => ' + body);
}
console.log(agreed);
`

// TestJavaScriptGetsTheSameBytes holds docs/contract.md: a receiver that serialises the parsed body anew gets its bytes.
// It asks JavaScript itself; TestStringifyChangesNothing does so without, and of every profile.
func TestJavaScriptGetsTheSameBytes(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node on this machine: JSON.stringify not asked")
	}
	var published [][]byte
	for seed := range 2000 {
		published = append(published, documents(0).Example(seed))
		published = append(published, rapid.Custom(objects).Example(seed), bodyOf(t, seed))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 4000 {
		published = append(published, randomDouble(random))
	}
	if got, complaints := agreed(t, node, published); got != len(published) {
		t.Errorf("%d of %d agree; first complaints: %.2000s", got, len(published), complaints)
	}
	// A number that no double keeps is the documented exception; it also shows that the comparison can fail.
	if got, _ := agreed(t, node, [][]byte{[]byte(`[9007199254740993]`), []byte(`{"b":1,"1":2}`)}); got != 0 {
		t.Error("JavaScript kept 9007199254740993, or the order of array indexes")
	}
}

// bodyOf is the body of some published data in some profile; Canonical leaves it as it is.
func bodyOf(t *testing.T, seed int) []byte {
	t.Helper()
	p := Profiles()[seed%len(Profiles())]
	data := must(Canonical(rapid.Custom(objects).Example(seed)))
	if p.CheckData(data) != nil {
		data = p.TestData()
	}
	body, err := p.AppendBody(nil, testEvent(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// agreed returns how many documents JavaScript writes as Canonical does.
func agreed(t *testing.T, node string, published [][]byte) (n int, complaints string) {
	t.Helper()
	var in, out, errs bytes.Buffer
	for _, document := range published {
		body := must(Canonical(document))
		fmt.Fprintf(&in, "%s %s\n", base64.StdEncoding.EncodeToString(document), base64.StdEncoding.EncodeToString(body))
	}
	command := exec.CommandContext(t.Context(), node, "-e", stringify)
	command.Stdin, command.Stdout, command.Stderr = &in, &out, &errs
	if err := command.Run(); err != nil {
		t.Fatalf("node: %v\n%s", err, errs.String())
	}
	n, err := strconv.Atoi(string(bytes.TrimSpace(out.Bytes())))
	if err != nil {
		t.Fatalf("node printed %q", out.String())
	}
	return n, errs.String()
}

// randomDouble is any finite double, written with more digits than needed, or a short number near a change of form.
func randomDouble(random *rand.Rand) []byte {
	if random.IntN(2) == 0 {
		return fmt.Appendf(nil, "%d.%de%d", random.IntN(1000), random.IntN(1000), random.IntN(60)-30)
	}
	f := math.NaN()
	for math.IsNaN(f) || math.IsInf(f, 0) {
		f = math.Float64frombits(random.Uint64())
	}
	return []byte(strconv.FormatFloat(f, 'e', -1, 64))
}
