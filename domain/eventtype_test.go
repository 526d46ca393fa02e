package domain

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func eventType(facts ...Fact) EventType {
	var e EventType
	for i, f := range facts {
		e = e.Apply(f, Meta{At: noon.Add(time.Duration(i) * time.Minute)})
	}
	return e
}

func TestDefineRefusals(t *testing.T) {
	org := organization(acme)
	defined := eventType(&EventTypeDefined{Organization: org.ID, Name: "a"})
	retired := eventType(&EventTypeDefined{Organization: org.ID, Name: "a"}, &EventTypeRetired{org.ID, "a"})
	for _, c := range []struct {
		name string
		e    EventType
		org  Organization
		typ  string
		s    EventTypeSettings
		want Code
	}{
		{"good", EventType{}, org, "order.paid", EventTypeSettings{}, 0},
		{"a reserved name, by an operator", EventType{}, org, "vc.lead.created", EventTypeSettings{}, 0},
		{"again", defined, org, "a", EventTypeSettings{}, Conflict},
		{"a retired one again", retired, org, "a", EventTypeSettings{}, 0},
		{"no organization", EventType{}, Organization{}, "a", EventTypeSettings{}, NotFound},
		{"a closed organization", EventType{}, organization(acme, &OrganizationClosed{}), "a", EventTypeSettings{}, Conflict},
		{"no name", EventType{}, org, "", EventTypeSettings{}, Invalid},
		{"upper case", EventType{}, org, "A", EventTypeSettings{}, Invalid},
		{"a pattern", EventType{}, org, "a.*", EventTypeSettings{}, Invalid},
		{"128 characters", EventType{}, org, strings.Repeat("a", 128), EventTypeSettings{}, 0},
		{"129 characters", EventType{}, org, strings.Repeat("a", 129), EventTypeSettings{}, Invalid},
		{"an operational type", EventType{}, org, "hooklog.x", EventTypeSettings{}, Invalid},
		{"the test's type", EventType{}, org, "vc.test.ping", EventTypeSettings{}, Invalid},
		{"a long description", EventType{}, org, "a", EventTypeSettings{Description: strings.Repeat("é", 2001)}, Invalid},
		{"the longest texts", EventType{}, org, "a", EventTypeSettings{Description: strings.Repeat("é", 2000), Category: strings.Repeat("é", 100)}, 0},
		{"a long category", EventType{}, org, "a", EventTypeSettings{Category: strings.Repeat("é", 101)}, Invalid},
		{"an example that is no object", EventType{}, org, "a", EventTypeSettings{Example: json.RawMessage(`[]`)}, Invalid},
		{"a schema that is no object", EventType{}, org, "a", EventTypeSettings{Schema: json.RawMessage(`true`)}, Invalid},
	} {
		f, err := c.e.DecideDefine(c.org, c.typ, c.s)
		wantCode(t, c.name, err, c.want)
		if want := (&EventTypeDefined{c.org.ID, c.typ, c.s}); err == nil && !reflect.DeepEqual(f, want) {
			t.Errorf("%s: got %+v, want %+v", c.name, f, want)
		}
	}
}

func TestAnEventTypeIsDescribedRetiredAndBroughtBack(t *testing.T) {
	org := organization(acme)
	defined := &EventTypeDefined{org.ID, "a", EventTypeSettings{Description: "one"}}
	e := eventType(defined)
	f, err := e.DecideDescribe(EventTypeSettings{Description: "two"})
	if err != nil {
		t.Fatal(err)
	}
	e = eventType(defined, f)
	if e.Description != "two" || !e.CreatedAt.Equal(noon) || e.Retired() || e.Name != "a" || e.Organization != org.ID {
		t.Errorf("described: got %+v", e)
	}
	gone, err := e.DecideRetire()
	if err != nil {
		t.Fatal(err)
	}
	e = eventType(defined, f, gone)
	if !e.Retired() || !e.Exists() {
		t.Errorf("retired: got %+v", e)
	}
	if f, err := e.DecideRetire(); f != nil || err != nil {
		t.Errorf("retired twice: got %v, %v", f, err)
	}
	_, err = e.DecideDescribe(EventTypeSettings{})
	wantCode(t, "describe a retired type", err, Conflict)
	_, err = EventType{}.DecideDescribe(EventTypeSettings{})
	wantCode(t, "describe no type", err, NotFound)
	_, err = EventType{}.DecideRetire()
	wantCode(t, "retire no type", err, NotFound)
	_, err = eventType(defined).DecideDescribe(EventTypeSettings{Example: json.RawMessage(`1`)})
	wantFields(t, "describe with nonsense", err, "example")
	if back := eventType(defined, f, gone, defined); back.Retired() || back.Description != "one" || !back.CreatedAt.Equal(noon) {
		t.Errorf("brought back: got %+v", back)
	}
}
