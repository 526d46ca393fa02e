package commands

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/hooklog/hooklog/domain"
)

// Limits of schemas and of what is checked against them (docs/contract.md).
const (
	maxSchema = 32 << 10
	// maxMagnitude bounds the exponents of numbers, which the library turns into whole fractions, and their digits.
	maxMagnitude = 400
	// maxFaults is how many faults of one message are told.
	maxFaults = 10
	// maxFault is how many characters of a fault are told, since it may repeat what was published.
	maxFault = 200
)

// schema is a compiled JSON Schema. It may be used by many at once.
type schema struct {
	text     []byte
	compiled *jsonschema.Schema
}

// schemaURL names the schema that is compiled; it is never loaded.
const schemaURL = "hooklog:schema"

// errNoLoading refuses what a schema refers to outside itself and the published drafts.
var errNoLoading = errors.New("a schema cannot refer to other documents")

// noLoader loads nothing, from wherever.
type noLoader struct{}

// Load fails.
func (noLoader) Load(string) (any, error) { return nil, errNoLoading }

// compileSchema reads a JSON Schema of the drafts 4 to 2020-12, the last one if it does not say.
func compileSchema(text []byte) (*schema, error) {
	if len(text) > maxSchema {
		return nil, fmt.Errorf("must have at most %d bytes", maxSchema)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("is no JSON: %w", err)
	}
	if at, ok := hugeNumber("", doc); ok {
		return nil, fmt.Errorf("has a number at %s that is too large to be compared", strings.TrimPrefix(at, "."))
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	if err := c.AddResource(schemaURL, doc); err != nil {
		return nil, fmt.Errorf("is no JSON Schema: %w", err)
	}
	compiled, err := c.Compile(schemaURL)
	if err != nil {
		return nil, fmt.Errorf("is no JSON Schema: %w", err)
	}
	return &schema{text, compiled}, nil
}

// check names what in data, a JSON object, the schema does not allow, as members of field.
func (s *schema) check(field string, data []byte) []domain.FieldError {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return []domain.FieldError{{Field: field, Message: "is no JSON"}}
	}
	if at, ok := hugeNumber(field, doc); ok {
		return []domain.FieldError{{Field: at, Message: "is a number too large to be compared"}}
	}
	var refused *jsonschema.ValidationError
	switch err := s.compiled.Validate(doc); {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return faults(nil, field, doc, refused)
	default:
		return []domain.FieldError{{Field: field, Message: shorten("cannot be checked against the type's schema: " + err.Error())}}
	}
}

// faults gathers the innermost causes of a refusal.
func faults(all []domain.FieldError, field string, doc any, e *jsonschema.ValidationError) []domain.FieldError {
	if len(all) >= maxFaults {
		return all
	}
	for _, cause := range e.Causes {
		all = faults(all, field, doc, cause)
	}
	if len(e.Causes) > 0 {
		return all
	}
	text := e.ErrorKind.LocalizedString(message.NewPrinter(language.English))
	return append(all, domain.FieldError{Field: fieldAt(field, doc, e.InstanceLocation), Message: shorten("does not meet the type's schema: " + text)})
}

// fieldAt spells where a value stands in a document: members after dots, elements in brackets.
func fieldAt(field string, doc any, place []string) string {
	for _, part := range place {
		switch at := doc.(type) {
		case []any:
			n, err := strconv.Atoi(part)
			if err != nil || n < 0 || n >= len(at) {
				return field
			}
			field, doc = field+"["+part+"]", at[n]
		case map[string]any:
			field, doc = field+"."+shorten(part), at[part]
		}
	}
	return field
}

func shorten(text string) string {
	if runes := []rune(text); len(runes) > maxFault {
		return string(runes[:maxFault]) + "…"
	}
	return text
}

// hugeNumber finds a number whose value would take a disproportionate amount of memory to compare.
func hugeNumber(field string, doc any) (at string, found bool) {
	switch v := doc.(type) {
	case json.Number:
		return field, huge(string(v))
	case []any:
		for i, item := range v {
			if at, found := hugeNumber(fmt.Sprintf("%s[%d]", field, i), item); found {
				return at, true
			}
		}
	case map[string]any:
		for name, value := range v {
			if at, found := hugeNumber(field+"."+shorten(name), value); found {
				return at, true
			}
		}
	}
	return "", false
}

func huge(number string) bool {
	mantissa, exponent := number, "0"
	if e := strings.IndexAny(number, "eE"); e >= 0 {
		mantissa, exponent = number[:e], number[e+1:]
	}
	n, err := strconv.Atoi(exponent)
	return err != nil || n > maxMagnitude || n < -maxMagnitude || len(mantissa) > maxMagnitude
}

// checkSchema refuses settings of an event type whose schema is none, or whose example does not meet it.
func checkSchema(s domain.EventTypeSettings) error {
	if len(s.Schema) == 0 || s.Schema[0] != '{' {
		return nil // nothing, or refused by the domain
	}
	compiled, err := compileSchema(s.Schema)
	if err != nil {
		return refuseMember("schema", shorten(err.Error()))
	}
	if len(s.Example) == 0 {
		return nil
	}
	return domain.RefuseFields(compiled.check("example", s.Example)...)
}

// schemas keeps compiled schemas, one an event type, until the type's is another. It holds at most maxSchemas and
// forgets all of them when it is full.
type schemas struct {
	mu sync.RWMutex
	of map[typeOf]*schema
}

type typeOf struct {
	organization domain.OrganizationID
	name         string
}

const maxSchemas = 1 << 10

// checkData refuses data that the schema of its event type does not allow. A schema that was recorded before they were
// checked, and is none, allows everything.
func (c *Commands) checkData(e domain.EventType, data []byte) error {
	if len(e.Schema) == 0 {
		return nil
	}
	x, key := &c.schemas, typeOf{e.Organization, e.Name}
	x.mu.RLock()
	s := x.of[key]
	x.mu.RUnlock()
	if s == nil || !bytes.Equal(s.text, e.Schema) {
		compiled, err := compileSchema(e.Schema)
		if err != nil {
			c.Logger.Warn().Err(err).Str("type", e.Name).Stringer("organization", e.Organization).Msg("an event type's schema cannot be used")
			compiled = &schema{text: e.Schema}
		}
		s = x.keep(key, compiled)
	}
	if s.compiled == nil {
		return nil
	}
	return domain.RefuseFields(s.check("data", data)...)
}

func (x *schemas) keep(key typeOf, s *schema) *schema {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.of == nil || len(x.of) >= maxSchemas {
		x.of = map[typeOf]*schema{}
	}
	x.of[key] = s
	return s
}
