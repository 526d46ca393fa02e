package dispatcher_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// held is a group that hands facts of one type out when it is told to.
type held struct {
	eventlog.Groups
	holds string
	until <-chan struct{}
}

func (h held) Consume(ctx context.Context, g eventlog.Group, buffer int, handle func(context.Context, eventlog.Handed) eventlog.Verdict) error {
	return h.Groups.Consume(ctx, g, buffer, func(ctx context.Context, e eventlog.Handed) eventlog.Verdict {
		if e.Type == h.holds {
			<-h.until
		}
		return handle(ctx, e)
	})
}

// publishAt publishes through a node whose clock is off.
func (r *rig) publishAt(org domain.OrganizationID, off time.Duration) domain.MessageID {
	r.t.Helper()
	elsewhere, err := commands.New(commands.Config{Log: r.log, Keys: r.keys, Codec: r.codec, Directory: r.fold, URLs: anyURL{},
		Now: func() time.Time { return time.Now().Add(off) }})
	must(r.t, err)
	p, err := elsewhere.Publish(r.t.Context(), by, domain.Publication{Organization: org, EventType: "things.happened", Data: []byte(`{}`)})
	must(r.t, err)
	return p.Message
}

// Whatever time the publisher's clock told, the group has its grace before the clock offers a first attempt, and no more.
func TestTheClockOfThePublisherMakesNoFirstAttemptOverdue(t *testing.T) {
	for name, off := range map[string]time.Duration{"behind": -24 * time.Hour, "ahead": 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				hand := make(chan struct{})
				r.groups = func(g eventlog.Groups) eventlog.Groups { return held{g, "hooklog.MessagePublished.v1", hand} }
				r.start()
				defer func() { r.stop() }()
				org := r.organization("acme", "vantageclaw")
				r.subscribe(org, "https://example.com/hook")
				published := time.Now()
				r.publishAt(org, off)
				time.Sleep(domain.OfferGrace - time.Second)
				if offers := only[*domain.RetryDue](r.facts()); len(offers) != 0 {
					t.Errorf("the clock offers what the group was to hand out: %+v", offers[0])
				}
				time.Sleep(3 * time.Second)
				if got := r.got(); len(got) != 1 || got[0].at.Sub(published) < domain.OfferGrace {
					t.Errorf("%d requests after the grace, want 1", len(got))
				}
				close(hand)
				time.Sleep(time.Hour)
				if got := len(r.got()); got != 1 {
					t.Errorf("%d requests, want 1", got)
				}
			})
		})
	}
}
