package domain

import (
	"errors"
	"slices"
	"testing"
)

// wantCode demands a refusal of a code; 0 demands none.
func wantCode(t *testing.T, name string, err error, want Code) {
	t.Helper()
	if got := CodeOf(err); got != want || (want == 0) != (err == nil) {
		t.Errorf("%s: got %v (code %d), want code %d", name, err, got, want)
	}
}

// wantFields demands that exactly these members are refused.
func wantFields(t *testing.T, name string, err error, want ...string) {
	t.Helper()
	var e *Error
	var got []string
	if errors.As(err, &e) {
		for _, f := range e.Fields {
			got = append(got, f.Field)
		}
		if e.Code != Invalid {
			t.Errorf("%s: got code %d, want Invalid", name, e.Code)
		}
	}
	if !slices.Equal(got, want) || (len(want) == 0) != (err == nil) {
		t.Errorf("%s: got %v for %v, want %v", name, err, got, want)
	}
}

func TestARefusalSaysWhatAndWhere(t *testing.T) {
	if err := RefuseFields(); err != nil {
		t.Errorf("nothing to refuse: got %v", err)
	}
	err := RefuseFields(FieldError{"url", "is missing"})
	if got, want := err.Error(), "the request has invalid members (url: is missing)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Refuse(Conflict, "no %s", "more").Error(); got != "no more" {
		t.Errorf("got %q", got)
	}
	if got := CodeOf(errors.Join(errors.New("a fault"), Refuse(TooLarge, "x"))); got != TooLarge {
		t.Errorf("a wrapped refusal: got code %d", got)
	}
	if got := CodeOf(errors.New("a fault")); got != 0 {
		t.Errorf("a fault: got code %d", got)
	}
}
