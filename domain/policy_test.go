package domain

import (
	"slices"
	"testing"
	"time"

	"github.com/hooklog/hooklog/webhook"
	"pgregory.net/rapid"
)

func profile(t interface{ Fatalf(string, ...any) }, name string) *webhook.Profile {
	p, ok := webhook.ByName(name)
	if !ok {
		t.Fatalf("no profile %s", name)
	}
	return p
}

func policyOf(t interface{ Fatalf(string, ...any) }, name string) Policy {
	return PolicyOf(profile(t, name), OrganizationSettings{}, SubscriptionSettings{})
}

func TestOverridesOfAPolicy(t *testing.T) {
	p := profile(t, "vantagekit")
	own, org := []Duration{MinDelay}, []Duration{MinDelay, MaxDelay}
	for _, c := range []struct {
		name     string
		o        OrganizationSettings
		s        SubscriptionSettings
		schedule []time.Duration
		timeout  time.Duration
	}{
		{"none", OrganizationSettings{}, SubscriptionSettings{}, p.Schedule(), 10 * time.Second},
		{"the organization's", OrganizationSettings{RetrySchedule: org, Timeout: MaxTimeout}, SubscriptionSettings{},
			[]time.Duration{time.Second, 168 * time.Hour}, time.Minute},
		{"the subscription's", OrganizationSettings{RetrySchedule: org, Timeout: MaxTimeout},
			SubscriptionSettings{RetrySchedule: own, Timeout: MinTimeout}, []time.Duration{time.Second}, time.Second},
		{"one of each", OrganizationSettings{RetrySchedule: org}, SubscriptionSettings{Timeout: MinTimeout},
			[]time.Duration{time.Second, 168 * time.Hour}, time.Second},
	} {
		got := PolicyOf(p, c.o, c.s)
		if !slices.Equal(got.Schedule, c.schedule) || got.Timeout != c.timeout || got.Profile != p {
			t.Errorf("%s: got %v, %s, want %v, %s", c.name, got.Schedule, got.Timeout, c.schedule, c.timeout)
		}
	}
}

// TestADelayIsNeverEarlierThanDocumented holds docs/contract.md: jitter of at most 10 % from a minute on, never below the
// schedule; Retry-After on 429 and 503 alone, only later and never past the following delay.
func TestADelayIsNeverEarlierThanDocumented(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := policyOf(t, rapid.SampledFrom(webhook.Profiles()).Draw(t, "profile").Name())
		if rapid.Bool().Draw(t, "override") {
			p.Schedule = nil
			for range rapid.IntRange(1, MaxRetries).Draw(t, "retries") {
				p.Schedule = append(p.Schedule, time.Duration(rapid.Int64Range(int64(MinDelay), int64(MaxDelay)).Draw(t, "delay")))
			}
		}
		failed := rapid.IntRange(1, len(p.Schedule)+2).Draw(t, "failed")
		status := rapid.SampledFrom([]int{0, 200, 302, 400, 404, 410, 429, 500, 503}).Draw(t, "status")
		wish := time.Duration(rapid.Int64Range(0, int64(2*MaxDelay)).Draw(t, "retry after"))
		random := rapid.Float64Range(0, 0.9999999).Draw(t, "random")
		wait, d, ok := p.next(failed, status, wish, random)
		if ok != (failed <= len(p.Schedule)) {
			t.Fatalf("after %d failures of a schedule of %d: retried %v", failed, len(p.Schedule), ok)
		}
		if !ok {
			return
		}
		base := p.Schedule[failed-1]
		jittered := base + time.Duration(d.Jitter)
		if d.Scheduled != Duration(base) || d.Jitter < 0 || float64(d.Jitter) > float64(base)*0.1 || base < time.Minute && d.Jitter != 0 {
			t.Fatalf("base %s, got %+v", base, d)
		}
		if wait < jittered {
			t.Fatalf("waits %s, less than %s", wait, jittered)
		}
		listens := (status == 429 || status == 503) && !p.Profile.Permanent(status)
		if wait > jittered {
			following := base
			if failed < len(p.Schedule) {
				following = p.Schedule[failed]
			}
			if !listens || wait > wish || wait > following || d.RetryAfter != Duration(wish) {
				t.Fatalf("waits %s for status %d, Retry-After %s, schedule %v, %+v", wait, status, wish, p.Schedule, d)
			}
		} else if d.RetryAfter != 0 {
			t.Fatalf("Retry-After of %s is noted without effect: %+v", wish, d)
		}
	})
}

func TestRetryAfterIsGrantedUpToTheFollowingDelay(t *testing.T) {
	const h, m, s = time.Hour, time.Minute, time.Second
	for _, c := range []struct {
		name, profile string
		failed        int
		status        int
		wish, want    time.Duration
	}{
		{"none", "vantageclaw", 1, 503, 0, m},
		{"shorter", "vantageclaw", 1, 503, 30 * s, m},
		{"longer", "vantageclaw", 1, 503, 3 * m, 3 * m},
		{"as long as the following", "vantageclaw", 1, 429, 5 * m, 5 * m},
		{"past the following", "vantageclaw", 1, 429, 6 * m, 5 * m},
		{"on the last delay", "vantageclaw", 6, 503, 48 * h, 24 * h},
		{"another status", "vantageclaw", 1, 500, 3 * m, m},
		{"no answer", "vantageclaw", 1, 0, 3 * m, m},
		{"under a minute", "vantagekit", 2, 429, 3 * s, 3 * s},
		{"past, under a minute", "vantagekit", 2, 429, m, 4 * s},
		{"where 429 is permanent", "clawbook", 1, 429, 3 * m, m},
		{"503 where 4xx are permanent", "clawbook", 1, 503, 3 * m, 3 * m},
	} {
		if got, _, ok := policyOf(t, c.profile).next(c.failed, c.status, c.wish, 0); got != c.want || !ok {
			t.Errorf("%s: waits %s (%v), want %s", c.name, got, ok, c.want)
		}
	}
}

func TestJitterReachesATenth(t *testing.T) {
	p := policyOf(t, "vantageclaw")
	if wait, _, _ := p.next(1, 500, 0, 0); wait != time.Minute {
		t.Errorf("without luck: %s", wait)
	}
	if wait, d, _ := p.next(1, 500, 0, 0.5); wait != 63*time.Second || d.Jitter != Duration(3*time.Second) {
		t.Errorf("half: %s, %+v", wait, d)
	}
	if wait, d, _ := p.next(1, 429, 62*time.Second, 0.5); wait != 63*time.Second || d.RetryAfter != 0 {
		t.Errorf("a wish within the jitter: %s, %+v", wait, d)
	}
	if wait, d, _ := policyOf(t, "vantagekit").next(5, 500, 0, 0.99); wait != 16*time.Second || d.Jitter != 0 {
		t.Errorf("under a minute: %s, %+v", wait, d)
	}
}
