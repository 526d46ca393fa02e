package projections

import (
	"slices"
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/webhook"
)

// notices leaves a row in every keyspace of notices: a turn of which nothing is decided, a notice that is open, and one
// that went into a summary.
func notices(s *scribe) {
	org := s.organization("vntana")
	sub := s.mailed(org, "ops@example.com")
	s.failOnce(org, sub)
	turn := domain.Turn{Cause: webhook.CauseFirstFailure, Organization: org, Subscription: sub, Fact: "a", At: s.now, To: "ops@example.com"}
	s.write(domain.NoticeStream(turn.Notice()), &domain.NoticeDecided{Turn: turn})
	other := turn
	other.Fact = "b"
	s.write(domain.NoticeStream(other.Notice()), &domain.NoticeDecided{Turn: other})
	n := domain.Notice{ID: other.Notice(), Turn: other, MailOpen: true}
	s.write(domain.NoticeStream(other.Notice()), n.DecideSent(domain.ByMail, domain.MessageID{}, domain.NoticeID{1}))
}

// mailed is a subscription with an address.
func (s *scribe) mailed(org domain.OrganizationID, email string, events ...string) domain.SubscriptionID {
	id := domain.SubscriptionID(s.id())
	s.write(domain.SubscriptionStream(id), &domain.SubscriptionCreated{Organization: org, Secret: []byte("sealed"),
		SubscriptionSettings: domain.SubscriptionSettings{URL: "https://example.com/hook", Events: events, Email: email}})
	return id
}

// seen counts the facts of an organization's only subscription.
func (s *scribe) seen(sub domain.SubscriptionID) uint64 {
	return s.next[domain.SubscriptionStream(sub)]
}

// failOnce publishes a message whose first attempt fails.
func (s *scribe) failOnce(org domain.OrganizationID, sub domain.SubscriptionID) {
	s.failAs("order.paid", org, sub)
}

func (s *scribe) failAs(eventType string, org domain.OrganizationID, sub domain.SubscriptionID) {
	id, of := s.publish(org, eventType, s.seen(sub), domain.Target{Subscription: sub})
	s.fail(deliveryTo(id, of, sub), 1, time.Minute)
}

func (s *scribe) succeedOnce(org domain.OrganizationID, sub domain.SubscriptionID) {
	id, of := s.publish(org, "order.paid", s.seen(sub), domain.Target{Subscription: sub})
	s.succeed(deliveryTo(id, of, sub), 1)
}

// causes are those of the turns that nothing is decided of, with the percentages of warnings.
func causes(t *testing.T, x *Fold) (all []string, percents []int) {
	t.Helper()
	turns, err := x.UndecidedTurns(time.Time{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, turn := range turns {
		all = append(all, string(turn.Cause))
		if turn.Cause == webhook.CauseWarning {
			percents = append(percents, turn.Percent)
		}
	}
	return all, percents
}

// TestTurnsAreFoundOnceInLogOrder holds the rows notices.vantageclaw, notices.clawbook, notices.vantagekit,
// notices.vntana and notices.standard.
func TestTurnsAreFoundOnceInLogOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, profile, email string
		events               []string
		write                func(*scribe, domain.OrganizationID, domain.SubscriptionID)
		want                 []string
		percents             []int
	}{
		{"the first failure of a run, and disabling", "vntana", "ops@example.com", nil, func(s *scribe, org domain.OrganizationID, sub domain.SubscriptionID) {
			for range 3 {
				s.failOnce(org, sub)
			}
			s.succeedOnce(org, sub)
			for range 20 {
				s.failOnce(org, sub)
			}
			s.write(domain.SubscriptionStream(sub), &domain.SubscriptionDisabled{Organization: org, By: domain.ByFailures})
			s.failOnce(org, sub)
		}, []string{"address", "first_failure", "first_failure", "disabled"}, nil},
		{"warnings, once each", "vantageclaw", "", []string{"hooklog.subscription.failing"}, func(s *scribe, org domain.OrganizationID, sub domain.SubscriptionID) {
			for range 19 {
				s.failOnce(org, sub)
			}
		}, []string{"warning", "warning", "warning"}, []int{50, 75, 90}},
		{"recovery only where something was told", "vantageclaw", "", []string{"hooklog.subscription.recovered"}, func(s *scribe, org domain.OrganizationID, sub domain.SubscriptionID) {
			s.failOnce(org, sub)
			s.succeedOnce(org, sub)
			for range 10 {
				s.failOnce(org, sub)
			}
			s.succeedOnce(org, sub)
			s.succeedOnce(org, sub)
		}, []string{"recovered"}, nil},
		{"unhealthy once, at the fifth", "vantagekit", "", []string{"hooklog.subscription.unhealthy"}, func(s *scribe, org domain.OrganizationID, sub domain.SubscriptionID) {
			for range 12 {
				s.failOnce(org, sub)
			}
		}, []string{"unhealthy"}, nil},
		{"warnings on the way to five days, and disabling", "standard", "ops@example.com", []string{"hooklog.*"}, func(s *scribe, org domain.OrganizationID, sub domain.SubscriptionID) {
			for range 10 {
				s.failOnce(org, sub)
				s.now = s.now.Add(12 * time.Hour)
			}
			s.write(domain.SubscriptionStream(sub), &domain.SubscriptionDisabled{Organization: org, By: domain.ByFailures})
		}, []string{"address", "warning", "warning", "warning", "disabled"}, []int{50, 75, 90}},
		{"a death", "clawbook", "ops@example.com", nil, func(s *scribe, org domain.OrganizationID, sub domain.SubscriptionID) {
			id, of := s.publish(org, "order.paid", s.seen(sub), domain.Target{Subscription: sub})
			s.fail(deliveryTo(id, of, sub), 1, 0)
		}, []string{"address", "dead"}, nil},
		{"nothing where nobody is to be told", "clawbook", "", []string{"*"}, func(s *scribe, org domain.OrganizationID, sub domain.SubscriptionID) {
			id, of := s.publish(org, "order.paid", s.seen(sub), domain.Target{Subscription: sub})
			s.fail(deliveryTo(id, of, sub), 1, 0)
		}, nil, nil},
		{"nothing for an owner's disabling", "vntana", "ops@example.com", nil, func(s *scribe, org domain.OrganizationID, sub domain.SubscriptionID) {
			s.disable(org, sub)
		}, []string{"address"}, nil},
		{"nothing from deliveries of operational types", "vntana", "ops@example.com", []string{"hooklog.*"}, func(s *scribe, org domain.OrganizationID, sub domain.SubscriptionID) {
			for range 19 {
				s.failAs("hooklog.delivery.dead", org, sub)
			}
			id, of := s.publish(org, "hooklog.delivery.dead", s.seen(sub), domain.Target{Subscription: sub})
			s.fail(deliveryTo(id, of, sub), 1, 0)
			s.write(domain.SubscriptionStream(sub), &domain.SubscriptionDisabled{Organization: org, By: domain.ByFailures})
		}, []string{"address"}, nil},
	} {
		s := newScribe(t)
		org := s.organization(c.profile)
		sub := s.mailed(org, c.email, c.events...)
		c.write(s, org, sub)
		x := folded(t, s)
		got, percents := causes(t, x)
		if !slices.Equal(got, c.want) || !slices.Equal(percents, c.percents) {
			t.Errorf("%s: turns %v %v, want %v %v", c.what, got, percents, c.want, c.percents)
		}
	}
}

// TestADecidedTurnIsGoneAndItsNoticeOpen: the rows follow the notice from its decision to its end.
func TestADecidedTurnIsGoneAndItsNoticeOpen(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("vntana")
	sub := s.mailed(org, "ops@example.com")
	s.failOnce(org, sub)
	x := folded(t, s)
	turns, err := x.UndecidedTurns(time.Time{}, 10)
	if err != nil || len(turns) != 2 || turns[1].Cause != webhook.CauseFirstFailure || turns[1].Subscription != sub || turns[1].Failures != 1 {
		t.Fatalf("turns %+v, error %v", turns, err)
	}
	for _, turn := range turns {
		s.write(domain.NoticeStream(turn.Notice()), &domain.NoticeDecided{Turn: turn})
	}
	foldOn(t, x, s)
	if left, _ := causes(t, x); len(left) != 0 {
		t.Errorf("turns %v are left", left)
	}
	late := s.now.Add(time.Hour)
	open, err := x.OpenNotices(late, 10)
	if err != nil || len(open) != 2 {
		t.Fatalf("%d open, error %v", len(open), err)
	}
	if soon, err := x.OpenNotices(s.now.Add(time.Minute), 10); err != nil || len(soon) != 0 {
		t.Errorf("the clock hands out what the group has: %+v, error %v", soon, err)
	}
	s.write(domain.NoticeStream(open[0].ID), open[0].DecideFailed(domain.ByMail, "smtp_451", false, s.now))
	s.write(domain.NoticeStream(open[1].ID), open[1].DecideSent(domain.ByMail, domain.MessageID{}, domain.NoticeID{}))
	foldOn(t, x, s)
	again, err := x.OpenNotices(late, 10)
	if err != nil || len(again) != 1 || again[0].ID != open[0].ID || again[0].Attempts != 1 {
		t.Errorf("open %+v, error %v", again, err)
	}
}
