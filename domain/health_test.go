package domain

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// run folds failures and successes, an hour apart from noon on.
type run struct {
	Health
	policy Policy
	at     time.Time
	n      int
}

func newRun(t interface{ Fatalf(string, ...any) }, profile string) *run {
	return &run{policy: policyOf(t, profile), at: noon, Health: Health{}.Lifecycle(created, 0)}
}

func (r *run) failAt(at time.Time, status int, revision uint64) {
	r.n++
	f := &AttemptFailed{Attempt: Attempt{Status: status, Revision: revision}, Reason: StatusReason(status)}
	r.Health = r.Health.Failed(f, r.policy, fmt.Sprintf("fact %d", r.n), at)
}

func (r *run) fail(times int, revision uint64) {
	for range times {
		r.failAt(r.at, 500, revision)
		r.at = r.at.Add(time.Minute)
	}
}

func (r *run) succeed(revision uint64) {
	r.Health = r.Health.Succeeded(&AttemptSucceeded{Attempt{Revision: revision}})
}

// TestTwentyFailuresInARowReachTheLimit holds the row wire.disabling.
func TestTwentyFailuresInARowReachTheLimit(t *testing.T) {
	for _, name := range []string{"vantageclaw", "vntana"} {
		r := newRun(t, name)
		r.fail(19, 0)
		if r.Limit != nil || r.Consecutive != 19 || !r.FailingSince.Equal(noon) {
			t.Errorf("%s, 19: %+v", name, r.Health)
		}
		r.fail(1, 0)
		if r.Limit == nil || r.Limit.Fact != "fact 20" || r.Limit.Why == "" || !r.Limit.At.Equal(noon.Add(19*time.Minute)) || r.Consecutive != 20 {
			t.Fatalf("%s, 20: %+v", name, r.Health)
		}
		r.fail(3, 0)
		r.succeed(0)
		if r.Consecutive != 20 || r.Limit == nil || r.Limit.Fact != "fact 20" {
			t.Errorf("%s: what follows the limit moved it: %+v", name, r.Health)
		}
		r.Health = r.Lifecycle(disabled, 1)
		r.fail(2, 0)
		r.succeed(0)
		if r.Consecutive != 20 || r.Limit != nil || !r.Off {
			t.Errorf("%s, disabled: %+v", name, r.Health)
		}
		r.Health = r.Lifecycle(enabled, 2)
		r.fail(5, 1) // on the wire since before
		if (r.Health != Health{Since: 2}) {
			t.Errorf("%s, enabled: %+v", name, r.Health)
		}
		r.fail(1, 2)
		if r.Consecutive != 1 {
			t.Errorf("%s: a failure after enabling does not count: %+v", name, r.Health)
		}
	}
}

func TestASuccessResets(t *testing.T) {
	r := newRun(t, "vantageclaw")
	r.fail(19, 0)
	r.succeed(0)
	if (r.Health != Health{}) {
		t.Errorf("got %+v", r.Health)
	}
	later := r.at
	r.fail(19, 0)
	if r.Limit != nil || r.Consecutive != 19 || !r.FailingSince.Equal(later) {
		t.Errorf("19 after a success: %+v", r.Health)
	}
	r.Health = Health{Since: 4, Consecutive: 3}
	r.succeed(3)
	if r.Consecutive != 3 {
		t.Errorf("a success from before reset it: %+v", r.Health)
	}
}

func TestOtherFactsOfASubscriptionLeaveItsHealth(t *testing.T) {
	h := Health{Consecutive: 7, Since: 2, Limit: &LimitReached{Fact: "f"}}
	for _, f := range []Fact{changed, &SecretRotated{}} {
		if got := h.Lifecycle(f, 9); got != h {
			t.Errorf("%T: got %+v", f, got)
		}
	}
	if got := h.Lifecycle(deleted, 9); got.Limit != nil || !got.Off || got.Consecutive != 7 {
		t.Errorf("deleted: got %+v", got)
	}
}

func TestProfilesThatNeverDisable(t *testing.T) {
	for _, name := range []string{"clawbook", "vantagekit"} {
		r := newRun(t, name)
		r.fail(100, 0)
		r.failAt(noon.AddDate(1, 0, 0), 410, 0)
		if r.Limit != nil || r.Consecutive != 101 {
			t.Errorf("%s: %+v", name, r.Health)
		}
	}
}

func TestUnhealthyFromFiveOn(t *testing.T) {
	r := newRun(t, "vantagekit")
	r.fail(4, 0)
	if r.Unhealthy(r.policy) {
		t.Error("unhealthy at 4")
	}
	r.fail(1, 0)
	if !r.Unhealthy(r.policy) {
		t.Error("healthy at 5")
	}
	r.succeed(0)
	if r.Unhealthy(r.policy) {
		t.Error("unhealthy after a success")
	}
	other := newRun(t, "clawbook")
	other.fail(50, 0)
	if other.Unhealthy(other.policy) {
		t.Error("a profile without the flag flags")
	}
}

// TestStandardDisablesAfterFiveDaysOrA410 holds the row wire.disabling.
func TestStandardDisablesAfterFiveDaysOrA410(t *testing.T) {
	const days = 5 * 24 * time.Hour
	r := newRun(t, "standard")
	r.failAt(noon, 500, 0)
	r.failAt(noon.Add(days-time.Microsecond), 500, 0)
	if r.Limit != nil {
		t.Errorf("before 5 days: %+v", r.Limit)
	}
	r.failAt(noon.Add(days), 500, 0)
	if r.Limit == nil || r.Limit.Fact != "fact 3" {
		t.Errorf("at 5 days: %+v", r.Limit)
	}
	r = newRun(t, "standard")
	r.failAt(noon, 500, 0)
	r.succeed(0)
	r.failAt(noon.Add(days), 500, 0)
	if r.Limit != nil {
		t.Errorf("a success lay between: %+v", r.Limit)
	}
	r.failAt(noon.Add(days), 410, 0)
	if r.Limit == nil || r.Limit.Why != "the receiver answered 410" {
		t.Errorf("410: %+v", r.Limit)
	}
	r = newRun(t, "standard")
	r.fail(200, 0)
	if r.Limit != nil {
		t.Errorf("many failures in a short time: %+v", r.Limit)
	}
}

// TestHealthIsDecidedByTheOrderOfTheLog compares the fold with counting a list.
func TestHealthIsDecidedByTheOrderOfTheLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRun(t, "vantageclaw")
		var count int
		var since, revision uint64
		off := false
		limit := ""
		for i := range rapid.IntRange(0, 120).Draw(t, "facts") {
			made := rapid.Uint64Range(0, revision).Draw(t, "made with")
			switch k := rapid.IntRange(0, 40).Draw(t, "what"); {
			case k == 0:
				revision++
				r.Health = r.Lifecycle(disabled, revision)
				off, limit = true, ""
			case k == 1:
				revision++
				r.Health = r.Lifecycle(enabled, revision)
				since, count, off, limit = revision, 0, false, ""
			case k == 2:
				r.succeed(made)
				if made >= since && limit == "" && !off {
					count = 0
				}
			default:
				r.failAt(noon.Add(time.Duration(i)), 500, made)
				if made >= since && limit == "" && !off {
					count = min(count+1, 20)
					if count == 20 {
						limit = fmt.Sprintf("fact %d", r.n)
					}
				}
			}
			got := ""
			if r.Limit != nil {
				got = r.Limit.Fact
			}
			if r.Consecutive != count || got != limit || r.Since != since || r.Off != off {
				t.Fatalf("got %+v (limit %q), want %d since %d, off %v, limit %q", r.Health, got, count, since, off, limit)
			}
		}
	})
}
