package commands

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hooklog/hooklog/domain"
)

const orderSchema = `{"type":"object","required":["id"],"properties":{"id":{"type":"string","pattern":"^A-[0-9]+$"},
	"items":{"type":"array","uniqueItems":true,"items":{"$ref":"#/$defs/item"}},"amount":{"type":"number","minimum":0,"multipleOf":0.01}},
	"$defs":{"item":{"type":"object","required":["sku"],"properties":{"n":{"type":"integer"}}}},"additionalProperties":false}`

// refusedFields are the fields that an error names.
func refusedFields(err error) (fields []string) {
	var refused *domain.Error
	if errors.As(err, &refused) {
		for _, f := range refused.Fields {
			fields = append(fields, f.Field)
		}
	}
	return fields
}

// TestASchemaIsEnforcedAtPublishing holds the row publish.measured.
func TestASchemaIsEnforcedAtPublishing(t *testing.T) {
	w := newWorld(t)
	o := w.acme()
	_, _, err := w.DefineEventType(w.ctx, by, o.ID, "order.made", domain.EventTypeSettings{Schema: json.RawMessage(orderSchema)})
	w.must(err)
	publish := func(data string) error {
		_, err := w.Publish(w.ctx, by, domain.Publication{Organization: o.ID, EventType: "order.made", Data: []byte(data)})
		return err
	}
	for _, c := range []struct{ data, field string }{
		{`{"id":"A-1"}`, ""},
		{`{"id":"A-1","amount":0.01,"items":[{"sku":"x","n":1.0},{"sku":"y"}]}`, ""},
		{`{}`, "data"},
		{`{"id":1}`, "data.id"},
		{`{"id":"B-1"}`, "data.id"},
		{`{"id":"A-1","more":1}`, "data"},
		{`{"id":"A-1","amount":-1}`, "data.amount"},
		{`{"id":"A-1","amount":0.001}`, "data.amount"},
		{`{"id":"A-1","items":[{"sku":"x"},{"n":2}]}`, "data.items[1]"},
		{`{"id":"A-1","items":[{"sku":"x","n":"2"}]}`, "data.items[0].n"},
		{`{"id":"A-1","items":[{"sku":"x"},{"sku":"x"}]}`, "data.items"},
		{`{"id":"A-1","amount":1e999999}`, "data.amount"},
		{`{"id":"A-1","amount":1e9999999999999}`, "data.amount"},
		{`{"id":"A-1","amount":` + strings.Repeat("9", 401) + `}`, "data.amount"},
	} {
		before := len(w.recorded())
		err := publish(c.data)
		if c.field == "" {
			if err != nil {
				t.Errorf("%.60s: %v", c.data, err)
			}
			continue
		}
		wantCode(t, c.data, err, domain.Invalid)
		if got := refusedFields(err); len(got) != 1 || got[0] != c.field {
			t.Errorf("%.60s: refused %v, want %s", c.data, err, c.field)
		}
		if len(w.recorded()) != before {
			t.Errorf("%.60s: refused and recorded", c.data)
		}
	}
	many := strings.TrimSuffix(strings.Repeat(`{},`, 100), ",")
	if err := publish(`{"id":"A-1","items":[` + many + `]}`); len(refusedFields(err)) > maxFaults {
		t.Errorf("%d faults are told", len(refusedFields(err)))
	}
	// Another schema counts from then on, and none allows everything.
	_, _, err = w.DescribeEventType(w.ctx, by, o.ID, "order.made", func(s domain.EventTypeSettings) domain.EventTypeSettings {
		s.Schema = json.RawMessage(`{"required":["other"]}`)
		return s
	})
	w.must(err)
	wantCode(t, "the new schema", publish(`{"id":"A-1"}`), domain.Invalid)
	w.must(publish(`{"other":1}`))
	_, _, err = w.DescribeEventType(w.ctx, by, o.ID, "order.made", func(domain.EventTypeSettings) domain.EventTypeSettings { return domain.EventTypeSettings{} })
	w.must(err)
	w.must(publish(`{}`))
}

// What was accepted once is accepted for ever, whatever the schema has become.
func TestARepetitionIsNotMeasuredByALaterSchema(t *testing.T) {
	w := newWorld(t)
	o := w.acme()
	p := order(o, `{"n":1}`)
	p.OwnID = "one"
	first, err := w.Publish(w.ctx, by, p)
	w.must(err)
	_, _, err = w.DescribeEventType(w.ctx, by, o.ID, "order.paid", func(s domain.EventTypeSettings) domain.EventTypeSettings {
		s.Schema = json.RawMessage(`{"required":["m"]}`)
		return s
	})
	w.must(err)
	if again, err := w.Publish(w.ctx, by, p); err != nil || again != first {
		t.Errorf("got %+v, %v, want %+v", again, err, first)
	}
	p.Data = []byte(`{"n":2}`)
	_, err = w.Publish(w.ctx, by, p)
	wantCode(t, "another message under its id", err, domain.Conflict)
	p.OwnID = "two"
	_, err = w.Publish(w.ctx, by, p)
	wantCode(t, "a new one", err, domain.Invalid)
}

func TestASchemaIsJudgedWhenItsTypeIsDefined(t *testing.T) {
	w := newWorld(t)
	o := w.acme()
	for i, c := range []struct{ schema, example, field, message string }{
		{`{"type":"thing"}`, "", "schema", "no JSON Schema"},
		{`{"pattern":"("}`, "", "schema", "no JSON Schema"},
		{`{"pattern":"(a{1000}){1000}"}`, "", "schema", "no JSON Schema"},
		{`{"$ref":"https://example.com/schema.json"}`, "", "schema", "other documents"},
		{`{"$ref":"file:///etc/passwd"}`, "", "schema", "other documents"},
		{`{"$schema":"https://example.com/draft"}`, "", "schema", "other documents"},
		{`{"$ref":"#/$defs/missing"}`, "", "schema", "no JSON Schema"},
		{`{"minimum":1e999999}`, "", "schema", "too large"},
		{`{"description":"` + strings.Repeat("d", maxSchema) + `"}`, "", "schema", "at most"},
		{`{"required":["a"]}`, `{"b":1}`, "example", "schema"},
		{`{"properties":{"a":{"type":"string"}}}`, `{"a":1}`, "example.a", "schema"},
	} {
		_, _, err := w.DefineEventType(w.ctx, by, o.ID, fmt.Sprintf("bad.n%d", i), domain.EventTypeSettings{Schema: json.RawMessage(c.schema), Example: json.RawMessage(c.example)})
		if got := refusedFields(err); len(got) != 1 || got[0] != c.field || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%.60s: got %v, want %s: …%s…", c.schema, err, c.field, c.message)
		}
		_, _, err = w.DescribeEventType(w.ctx, by, o.ID, "order.paid", func(domain.EventTypeSettings) domain.EventTypeSettings {
			return domain.EventTypeSettings{Schema: json.RawMessage(c.schema), Example: json.RawMessage(c.example)}
		})
		wantCode(t, "describe with "+c.schema[:min(60, len(c.schema))], err, domain.Invalid)
	}
	for i, good := range []string{`{}`, `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object"}`, `{"$schema":"https://json-schema.org/draft/2020-12/schema"}`,
		`{"$id":"https://example.com/a","$ref":"#/$defs/x","$defs":{"x":{"properties":{"a":{"$ref":"#"}}}}}`} {
		if _, _, err := w.DefineEventType(w.ctx, by, o.ID, fmt.Sprintf("good.n%d", i), domain.EventTypeSettings{Schema: json.RawMessage(good)}); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

// A schema from before schemas were checked refuses nothing.
func TestASchemaThatIsNoneAllowsEverything(t *testing.T) {
	w := newWorld(t)
	e := domain.EventType{Organization: w.acme().ID, Name: "order.paid", EventTypeSettings: domain.EventTypeSettings{Schema: json.RawMessage(`{"type":7}`)}}
	for range 2 {
		if err := w.checkData(e, []byte(`{}`)); err != nil {
			t.Error(err)
		}
	}
}
