package openapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strings"
)

//go:embed page.css
var style string

//go:embed page.html
var pageSource string

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"style": func() template.CSS { return template.CSS(style) },
	"prose": prose,
	"rows":  rows,
}).Parse(pageSource))

// Policy is the Content-Security-Policy of the pages: nothing but their own style.
var Policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// prose makes paragraphs of text, and code of what stands in backticks.
func prose(text string) template.HTML {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		b.WriteString("<p>")
		for i, part := range strings.Split(paragraph, "`") {
			part = template.HTMLEscapeString(part)
			if i%2 == 1 {
				part = "<code>" + part + "</code>"
			}
			b.WriteString(part)
		}
		b.WriteString("</p>")
	}
	return template.HTML(b.String())
}

// shownOperation is an operation as a page shows it, everything that it refers to found.
type shownOperation struct {
	*operation
	Method, Path string
	// Scopes are those of which a key needs one; none if no key is needed.
	Scopes []string
	// Server says where it is answered, if that is not where the others are.
	Server     string
	Parameters []parameter
	Bodies     []shownContent
	Responses  []shownResponse
}

type shownResponse struct {
	Status string
	// Good is a success.
	Good     bool
	Text     string
	Headers  named[header]
	Contents []shownContent
}

// shownContent is a body. Each says in what parts the schema holds.
type shownContent struct {
	MediaType, Each string
	Rows            []row
	Example         string
}

type shownTag struct {
	tag
	Operations []shownOperation
}

func renderIndex(all []Surface) ([]byte, error) {
	var b bytes.Buffer
	err := pages.ExecuteTemplate(&b, "index", all)
	return b.Bytes(), err
}

func renderPage(name string, d *document) ([]byte, error) {
	tags := make([]shownTag, len(d.Tags))
	for i, t := range d.Tags {
		tags[i].tag = t
	}
	for _, path := range d.Paths {
		for _, of := range []struct {
			method string
			*operation
		}{{"GET", path.Value.Get}, {"POST", path.Value.Post}, {"PUT", path.Value.Put}, {"PATCH", path.Value.Patch}, {"DELETE", path.Value.Delete}} {
			if of.operation == nil {
				continue
			}
			i := slices.IndexFunc(tags, func(t shownTag) bool { return slices.Contains(of.Tags, t.Name) })
			if i < 0 {
				return nil, fmt.Errorf("%s %s has no tag of the document", of.method, path.Name)
			}
			tags[i].Operations = append(tags[i].Operations, d.shown(of.method, path.Name, &path.Value, of.operation))
		}
	}
	var b bytes.Buffer
	err := pages.ExecuteTemplate(&b, "page", struct {
		Name string
		*document
		Tags []shownTag
		// Problems says that refusals are problem documents.
		Problems bool
	}{name, d, tags, slices.ContainsFunc(d.Components.Schemas, func(c namedOne[*schema]) bool { return c.Name == "problem" })})
	return b.Bytes(), err
}

func (d *document) shown(method, path string, of *pathItem, o *operation) shownOperation {
	s := shownOperation{operation: o, Method: method, Path: path}
	if o.RequestBody != nil {
		s.Bodies = d.shownContents(o.RequestBody.Content)
	}
	security := d.Security
	if o.Security != nil {
		security = *o.Security
	}
	for _, r := range security {
		for _, scopes := range r {
			s.Scopes = append(s.Scopes, scopes...)
		}
	}
	if len(of.Servers) > 0 {
		s.Server = of.Servers[0].Description
	}
	for _, p := range slices.Concat(of.Parameters, o.Parameters) {
		if name, referred := strings.CutPrefix(p.Ref, componentPrefix+"parameters/"); referred {
			p = d.Components.Parameters[name]
		}
		s.Parameters = append(s.Parameters, p)
	}
	order := []string{"path", "query", "header"}
	slices.SortStableFunc(s.Parameters, func(a, b parameter) int { return slices.Index(order, a.In) - slices.Index(order, b.In) })
	for _, r := range o.Responses {
		s.Responses = append(s.Responses, d.shownResponse(r.Name, r.Value))
	}
	slices.SortFunc(s.Responses, func(a, b shownResponse) int { return strings.Compare(a.Status, b.Status) })
	return s
}

func (d *document) shownResponse(status string, r response) shownResponse {
	if name, referred := strings.CutPrefix(r.Ref, componentPrefix+"responses/"); referred {
		r = d.Components.Responses[name]
	}
	s := shownResponse{Status: status, Good: status < "300", Text: r.Description}
	for _, h := range r.Headers {
		shown := h.Value
		if name, referred := strings.CutPrefix(shown.Ref, componentPrefix+"headers/"); referred {
			shown = d.Components.Headers[name]
		}
		s.Headers = append(s.Headers, namedOne[header]{h.Name, shown})
	}
	s.Contents = d.shownContents(r.Content)
	return s
}

// shownContents are the forms that a body may have.
func (d *document) shownContents(all named[content]) (shown []shownContent) {
	for _, c := range all {
		s, of := shownContent{MediaType: c.Name}, c.Value.Schema
		switch {
		case c.Value.Line != nil:
			s.Each, of = "each line", c.Value.Line
		case c.Value.Row != nil:
			s.Each, of = "each row", c.Value.Row
		}
		s.Rows, s.Example = rows(of), d.example(of)
		if c.Name != problemType {
			s.Rows = append(s.Rows[:1:1], append(d.membersReferred(of), s.Rows[1:]...)...)
		}
		shown = append(shown, s)
	}
	return shown
}

// problemType is the media type of refusals, which are all of one shape.
const problemType = "application/problem+json"

// membersReferred are the members of the schema that a body, or each element of it, refers to, and of what that refers
// to itself.
func (d *document) membersReferred(s *schema) (all []row) {
	if s.Items != nil {
		s = s.Items
	}
	never := map[string]bool{}
	for _, p := range s.Properties {
		never[p.Name] = p.Value.Never
	}
	for s = d.referred(s); s != nil; s = d.referred(s) {
		all = append(all, membersOf(s, 1)...)
	}
	return slices.DeleteFunc(all, func(r row) bool { return r.Depth == 1 && never[r.Name] })
}

// referred is the schema that one refers to as a whole; nil if it refers to none.
func (d *document) referred(s *schema) *schema {
	for _, c := range d.Components.Schemas {
		if s != nil && c.Name == strings.TrimPrefix(s.Ref, componentPrefix+"schemas/") {
			return c.Value
		}
	}
	return nil
}

// example is that of a schema, or of the one that it refers to; empty if there is none.
func (d *document) example(s *schema) string {
	for s != nil && len(s.Examples) == 0 {
		s = d.referred(s)
	}
	if s == nil {
		return ""
	}
	text, err := indentedJSON(&s.Examples[0])
	if err != nil {
		return ""
	}
	return string(text)
}
