package eventlog

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestCheckAppend(t *testing.T) {
	good := Event{ID: ID{1}, Type: "t", Data: []byte(`{}`), Metadata: []byte(`{}`)}
	sized := func(n int) Event { e := good; e.Data = make([]byte, n-len(e.Type)-len(e.Metadata)); return e }
	noID, noType := good, good
	noID.ID, noType.Type = ID{}, ""
	cases := []struct {
		name     string
		stream   string
		expected Expected
		events   []Event
		want     error
	}{
		{"good", "s", NoStream, []Event{good}, nil},
		{"exact", "s", Exactly(0), []Event{good, good}, nil},
		{"any", "s", Any, []Event{good}, nil},
		{"exists", "s", StreamExists, []Event{good}, nil},
		{"longest name", strings.Repeat("s", MaxName), Any, []Event{good}, nil},
		{"longer name", strings.Repeat("s", MaxName+1), Any, []Event{good}, ErrInvalid},
		{"no name", "", Any, []Event{good}, ErrInvalid},
		{"not UTF-8", "\xff", Any, []Event{good}, ErrInvalid},
		{"no such expectation", "s", -3, []Event{good}, ErrInvalid},
		{"no events", "s", Any, nil, ErrInvalid},
		{"no id", "s", Any, []Event{good, noID}, ErrInvalid},
		{"no type", "s", Any, []Event{good, noType}, ErrInvalid},
		{"largest", "s", Any, []Event{sized(MaxAppend)}, nil},
		{"larger", "s", Any, []Event{sized(MaxAppend + 1)}, ErrTooLarge},
		{"larger together", "s", Any, []Event{sized(MaxAppend / 2), sized(MaxAppend/2 + 1)}, ErrTooLarge},
	}
	for _, c := range cases {
		if err := CheckAppend(c.stream, c.expected, c.events); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestConflictError(t *testing.T) {
	err := error(&ConflictError{Stream: "s", Expected: NoStream, Actual: Exactly(3)})
	if !errors.Is(err, ErrRevisionConflict) || errors.Is(err, ErrInvalid) {
		t.Errorf("%v is not a revision conflict alone", err)
	}
	if got, want := err.Error(), "append to s: expected no stream, found revision 3"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNoEventError(t *testing.T) {
	err := error(&NoEventError{At: PositionOf(0, 31)})
	if !errors.Is(err, ErrNoEvent) || errors.Is(err, ErrAhead) {
		t.Errorf("%v is not the absence of an event alone", err)
	}
	if got, want := err.Error(), "read position 0-1f: no event at this position"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCheckGroup(t *testing.T) {
	good := Group{Name: "g", TypePrefixes: []string{""}, MessageTimeout: 1, MaxRetries: 0}
	if err := CheckGroup(good, 1); err != nil {
		t.Errorf("a good group: %v", err)
	}
	for name, spoil := range map[string]func(*Group){
		"no name":        func(g *Group) { g.Name = "" },
		"no prefixes":    func(g *Group) { g.TypePrefixes = nil },
		"long prefix":    func(g *Group) { g.TypePrefixes = []string{strings.Repeat("p", MaxName+1)} },
		"no timeout":     func(g *Group) { g.MessageTimeout = 0 },
		"minus retries":  func(g *Group) { g.MaxRetries = -1 },
		"prefix UTF-8":   func(g *Group) { g.TypePrefixes = []string{"\xff"} },
		"minus timeouts": func(g *Group) { g.MessageTimeout = -time.Second },
	} {
		g := good
		spoil(&g)
		if err := CheckGroup(g, 1); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
	if err := CheckGroup(good, 0); !errors.Is(err, ErrInvalid) {
		t.Errorf("a buffer of 0: got %v, want ErrInvalid", err)
	}
}

func TestSameSettings(t *testing.T) {
	g := Group{Name: "g", TypePrefixes: []string{"a", "b"}, MessageTimeout: 1, MaxRetries: 2}
	same := g
	same.TypePrefixes = []string{"b", "a", "b"}
	if !g.SameSettings(same) {
		t.Error("the order of prefixes made another group")
	}
	for _, differ := range []func(*Group){
		func(g *Group) { g.TypePrefixes = []string{"a"} },
		func(g *Group) { g.MessageTimeout++ },
		func(g *Group) { g.MaxRetries++ },
	} {
		other := g
		differ(&other)
		if g.SameSettings(other) {
			t.Errorf("%+v and %+v are the same", g, other)
		}
	}
}
