package main

import (
	"strings"
	"testing"
)

func TestThePastAndTheReasonsAreToldInTheTerminal(t *testing.T) {
	t.Parallel()
	h := startHook(t)
	h.answerNext(500)
	s := serve(t, t.TempDir())
	env := s.env()
	made := s.begin(t, "acme", h, "1h")
	sent := s.publish(t, "acme", `{"n":1}`)
	id := deliveryID(t, sent.EventID, made.subscription.ID)
	eventually(t, "the failure is recorded", func() bool {
		d, shown := standing(t, env, id)
		return shown && len(d.History) == 2
	})
	told := func(want []string, args ...string) {
		t.Helper()
		got := succeed(t, env, args...)
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s lacks %q:\n%s", strings.Join(args, " "), w, got)
			}
		}
	}
	sub := made.subscription.ID
	told([]string{"answered 500", "delay 1 of 1 of the organization's schedule: 1h"}, "deliveries", "show", id)
	told([]string{sub, h.url, "active", "failed", "500"}, "subscriptions", "show", sub, "--org", "acme")
	told([]string{sub, "active", "pending"}, "subscriptions", "show", sub, "--org", "acme", "--at", sent.Position)
	told([]string{"SubscriptionCreated.v1", "url: - → " + h.url, "events: - → [order.paid]"}, "subscriptions", "history", sub, "--org", "acme")
	told([]string{"failures in a row  1", "20 failures in a row", id, "http_500"}, "subscriptions", "explain", sub, "--org", "acme")
	told([]string{sub, id, "pending", "answered 500"}, "events", "explain", sent.EventID, "--org", "acme")
	told([]string{sub, "order.paid", h.url}, "event-types", "subscribers", "order.paid", "--org", "acme")
	fail(t, exitFailed, env, []string{"subscriptions", "show", sub, "--org", "acme", "--at", "0-1"}, "404")
	fail(t, exitFailed, env, []string{"subscriptions", "show", sub, "--org", "acme", "--at", "yesterday"}, "400")
}
