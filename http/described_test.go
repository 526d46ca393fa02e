package http_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hooklog/hooklog/http/openapi"
)

// description is what http/openapi says of every route. What the tests ask and what they are answered is held against it:
// a request that is accepted must be as described, and so must every answer.
type description struct {
	operations []*operation

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema
	// produced are the operations and statuses that were answered so far.
	produced map[string]bool
}

// operation is a method of a path.
type operation struct {
	described
	method, path string
	segments     []string
	// of is the path's description, which parameters are in, too.
	of described
}

// described is a part of a document.
type described struct {
	in      *description
	url     string
	root    any
	pointer string
	value   any
}

// theDescription is read once for all tests.
var theDescription = sync.OnceValue(func() *description {
	d := &description{compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}, produced: map[string]bool{}}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	all, err := openapi.Load()
	if err != nil {
		panic(err)
	}
	for _, s := range all.Surfaces {
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.JSON))
		if err != nil {
			panic(err)
		}
		at := "https://hooklog.example/openapi/" + s.Name + ".json"
		if err := d.compiler.AddResource(at, document); err != nil {
			panic(err)
		}
		root := described{d, at, document, "", document}
		paths := root.member("paths")
		for _, path := range paths.names() {
			of := paths.member(path)
			for _, method := range of.names() {
				if name := strings.ToUpper(method); slices.Contains([]string{"GET", "POST", "PATCH", "PUT", "DELETE"}, name) {
					d.operations = append(d.operations, &operation{of.member(method), name, path, strings.Split(path, "/"), of})
				}
			}
		}
	}
	return d
})

// there reports whether the document has this part.
func (n described) there() bool { return n.value != nil }

// names are the members of an object.
func (n described) names() []string {
	object, _ := n.value.(map[string]any)
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// member is a member of an object, or what it refers to.
func (n described) member(name string) described {
	object, _ := n.value.(map[string]any)
	return n.part(name, object[name])
}

// elements are those of an array.
func (n described) elements() (all []described) {
	array, _ := n.value.([]any)
	for i, value := range array {
		all = append(all, n.part(strconv.Itoa(i), value))
	}
	return all
}

func (n described) part(name string, value any) described {
	part := described{n.in, n.url, n.root, n.pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name), value}
	object, _ := value.(map[string]any)
	reference, _ := object["$ref"].(string)
	if reference == "" || strings.HasPrefix(reference, "#/components/schemas/") {
		return part // schemas are the compiler's business
	}
	return part.found()
}

// found is what this part refers to, or the part itself.
func (n described) found() described {
	object, _ := n.value.(map[string]any)
	reference, referred := object["$ref"].(string)
	if !referred {
		return n
	}
	to := n.whole()
	for step := range strings.SplitSeq(strings.TrimPrefix(reference, "#/"), "/") {
		to = to.member(step)
	}
	return to
}

// whole is the document that this is a part of.
func (n described) whole() described { return described{n.in, n.url, n.root, "", n.root} }

func (n described) text() string {
	s, _ := n.value.(string)
	return s
}

// schema compiles the schema that stands here.
func (n described) schema() *jsonschema.Schema {
	n.in.mu.Lock()
	defer n.in.mu.Unlock()
	at := n.url + "#" + (&url.URL{Fragment: n.pointer}).EscapedFragment()
	s := n.in.schemas[at]
	if s == nil {
		var err error
		if s, err = n.in.compiler.Compile(at); err != nil {
			panic(err)
		}
		n.in.schemas[at] = s
	}
	return s
}

// operation finds what a request is for: of two paths that fit, the one with the first literal step. known says whether
// the path is described at all.
func (d *description) operation(method, path string) (found *operation, known bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, o := range d.operations {
		if !fits(o.segments, strings.Split(path, "/")) {
			continue
		}
		known = true
		if o.method == method && (found == nil || strings.Contains(found.path, "{") && len(o.path) > 0 && literal(o.segments, found.segments)) {
			found = o
		}
	}
	return found, known
}

func fits(pattern, segments []string) bool {
	return slices.EqualFunc(pattern, segments, func(p, s string) bool { return p == s || strings.HasPrefix(p, "{") && s != "" })
}

// literal reports whether a has a literal step where b first has a variable.
func literal(a, b []string) bool {
	for i := range a {
		if va, vb := strings.HasPrefix(a[i], "{"), strings.HasPrefix(b[i], "{"); va != vb {
			return vb
		}
	}
	return false
}

// seen is a request and its answer, as a client sees them.
type seen struct {
	method string
	url    *url.URL
	header http.Header
	body   []byte
	// whole says that body is all of the request's, answeredWhole that answer is all of the answer's.
	whole, answeredWhole bool
	status               int
	answerHeader         http.Header
	trailer              http.Header
	answer               []byte
}

// differences are what a request and its answer have that is not described.
func (d *description) differences(s *seen) []string {
	o, known := d.operation(s.method, s.url.EscapedPath())
	if o == nil {
		return d.undescribed(s, known)
	}
	response := o.member("responses").member(strconv.Itoa(s.status))
	if !response.there() {
		return []string{fmt.Sprintf("the status %d is not described", s.status)}
	}
	d.mu.Lock()
	d.produced[o.method+" "+o.path+" "+strconv.Itoa(s.status)] = true
	d.mu.Unlock()
	all := append(headerDifferences(response, s), answerDifferences(response, s)...)
	if s.status < 300 {
		all = append(all, parameterDifferences(o, s)...)
		all = append(all, bodyDifferences(o.member("requestBody"), s)...)
	}
	return all
}

// undescribed judges what was answered where nothing is described: that there is nothing.
func (d *description) undescribed(s *seen, known bool) []string {
	want := map[bool]int{false: http.StatusNotFound, true: http.StatusMethodNotAllowed}[known]
	if s.status != want {
		return []string{"no document describes this route"}
	}
	var p struct {
		Type, Title, Detail string
		RequestID           string `json:"request_id"`
		Status              int
	}
	if strings.HasPrefix(s.url.Path, "/v1/") {
		return vntanaUndescribed(s)
	}
	strict := json.NewDecoder(bytes.NewReader(s.answer))
	strict.DisallowUnknownFields()
	if s.method == http.MethodHead {
		return nil
	}
	if err := strict.Decode(&p); err != nil || p.Status != want || p.Title != http.StatusText(want) || p.Type == "" || p.Detail == "" || p.RequestID != s.answerHeader.Get("X-Request-Id") {
		return []string{"the refusal is no problem document"}
	}
	if known == (s.answerHeader.Get("Allow") == "") {
		return []string{"Allow is there with 405 alone"}
	}
	return nil
}

// vntanaUndescribed judges the same on VNTANA's surface.
func vntanaUndescribed(s *seen) []string {
	code := map[int]string{http.StatusNotFound: "NOT_FOUND", http.StatusMethodNotAllowed: "METHOD_NOT_ALLOWED"}[s.status]
	if want := `{"success":false,"errors":["` + code + `"],"response":null}` + "\n"; s.method != http.MethodHead && string(s.answer) != want {
		return []string{"the refusal is not " + want}
	}
	return nil
}

// transport are the headers of HTTP itself, which a document does not describe.
var transport = []string{"Date", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Trailer", "Vary"}

func headerDifferences(response described, s *seen) (all []string) {
	headers := response.member("headers")
	there := s.answerHeader.Clone()
	for name, values := range s.trailer {
		there[name] = append(there[name], values...)
	}
	for _, name := range headers.names() {
		h, values := headers.member(name), there.Values(name)
		there.Del(name)
		switch {
		case len(values) == 0 && h.member("required").value == true:
			all = append(all, "the header "+name+" is missing")
		case len(values) > 1:
			all = append(all, "the header "+name+" is there more than once")
		case len(values) == 1:
			all = append(all, differs("the header "+name, spelled(h.member("schema").schema(), values[0]))...)
		}
	}
	for name := range there {
		if !slices.Contains(transport, name) {
			all = append(all, "the header "+name+" is not described")
		}
	}
	return all
}

// spelled holds text, which may stand for a number or a boolean, against a schema.
func spelled(schema *jsonschema.Schema, text string) error {
	err := schema.Validate(text)
	if err == nil {
		return nil
	}
	if value, bad := jsonschema.UnmarshalJSON(strings.NewReader(text)); bad == nil && schema.Validate(value) == nil {
		return nil
	}
	return err
}

func differs(what string, err error) []string {
	if err == nil {
		return nil
	}
	return []string{what + ": " + err.Error()}
}

func answerDifferences(response described, s *seen) []string {
	contents := response.member("content")
	if !contents.there() {
		if len(s.answer) > 0 || s.answerHeader.Get("Content-Type") != "" {
			return []string{"a body is not described"}
		}
		return nil
	}
	given := s.answerHeader.Get("Content-Type")
	mediaType, _, err := mime.ParseMediaType(given)
	content := contents.member(mediaType)
	if err != nil || !content.there() {
		return []string{fmt.Sprintf("the media type %q is not described", given)}
	}
	if s.method == http.MethodHead || !s.answeredWhole {
		return nil
	}
	return contentDifferences("the answer", mediaType, content, s.answer)
}

// contentDifferences holds a body against what is described of its media type. x-line is the schema of each line of
// NDJSON, x-row that of each row of CSV, whose columns are its required members.
func contentDifferences(what, mediaType string, content described, body []byte) (all []string) {
	switch mediaType {
	case "application/x-ndjson":
		line := content.member("x-line").schema()
		for text := range bytes.Lines(body) {
			if text = bytes.TrimSpace(text); len(text) > 0 {
				all = append(all, differs("a line of "+what, validJSON(line, text))...)
			}
		}
		return all
	case "text/csv":
		return rowDifferences(content.member("x-row"), body)
	case "application/json":
		if content.member("x-itemsJudgedAlone").value == true && bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
			return nil // the answer says what is wrong with each
		}
	case "text/html", "text/plain", "application/yaml":
		return differs(what, content.member("schema").schema().Validate(string(body)))
	}
	return differs(what, validJSON(content.member("schema").schema(), body))
}

func validJSON(schema *jsonschema.Schema, text []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func rowDifferences(row described, body []byte) (all []string) {
	var columns []string
	for _, e := range row.found().member("required").elements() {
		columns = append(columns, e.text())
	}
	rows, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	if err != nil {
		return []string{err.Error()}
	}
	for i, cells := range rows {
		if i == 0 && slices.Equal(cells, columns) {
			continue
		}
		if len(cells) != len(columns) {
			return []string{fmt.Sprintf("a row has the columns %q", cells)}
		}
		value := map[string]any{}
		for j, name := range columns {
			value[name] = cells[j]
		}
		all = append(all, differs("a row", row.schema().Validate(value))...)
	}
	return all
}

func parameterDifferences(o *operation, s *seen) (all []string) {
	query := s.url.Query()
	for _, p := range append(o.member("parameters").elements(), o.of.member("parameters").elements()...) {
		name := p.member("name").text()
		var values []string
		switch p.member("in").text() {
		case "query":
			values = query[name]
			delete(query, name)
		case "header":
			values = s.header.Values(name)
		default:
			continue // a variable of the path is there, or the path would not fit
		}
		if len(values) == 0 && p.member("required").value == true {
			all = append(all, "the parameter "+name+" is missing")
		}
		for _, value := range values {
			all = append(all, differs("the parameter "+name, spelled(p.member("schema").schema(), value))...)
		}
	}
	for name := range query {
		all = append(all, "the parameter "+name+" is not described")
	}
	return all
}

func bodyDifferences(body described, s *seen) []string {
	mediaType, _, err := mime.ParseMediaType(s.header.Get("Content-Type"))
	switch {
	case !s.whole:
		return nil
	case len(s.body) == 0 && body.member("required").value == true && mediaType != "application/x-ndjson":
		return []string{"the body is missing"}
	case len(s.body) == 0:
		return nil
	case !body.there():
		return []string{"a body of the request is not described"}
	}
	content := body.member("content").member(mediaType)
	if any := body.member("content").member("*/*"); any.there() {
		mediaType, content, err = "application/json", any, nil
	}
	if err != nil || !content.there() {
		return []string{fmt.Sprintf("the media type %q of the request is not described", mediaType)}
	}
	return contentDifferences("the request", mediaType, content, s.body)
}

// witness is a transport that holds what a house's client sends and gets against the description.
type witness struct{ h *house }

// RoundTrip makes the request. The answer is judged when its body was read.
func (w witness) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := &kept{}
	if r.Body != nil && r.Body != http.NoBody {
		r = r.Clone(r.Context())
		sent.body, r.Body = r.Body, sent
	} else {
		sent.ended = true
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	got := &kept{body: resp.Body}
	got.closed = func(answer []byte, whole bool) {
		body, all := sent.all()
		w.h.judge(&seen{r.Method, r.URL, r.Header, body, all, whole, resp.StatusCode, resp.Header, resp.Trailer, answer})
	}
	resp.Body = got
	return resp, nil
}

// judge fails the test if an exchange is not as described.
func (h *house) judge(s *seen) {
	h.Helper()
	for _, difference := range theDescription().differences(s) {
		h.Errorf("%s %s (%d) is not as http/openapi describes it: %s\nrequest: %.2000s\nanswer: %.2000s", s.method, s.url.RequestURI(), s.status, difference, s.body, s.answer)
	}
}

// maxKept is how much of a body is kept to be judged; a longer one is not.
const maxKept = 16 << 20

// kept is a body of which is kept what was read.
type kept struct {
	body io.ReadCloser
	// closed is told what was read, once; nil if nobody needs to know.
	closed func(read []byte, whole bool)

	mu    sync.Mutex
	read  []byte
	ended bool
	once  sync.Once
}

// Read reads on.
func (k *kept) Read(b []byte) (int, error) {
	n, err := k.body.Read(b)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.read) <= maxKept {
		k.read = append(k.read, b[:n]...)
	}
	k.ended = k.ended || err == io.EOF
	return n, err
}

// Close ends the body.
func (k *kept) Close() error {
	err := k.body.Close()
	k.once.Do(func() {
		if k.closed != nil {
			k.closed(k.all())
		}
	})
	return err
}

func (k *kept) all() (read []byte, whole bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return bytes.Clone(k.read), k.ended && len(k.read) <= maxKept
}

// unproduced are the operations and statuses that are described and that no test was answered with. A fault (500) can be
// brought about at few of them.
func (d *description) unproduced() (missing []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.operations {
		for _, status := range o.member("responses").names() {
			if key := o.method + " " + o.path + " " + status; status != "500" && !d.produced[key] {
				missing = append(missing, key)
			}
		}
	}
	return missing
}
