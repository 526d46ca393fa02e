package commands

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/sealing"
	"github.com/hooklog/hooklog/webhook"
)

// TestAnAppendOfUnknownOutcomeIsNotDoubled goes through every command that appends, with each answer lost twice: once
// after the append and once before it.
func TestAnAppendOfUnknownOutcomeIsNotDoubled(t *testing.T) {
	w := newWorld(t)
	tries := map[string]int{}
	c := w.another(troubled{Streams: w.log, before: func(_ string, events []eventlog.Event) error {
		key := events[0].ID.String()
		if tries[key]++; tries[key] == 1 {
			return eventlog.ErrUnknownOutcome
		}
		return nil
	}, after: func(_ string, events []eventlog.Event) error {
		if tries[events[0].ID.String()] == 2 {
			return eventlog.ErrUnknownOutcome
		}
		return nil
	}})
	o, _, err := c.RegisterOrganization(w.ctx, by, "acme", "vantageclaw", domain.OrganizationSettings{Name: "x"})
	w.must(err)
	_, _, err = c.ChangeOrganization(w.ctx, by, o.ID, func(s domain.OrganizationSettings) domain.OrganizationSettings { s.Name = "y"; return s })
	w.must(err)
	_, _, err = c.DefineEventType(w.ctx, by, o.ID, "order.paid", domain.EventTypeSettings{})
	w.must(err)
	k, _, err := c.IssueKey(w.ctx, by, domain.KeyRequest{Organization: o.ID, Mode: "live"})
	w.must(err)
	_, _, err = c.RotateKey(w.ctx, by, k.ID, 0)
	w.must(err)
	s, _, _, err := c.CreateSubscription(w.ctx, by, o.ID, NewSubscription{URL: "https://a.example", Events: []string{"*"}})
	w.must(err)
	p := order(o, `{}`)
	p.OwnID = "once"
	first, err := c.Publish(w.ctx, by, p)
	w.must(err)
	_, err = c.DisableSubscription(w.ctx, by, o.ID, s.ID, domain.ByOwner, "")
	w.must(err)
	for stream, want := range map[string]int{
		domain.SlugStream("acme"): 1, domain.OrganizationStream(o.ID): 2, domain.EventTypeStream(o.ID, "order.paid"): 1,
		domain.KeyStream(k.ID): 2, domain.DataKeyStream(o.ID): 1, domain.SubscriptionStream(s.ID): 2, domain.MessageStream(first.Message): 1,
	} {
		w.holds(stream, want)
	}
	for id, n := range tries {
		if n != 3 {
			t.Errorf("event %s was appended %d times, want 3", id, n)
		}
	}
}

func TestAnOutcomeThatStaysUnknownIsAFault(t *testing.T) {
	w := newWorld(t)
	tries := 0
	c := w.another(troubled{Streams: w.log, before: func(string, []eventlog.Event) error { tries++; return eventlog.ErrUnknownOutcome }})
	_, _, err := c.RegisterOrganization(w.ctx, by, "acme", "standard", domain.OrganizationSettings{Name: "x"})
	if !errors.Is(err, eventlog.ErrUnknownOutcome) || domain.CodeOf(err) != 0 || tries != maxTries {
		t.Errorf("after %d tries: %v", tries, err)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	tries = 0
	c = w.another(troubled{Streams: w.log, before: func(string, []eventlog.Event) error { tries++; cancel(); return eventlog.ErrUnknownOutcome }})
	if _, _, err := c.RegisterOrganization(ctx, by, "acme", "standard", domain.OrganizationSettings{Name: "x"}); err == nil || tries != 1 {
		t.Errorf("the caller gave up and it was tried %d times: %v", tries, err)
	}
}

func TestConcurrentChangesOfOneThingAllHappen(t *testing.T) {
	w := newWorld(t)
	o := w.register("acme", "standard")
	const writers = 6
	var race sync.WaitGroup
	for range writers {
		race.Go(func() {
			_, _, err := w.ChangeOrganization(w.ctx, by, o.ID, func(s domain.OrganizationSettings) domain.OrganizationSettings {
				s.Name += "+"
				return s
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	race.Wait()
	got, err := w.ResolveOrganization(w.ctx, o.ID.String())
	if err != nil || got.Name != "acme"+strings.Repeat("+", writers) {
		t.Errorf("got %q, %v", got.Name, err)
	}
	w.holds(domain.OrganizationStream(o.ID), 1+writers)
}

func TestWhoAlwaysLosesIsTold(t *testing.T) {
	w := newWorld(t)
	o := w.register("acme", "standard")
	tries := 0
	c := w.another(troubled{Streams: w.log, before: func(stream string, _ []eventlog.Event) error {
		tries++
		return &eventlog.ConflictError{Stream: stream}
	}})
	_, err := c.CloseOrganization(w.ctx, by, o.ID)
	wantCode(t, "close", err, domain.Unavailable)
	tries = 0
	d, p := domain.NewDelivery(domain.DeliveryOf{}, 0), domain.Policy{Profile: webhook.Default()}
	_, _, err = c.RecordOutcome(w.ctx, by, d, failure, p, eventlog.ID{})
	wantCode(t, "record", err, domain.Unavailable)
	if tries != maxTries {
		t.Errorf("an outcome was appended %d times, want %d: what came of each must be looked at", tries, maxTries)
	}
}

// TestAStreamWithForgeriesIsReadPastThem: writing to the log is not enough to change anything.
func TestAStreamWithForgeriesIsReadPastThem(t *testing.T) {
	w := newWorld(t)
	o := w.register("acme", "standard")
	k, _, err := w.IssueKey(w.ctx, by, domain.KeyRequest{Organization: o.ID, Mode: "live"})
	w.must(err)
	foreign, err := sealing.NewKeyset()
	w.must(err)
	stranger := domain.NewCodec(foreign)
	forge := func(stream string, expected eventlog.Expected, f domain.Fact) {
		id := eventlog.ID{byte(len(w.recorded())), 1}
		e, err := stranger.Encode(domain.Place{Stream: stream, ID: id, Revision: next(expected)}, f, domain.Meta{At: noon, Actor: "cli"})
		w.must(err)
		_, err = w.log.Append(w.ctx, stream, expected, eventlog.Event{ID: id, Type: e.Type, Data: e.Data, Metadata: e.Metadata})
		w.must(err)
	}
	power := &domain.KeyIssued{Scopes: []domain.Scope{domain.ScopeOperator}, Mode: "live", SecretHash: sealing.HashSecret("guess")}
	forge(domain.KeyStream(k.ID), 0, power)
	forge(domain.KeyStream("live_forged"), eventlog.NoStream, power)
	got, err := w.LoadKey(w.ctx, k.ID)
	if err != nil || got.Has(domain.ScopeOperator) || got.SecretHash != k.SecretHash {
		t.Errorf("a forged fact was folded: %+v, %v", got, err)
	}
	if got, err := w.LoadKey(w.ctx, "live_forged"); err != nil || got.Exists() {
		t.Errorf("a forged key exists: %+v, %v", got, err)
	}
	if _, err := w.RevokeKey(w.ctx, by, k.ID); err != nil {
		t.Errorf("a stream with a forgery cannot be written: %v", err)
	}
	newer := eventlog.Event{ID: eventlog.ID{9}, Type: "hooklog.KeyBlessed.v1", Data: []byte("{}"), Metadata: []byte("{}")}
	_, err = w.log.Append(w.ctx, domain.KeyStream(k.ID), eventlog.Any, newer)
	w.must(err)
	if _, err := w.LoadKey(w.ctx, k.ID); !errors.Is(err, domain.ErrUnknownFact) {
		t.Errorf("a newer release's fact: %v", err)
	}
}

// TestAnIDWhosePlaceIsTaken: what may be another keyset's fact is never written past, or one id would have two messages.
func TestAnIDWhosePlaceIsTaken(t *testing.T) {
	w := newWorld(t)
	o := w.acme()
	_, err := w.log.Append(w.ctx, domain.MessageStream(domain.DeriveMessageID(o.ID, "mine")), eventlog.NoStream,
		eventlog.Event{ID: eventlog.ID{7}, Type: "strange", Data: []byte("{}"), Metadata: []byte("{}")})
	w.must(err)
	_, err = w.Publish(w.ctx, by, domain.Publication{Organization: o.ID, EventType: "order.paid", OwnID: "mine", Data: []byte(`{"a":1}`)})
	wantCode(t, "publish", err, domain.Conflict)
}

// TestAFactCountsOnlyOnce: what was true once cannot be made true again by recording it again.
func TestAFactCountsOnlyOnce(t *testing.T) {
	w := newWorld(t)
	o := w.register("acme", "standard")
	k, _, err := w.IssueKey(w.ctx, by, domain.KeyRequest{Organization: o.ID, Mode: "live"})
	w.must(err)
	_, err = w.RevokeKey(w.ctx, by, k.ID)
	w.must(err)
	for r, err := range w.log.Read(w.ctx, domain.KeyStream(k.ID), 0) {
		w.must(err)
		if r.Revision == 0 {
			_, err := w.log.Append(w.ctx, r.Stream, eventlog.Any, r.Event)
			w.must(err)
		}
	}
	got, err := w.LoadKey(w.ctx, k.ID)
	if err != nil || got.RevokedAt.IsZero() {
		t.Errorf("a revoked key came back: %+v, %v", got, err)
	}
}

// TestNoSecretIsInTheLog looks for every secret that was given out, as it is and in the spellings that bytes have in JSON.
func TestNoSecretIsInTheLog(t *testing.T) {
	w := newWorld(t)
	var secrets [][]byte
	hide := func(s string) {
		for shift := range 3 {
			b := append(make([]byte, shift), s...)
			text := base64.StdEncoding.EncodeToString(b)
			secrets = append(secrets, []byte(text[4:len(text)-4]))
		}
		secrets = append(secrets, []byte(s), []byte(hex.EncodeToString([]byte(s))))
	}
	w.must(w.CheckKeyset(w.ctx, by, true))
	operator, err := NewOperatorToken()
	w.must(err)
	_, err = w.IssueOperator(w.ctx, by, operator)
	w.must(err)
	hide(strings.TrimPrefix(operator.Reveal(), "hlk_live_operator."))
	const payload = "the order of a customer who wants to stay unknown"
	for _, p := range webhook.Profiles() {
		o := w.register(p.Name(), p.Name())
		k, _, err := w.IssueKey(w.ctx, by, domain.KeyRequest{Organization: o.ID, Mode: "live"})
		w.must(err)
		next, _, err := w.RotateKey(w.ctx, by, k.ID, domain.MaxOverlap)
		w.must(err)
		for _, token := range []string{k.Token.Reveal(), next.Token.Reveal()} {
			_, secret, ok := ParseToken(token)
			if !ok {
				t.Fatal("a token cannot be parsed")
			}
			hide(secret)
		}
		s, secret := w.subscribe(o, "*")
		hide(secret)
		hide(strings.TrimPrefix(secret, "whsec_"))
		_, _, err = w.TestSubscription(w.ctx, by, o.ID, s.ID, &secret)
		w.must(err)
		_, _, err = w.DefineEventType(w.ctx, by, o.ID, "order.paid", domain.EventTypeSettings{})
		w.must(err)
		_, err = w.Publish(w.ctx, by, order(o, `{"note":"`+payload+`"}`))
		w.must(err)
	}
	hide(payload)
	secrets = append(secrets, []byte("whsec_"), []byte("vck_"), []byte("hlk_"), []byte("integration test"))
	events := w.recorded()
	for _, r := range events {
		for _, b := range [][]byte{r.Data, r.Metadata, []byte(r.Stream)} {
			if found, ok := containsAny(b, secrets); ok {
				t.Errorf("%s of %s holds %q", r.Type, r.Stream, found)
			}
		}
	}
	if len(events) < 40 {
		t.Errorf("only %d events were looked at", len(events))
	}
	hide("a spelling that the search must know")
	shown := base64.StdEncoding.EncodeToString([]byte(`x{"secret":"a spelling that the search must know"}`))
	if _, ok := containsAny([]byte(shown), secrets); !ok {
		t.Error("the search would not have found a secret in base64")
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]Config{
		"log":       {Keys: w.keys, Directory: w.directory, URLs: urls{}},
		"keys":      {Log: w.log, Directory: w.directory, URLs: urls{}},
		"directory": {Log: w.log, Keys: w.keys, URLs: urls{}},
		"urls":      {Log: w.log, Keys: w.keys, Directory: w.directory},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("without %s nothing is missed", name)
		}
	}
	c, err := New(Config{Log: w.log, Keys: w.keys, Directory: w.directory, URLs: urls{}})
	if err != nil || c.Now == nil {
		t.Errorf("got %v", err)
	}
}
