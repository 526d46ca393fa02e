package openapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/hooklog/hooklog/http/openapi"
)

func descriptions(t *testing.T) *openapi.Descriptions {
	t.Helper()
	d, err := openapi.Load()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// check holds a document against the rules of OpenAPI 3.1, and its examples against its schemas.
func check(t *testing.T, document []byte) error {
	t.Helper()
	d, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return err
	}
	if err := d.Validate(t.Context(), openapi3.EnableMultiError()); err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource(place, value); err != nil {
		return err
	}
	return errors.Join(examples(c, value, "")...)
}

const place = "https://hooklog.example/document.json"

// examples holds every example in a part of a document against the schema that it stands in or beside.
func examples(c *jsonschema.Compiler, value any, pointer string) (wrong []error) {
	step := func(name string) string {
		return pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	}
	switch value := value.(type) {
	case map[string]any:
		if all, ok := value["examples"].([]any); ok {
			wrong = append(wrong, holds(c, pointer, all...))
		}
		if one, ok := value["example"]; ok && value["schema"] != nil {
			wrong = append(wrong, holds(c, pointer+"/schema", one))
		}
		for name, inner := range value {
			if name != "examples" && name != "example" {
				wrong = append(wrong, examples(c, inner, step(name))...)
			}
		}
	case []any:
		for i, inner := range value {
			wrong = append(wrong, examples(c, inner, step(strconv.Itoa(i)))...)
		}
	}
	return wrong
}

func holds(c *jsonschema.Compiler, pointer string, values ...any) error {
	schema, err := c.Compile(place + "#" + (&url.URL{Fragment: pointer}).EscapedFragment())
	for _, value := range values {
		if err == nil {
			err = schema.Validate(value)
		}
	}
	return err
}

func TestEveryDocumentIsOpenAPI31(t *testing.T) {
	t.Parallel()
	for _, s := range descriptions(t).Surfaces {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			if err := check(t, s.JSON); err != nil {
				t.Error(err)
			}
			var document struct{ OpenAPI string }
			if err := json.Unmarshal(s.JSON, &document); err != nil || !strings.HasPrefix(document.OpenAPI, "3.1.") {
				t.Errorf("openapi %q, %v", document.OpenAPI, err)
			}
		})
	}
}

// TestADocumentThatBreaksARuleIsSeen shows that the check above can fail.
func TestADocumentThatBreaksARuleIsSeen(t *testing.T) {
	t.Parallel()
	document := string(descriptions(t).Surfaces[0].JSON)
	for what, change := range map[string][2]string{
		"a path's variable that is not described":    {`"/api/v1/partner/webhooks/{webhook}"`, `"/api/v1/partner/webhooks/{hook}"`},
		"a reference to nothing":                     {`"#/components/schemas/identity"`, `"#/components/schemas/nobody"`},
		"an operation that has the name of another":  {`"operationId": "listFailures"`, `"operationId": "showIdentity"`},
		"an example that is not as its schema":       {`"auto_disabled_at": null`, `"auto_disabled_at": 1`},
		"a member that OpenAPI does not have":        {`"operationId": "listFailures"`, `"operation": "listFailures"`},
		"a place of a parameter that does not exist": {`"in": "query"`, `"in": "body"`},
	} {
		changed := strings.ReplaceAll(document, change[0], change[1])
		if changed == document {
			t.Errorf("%s: nothing was changed", what)
		}
		if check(t, []byte(changed)) == nil {
			t.Errorf("%s is not seen", what)
		}
	}
}

func TestJSONAndYAMLAreTheSameDocument(t *testing.T) {
	t.Parallel()
	for _, s := range descriptions(t).Surfaces {
		var fromJSON, fromYAML any
		if err := yaml.Unmarshal(s.YAML, &fromYAML); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(fromYAML)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again, &fromYAML); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(s.JSON, &fromJSON); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(fromJSON, fromYAML) {
			t.Errorf("%s.yaml is not %s.json", s.Name, s.Name)
		}
		if bytes.Contains(s.YAML, []byte("<<:")) || bytes.Contains(s.YAML, []byte("x-refusals")) {
			t.Errorf("%s.yaml is not whole", s.Name)
		}
	}
}

var (
	linkPattern = regexp.MustCompile(`(?:href|src|action)="([^"]*)"`)
	idPattern   = regexp.MustCompile(` id="([^"]*)"`)
)

// TestPagesNeedNothingFromOutside: they have no script and no asset, and every link leads somewhere here.
func TestPagesNeedNothingFromOutside(t *testing.T) {
	t.Parallel()
	d := descriptions(t)
	pages, known := map[string]string{"": string(d.Index)}, map[string]bool{"/openapi/": true}
	for _, s := range d.Surfaces {
		pages[s.Name] = string(s.Page)
		for _, ending := range []string{"", ".json", ".yaml"} {
			known["/openapi/"+s.Name+ending] = true
		}
	}
	for name, page := range pages {
		ids := map[string]bool{}
		for _, id := range idPattern.FindAllStringSubmatch(page, -1) {
			if ids[id[1]] {
				t.Errorf("page %q has two ids %s", name, id[1])
			}
			ids[id[1]] = true
		}
		for _, link := range linkPattern.FindAllStringSubmatch(page, -1) {
			to, err := url.Parse(link[1])
			if err != nil || to.Path == "" && !ids[to.Fragment] || to.Path != "" && !known[to.Path] || to.Host != "" {
				t.Errorf("page %q leads to %s, which is not here", name, link[1])
			}
		}
		for _, foreign := range []string{"<script", "<img", "<link", "<iframe", "@import", "url(", " style=", " onclick="} {
			if strings.Contains(page, foreign) {
				t.Errorf("page %q has %s", name, foreign)
			}
		}
	}
}

// TestPagesTellEverything: every path, status and member of a document is on its page.
func TestPagesTellEverything(t *testing.T) {
	t.Parallel()
	for _, s := range descriptions(t).Surfaces {
		var document any
		if err := json.Unmarshal(s.JSON, &document); err != nil {
			t.Fatal(err)
		}
		page := string(s.Page)
		paths := document.(map[string]any)["paths"].(map[string]any)
		for path := range paths {
			if !strings.Contains(page, "<code>"+path+"</code>") {
				t.Errorf("%s: the path %s is not on the page", s.Name, path)
			}
		}
		members(document, func(name string) {
			if !strings.Contains(page, `<code class="name">`+name+"</code>") {
				t.Errorf("%s: the member %s is not on the page", s.Name, name)
			}
		})
	}
}

// members tells the names of all members that schemas describe, but those that are never there.
func members(value any, tell func(name string)) {
	switch value := value.(type) {
	case map[string]any:
		if properties, ok := value["properties"].(map[string]any); ok {
			for name, schema := range properties {
				if schema != false {
					tell(name)
				}
			}
		}
		for name, inner := range value {
			if name != "examples" && name != "example" {
				members(inner, tell)
			}
		}
	case []any:
		for _, inner := range value {
			members(inner, tell)
		}
	}
}

// TestThePolicyAdmitsTheStyleOfThePages and nothing else.
func TestThePolicyAdmitsTheStyleOfThePages(t *testing.T) {
	t.Parallel()
	d := descriptions(t)
	for _, page := range [][]byte{d.Index, d.Surfaces[0].Page} {
		_, rest, _ := strings.Cut(string(page), "<style>")
		style, _, _ := strings.Cut(rest, "</style>")
		sum := sha256.Sum256([]byte(style))
		if !strings.Contains(openapi.Policy, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"';") || len(style) < 1000 {
			t.Errorf("the policy %s is not that of a style of %d bytes", openapi.Policy, len(style))
		}
	}
	if strings.Contains(openapi.Policy, "unsafe") || !strings.HasPrefix(openapi.Policy, "default-src 'none'; ") {
		t.Errorf("the policy is %s", openapi.Policy)
	}
}
