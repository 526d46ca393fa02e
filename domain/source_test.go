package domain

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWhereAPolicyIsFrom(t *testing.T) {
	schedule := []Duration{MinDelay}
	for _, c := range []struct {
		name string
		o    OrganizationSettings
		s    SubscriptionSettings
		want PolicySources
	}{
		{"nothing overridden", OrganizationSettings{}, SubscriptionSettings{}, PolicySources{FromProfile, FromProfile}},
		{"the organization's", OrganizationSettings{RetrySchedule: schedule, Timeout: MinTimeout}, SubscriptionSettings{}, PolicySources{FromOrganization, FromOrganization}},
		{"the subscription wins", OrganizationSettings{RetrySchedule: schedule, Timeout: MinTimeout},
			SubscriptionSettings{RetrySchedule: schedule, Timeout: MinTimeout}, PolicySources{FromSubscription, FromSubscription}},
		{"one of each", OrganizationSettings{Timeout: MinTimeout}, SubscriptionSettings{RetrySchedule: schedule}, PolicySources{FromSubscription, FromOrganization}},
	} {
		if got := SourcesOf(c.o, c.s); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// TestEveryWaitIsExplained decides outcomes at random and explains each from what was recorded.
func TestEveryWaitIsExplained(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := policyOf(t, rapid.SampledFrom([]string{"vantageclaw", "clawbook", "vantagekit", "vntana", "standard"}).Draw(t, "profile"))
		d := NewDelivery(DeliveryOf{PublishedAt: time.Unix(0, 0)}, 0)
		finished := time.Unix(1000, 0)
		for d.Open() {
			o := Outcome{Status: rapid.SampledFrom([]int{500, 503, 429, 404, 0}).Draw(t, "status"), Reason: "timeout",
				RetryAfter: time.Duration(rapid.Int64Range(0, int64(30*time.Hour)).Draw(t, "retry after"))}
			if o.Status != 0 {
				o.Reason = StatusReason(o.Status)
			}
			if rapid.IntRange(0, 9).Draw(t, "refused") == 0 {
				o = Outcome{Reason: "dns_resolved_to_private:loopback", Refused: true}
			}
			f := d.DecideOutcome(o, p, finished, rapid.Float64Range(0, 0.999).Draw(t, "random")).(*AttemptFailed)
			d = d.Apply(f, Meta{At: finished}, d.Next)
			if !p.Explains(f, d.RoundAttempts) {
				t.Fatalf("attempt %d is not explained: %+v", d.RoundAttempts, f)
			}
			if f.Dead {
				want := ByUsedSchedule
				if o.Refused {
					want = ByRefusedAddress
				} else if p.Profile.Permanent(o.Status) {
					want = ByPermanentStatus
				}
				if got := f.WhyDead(p); got != want {
					t.Fatalf("dead by %s, want %s", got, want)
				}
				continue
			}
			wait, granted := p.Wait(d.RoundAttempts, *f.Delay)
			if !Time(finished.Add(wait)).Equal(f.NextAttemptAt) || granted > o.RetryAfter {
				t.Fatalf("waits %s (granted %s), recorded %s after %s", wait, granted, f.NextAttemptAt.Sub(finished), o.RetryAfter)
			}
			other := p
			other.Schedule = slices.Clone(p.Schedule)
			other.Schedule[d.RoundAttempts-1]++
			if other.Explains(f, d.RoundAttempts) {
				t.Fatal("another schedule explains it, too")
			}
		}
	})
}

func TestWhichPatternsAsk(t *testing.T) {
	s := SubscriptionSettings{Events: []string{"a.b", "a.*", "b.*", "*"}}
	if got := s.Asks("a.b"); !slices.Equal(got, []string{"a.b", "a.*", "*"}) {
		t.Errorf("got %v", got)
	}
	if got := s.Asks("hooklog.x"); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}
