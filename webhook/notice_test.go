package webhook

import (
	"slices"
	"strings"
	"testing"
)

// TestOperationalTypes: each is told by somebody's notice, matched only by name, and deliverable in every profile.
func TestOperationalTypes(t *testing.T) {
	t.Parallel()
	for _, e := range OperationalTypes() {
		if CheckTypeName(e.Name) != nil || Matches("*", e.Name) || !Matches(e.Name, e.Name) {
			t.Errorf("%s is no type that only its name matches", e.Name)
		}
		if got := must(Canonical([]byte(e.Example))); string(got) != e.Example {
			t.Errorf("%s: the example is not canonical: %s", e.Name, e.Example)
		}
		if e.Description == "" || e.Category == "" {
			t.Errorf("%s says too little", e.Name)
		}
		used := false
		for _, p := range Profiles() {
			if err := p.CheckData([]byte(e.Example)); err != nil {
				t.Errorf("%s cannot carry %s: %v", p.Name(), e.Name, err)
			}
			used = used || slices.ContainsFunc(p.Notices(), func(n Notice) bool { return n.Type == e.Name })
		}
		if !used {
			t.Errorf("nothing causes %s", e.Name)
		}
	}
}

// TestNoticesFollowThePolicy: nobody is told of what the policy never does, and each cause has one row.
func TestNoticesFollowThePolicy(t *testing.T) {
	t.Parallel()
	for _, p := range Profiles() {
		disables := p.DisableRule() != DisableRule{}
		possible := map[Cause]bool{
			CauseFirstFailure: true, CauseDead: true, CauseWarning: disables, CauseDisabled: disables,
			CauseUnhealthy: p.UnhealthyAt() > 0, CauseRecovered: disables || p.UnhealthyAt() > 0,
		}
		for cause, can := range possible {
			rows := 0
			for _, n := range p.Notices() {
				if n.Cause == cause {
					rows++
				}
			}
			if rows > 1 || rows > 0 && !can || rows == 0 && can && cause != CauseFirstFailure {
				t.Errorf("%s has %d rows for %s", p.Name(), rows, cause)
			}
		}
		if disables != (len(p.Warnings()) > 0) || !slices.IsSorted(p.Warnings()) {
			t.Errorf("%s warns at %v", p.Name(), p.Warnings())
		}
		for _, n := range p.Notices() {
			if n.Type != "" && !strings.HasPrefix(n.Type, ownPrefix) || n.Type == "" && !n.Mail {
				t.Errorf("%s: nobody is told of %s", p.Name(), n.Cause)
			}
		}
	}
}
