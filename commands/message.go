package commands

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/scratch"
	"github.com/hooklog/hooklog/webhook"
)

// Published is the answer to an accepted message.
type Published struct {
	Message  domain.MessageID
	Position eventlog.Position
	// Deliveries is how many subscriptions were matched at acceptance.
	Deliveries int
}

// Publish accepts a message: canonical, matched, sealed and durable. A publication with its own id that was accepted
// before is answered with the first result if it asks for the same, else refused with Conflict.
func (c *Commands) Publish(ctx context.Context, by By, p domain.Publication) (Published, error) {
	wait, err := c.PublishLater(ctx, by, p)
	if err != nil {
		return Published{}, err
	}
	return wait()
}

// PublishLater is Publish that does not wait until the message is durable: wait does, and is called once. Messages that one
// goroutine publishes are accepted in that order where the log takes appends in order (InOrder of [eventlog.Pipeline]).
func (c *Commands) PublishLater(ctx context.Context, by By, p domain.Publication) (wait func() (Published, error), err error) {
	o, err := c.organization(ctx, p.Organization)
	if err != nil {
		return nil, err
	}
	room := scratch.Borrow()
	defer scratch.Return(room)
	data, own, err := c.accept(ctx, o, p, room)
	if err != nil {
		return nil, err
	}
	m := by.meta(c.Now())
	id := newID[domain.MessageID](c, m)
	if p.OwnID != "" {
		id = domain.DeriveMessageID(o.ID, p.OwnID)
	}
	f, targets := c.matched(p, data, m)
	if err := c.checkData(own, data); err != nil {
		published, err := c.refusedBySchema(ctx, id, p, f, data, err)
		return func() (Published, error) { return published, err }, nil
	}
	outcome, err := c.publish(ctx, id, f, targets, data, m)
	if err != nil || p.OwnID == "" {
		return outcome, err
	}
	return func() (Published, error) {
		published, err := outcome()
		if errors.Is(err, eventlog.ErrRevisionConflict) {
			return c.repeated(ctx, id, f)
		}
		return published, err
	}, nil
}

// matched makes the fact of a publication that was accepted with the given data, but for those, and returns all of its
// targets.
func (c *Commands) matched(p domain.Publication, data []byte, m domain.Meta) (*domain.MessagePublished, []domain.Target) {
	matching, seen := c.Directory.Match(p.Organization, p.EventType, p.Client)
	matching = matching.Filter(data)
	f := &domain.MessagePublished{Organization: p.Organization, EventType: p.EventType, Client: p.Client, Seen: seen,
		OccurredAt: m.At, Targets: []domain.Target{}, Total: len(matching.Targets), WithheldTotal: len(matching.Withheld)}
	if len(matching.Targets) > 0 {
		f.Targets = slices.Clip(matching.Targets[:min(len(matching.Targets), domain.MaxTargets)])
	}
	if len(matching.Withheld) > 0 {
		f.Withheld = matching.Withheld[:min(len(matching.Withheld), domain.MaxWithheld)]
	}
	if !p.OccurredAt.IsZero() {
		f.OccurredAt, f.OccurredGiven = domain.Time(p.OccurredAt), true
	}
	return f, matching.Targets
}

// accept judges a publication but for its type's schema, and returns its canonical data, which lie in room, and its type if
// that is the organization's own.
func (c *Commands) accept(ctx context.Context, o domain.Organization, p domain.Publication, room *[]byte) (data []byte, own domain.EventType, err error) {
	if err := o.CheckOpen(); err != nil {
		return nil, own, err
	}
	if len(p.Data) > domain.MaxData {
		return nil, own, domain.Refuse(domain.TooLarge, "data is over %d bytes", domain.MaxData)
	}
	if err := webhook.CheckTypeName(p.EventType); err != nil {
		return nil, own, refuseMember("type", err.Error())
	}
	catalogue, err := c.catalogue(ctx, o)
	if err != nil {
		return nil, own, err
	}
	var known bool
	if own, known = catalogue.publishable(p.EventType); catalogue.err != nil {
		return nil, own, catalogue.err
	}
	if !known {
		return nil, own, refuseMember("type", p.EventType+" is not in the organization's catalogue")
	}
	if err := errors.Join(domain.CheckOwnID(p.OwnID), domain.CheckClient(p.Client)); err != nil {
		return nil, own, err
	}
	if y := p.OccurredAt.Year(); !p.OccurredAt.IsZero() && (y < 1 || y > 9999) {
		return nil, own, refuseMember("occurred_at", "must be of the years 1 to 9999")
	}
	if *room, err = webhook.AppendCanonical(*room, p.Data); err != nil {
		return nil, own, refuseMember("data", err.Error())
	}
	data = *room
	if len(data) > domain.MaxData {
		return nil, own, domain.Refuse(domain.TooLarge, "data is over %d bytes in its canonical spelling", domain.MaxData)
	}
	if err := catalogue.profile.CheckData(data); err != nil {
		return nil, own, refuseMember("data", err.Error())
	}
	return data, own, nil
}

func refuseMember(field, message string) error {
	return domain.RefuseFields(domain.FieldError{Field: field, Message: message})
}

// publish seals the data into the fact and hands it over to be the first of its stream. wait is called once; it returns
// when that is durable, with the parts for all targets that the fact had no room for.
func (c *Commands) publish(ctx context.Context, id domain.MessageID, f *domain.MessagePublished, targets []domain.Target, data []byte, m domain.Meta) (wait func() (Published, error), err error) {
	key, err := c.DataKey(ctx, f.Organization)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	f.PayloadSHA256 = sum[:]
	owner, _ := id.MarshalText() // never fails
	if f.Payload, err = key.Seal(data, owner); err != nil {
		return nil, fmt.Errorf("seal the data of %s: %w", id, err)
	}
	appended, err := c.appendLater(ctx, domain.MessageStream(id), eventlog.NoStream, f, m)
	if err != nil {
		return nil, err
	}
	return func() (Published, error) {
		a, err := c.settled(appended)
		if err == nil && f.Total > len(f.Targets) {
			err = c.completeTargets(ctx, id, targets, m)
		}
		return Published{Message: id, Position: a.Position, Deliveries: f.Total}, err
	}, nil
}

// refusedBySchema refuses a publication, unless it repeats one that was accepted when the schema was another.
func (c *Commands) refusedBySchema(ctx context.Context, id domain.MessageID, p domain.Publication, f *domain.MessagePublished, data []byte, refusal error) (Published, error) {
	if p.OwnID == "" {
		return Published{}, refusal
	}
	l, err := c.loadMessage(ctx, id)
	if err != nil {
		return Published{}, err
	}
	if l.state.Published == nil {
		return Published{}, refusal
	}
	sum := sha256.Sum256(data)
	f.PayloadSHA256 = sum[:]
	return c.repeated(ctx, id, f)
}

// repeated answers a publication whose own id was accepted before.
func (c *Commands) repeated(ctx context.Context, id domain.MessageID, f *domain.MessagePublished) (Published, error) {
	l, err := c.loadMessage(ctx, id)
	if err != nil {
		return Published{}, err
	}
	first := l.state
	if first.Published == nil {
		return Published{}, domain.Refuse(domain.Conflict, "the place of this event's id in the log is taken by something that is no fact of Hooklog's")
	}
	if !first.Published.SameAs(f) {
		return Published{}, domain.Refuse(domain.Conflict, "an event with this id was published with another type, client, occurred_at or data")
	}
	return Published{Message: id, Position: first.Position, Deliveries: first.Published.Total}, nil
}

// publishTest publishes the test message to one subscription alone.
func (c *Commands) publishTest(ctx context.Context, by By, s domain.Subscription) (domain.MessageID, eventlog.Position, error) {
	o, err := c.organization(ctx, s.Organization)
	if err != nil {
		return domain.MessageID{}, eventlog.Position{}, err
	}
	profile, err := profileOf(o)
	if err != nil {
		return domain.MessageID{}, eventlog.Position{}, err
	}
	m := by.meta(c.Now())
	f := &domain.MessagePublished{Organization: o.ID, EventType: webhook.TestType, OccurredAt: m.At, Only: true, Total: 1,
		Targets: []domain.Target{{Subscription: s.ID, Revision: s.Revision}}}
	wait, err := c.publish(ctx, newID[domain.MessageID](c, m), f, f.Targets, profile.TestData(), m)
	if err != nil {
		return domain.MessageID{}, eventlog.Position{}, err
	}
	published, err := wait()
	return published.Message, published.Position, err
}

// Message is a message as its stream tells it.
type Message struct {
	ID        domain.MessageID
	Published *domain.MessagePublished
	Meta      domain.Meta
	// Position is the place of its first fact in the log.
	Position eventlog.Position
	// Targets are all that were recorded, corrections applied, in no order.
	Targets []domain.Target
	// Corrected says that the stream holds a correction.
	Corrected bool
	// Parts counts the targets recorded before corrections: Total when the message is complete.
	Parts int
}

// Complete reports whether every target is recorded: those that were matched at acceptance, or those of a correction,
// after which nothing is missing.
func (m Message) Complete() bool {
	return m.Published != nil && (m.Corrected || m.Parts >= m.Published.Total)
}

// LoadMessage folds a message's stream; NotFound if there is none.
func (c *Commands) LoadMessage(ctx context.Context, id domain.MessageID) (Message, error) {
	l, err := c.loadMessage(ctx, id)
	if err == nil && l.state.Published == nil {
		err = domain.Refuse(domain.NotFound, "no such event")
	}
	return l.state, err
}

// LoadPublished reads the first fact of a message's stream alone; NotFound if there is none.
func (c *Commands) LoadPublished(ctx context.Context, id domain.MessageID) (*domain.MessagePublished, error) {
	for f, err := range c.facts(ctx, domain.MessageStream(id)) {
		if err != nil {
			return nil, err
		}
		if p, ok := f.Fact.(*domain.MessagePublished); ok {
			return p, nil
		}
	}
	return nil, domain.Refuse(domain.NotFound, "no such event")
}

func (c *Commands) loadMessage(ctx context.Context, id domain.MessageID) (loaded[Message], error) {
	return load(ctx, c, domain.MessageStream(id), Message{ID: id}, foldMessage)
}

func foldMessage(m Message, r recordedFact) Message {
	switch f := r.Fact.(type) {
	case *domain.MessagePublished:
		m.Published, m.Meta, m.Position = f, r.Meta, r.position
		m.Targets, m.Parts = append(m.Targets, f.Targets...), len(f.Targets)
	case *domain.MessageTargets:
		m.Targets, m.Parts = append(m.Targets, f.Targets...), m.Parts+len(f.Targets)
	case *domain.TargetsCorrected:
		gone := make(map[domain.SubscriptionID]bool, len(f.Removed))
		for _, id := range f.Removed {
			gone[id] = true
		}
		var kept []domain.Target
		for _, t := range m.Targets {
			if !gone[t.Subscription] {
				kept = append(kept, t)
			}
		}
		m.Targets, m.Corrected = append(kept, f.Added...), true
	}
	return m
}

// unfinishedAfter is how long a publisher may take over the parts of a message before somebody else adds them.
const unfinishedAfter = 30 * time.Second

// CompleteTargets adds the parts that a publisher did not come to. right finds the targets that the message's place in
// the log demands; it is asked only when parts are missing. A message that may still be in its publisher's hands is
// left alone: complete is false.
func (c *Commands) CompleteTargets(ctx context.Context, by By, id domain.MessageID, right func(context.Context) ([]domain.Target, error)) (complete bool, err error) {
	l, err := c.loadMessage(ctx, id)
	if err != nil || l.state.Complete() {
		return err == nil, err
	}
	now := c.Now()
	if l.state.Published == nil || now.Sub(l.state.Meta.At) < unfinishedAfter {
		return false, nil
	}
	targets, err := right(ctx)
	if err != nil {
		return false, err
	}
	return true, c.completeTargets(ctx, id, targets, by.meta(now))
}

// completeTargets appends the parts of a message that its stream lacks: those of the given targets that are not
// recorded, MaxTargets at a time, in order of their ids.
func (c *Commands) completeTargets(ctx context.Context, id domain.MessageID, targets []domain.Target, m domain.Meta) error {
	for range maxTries * (1 + len(targets)/domain.MaxTargets) {
		l, err := c.loadMessage(ctx, id)
		if err != nil || l.state.Complete() {
			return err
		}
		missing, _ := domain.Correct(l.state.Targets, targets)
		if len(missing) == 0 {
			return nil
		}
		f := &domain.MessageTargets{MessageOf: l.state.Published.Of(l.state.Meta), Targets: missing[:min(len(missing), domain.MaxTargets)]}
		_, err = c.append(ctx, domain.MessageStream(id), l.expected, f, m)
		if err != nil && !errors.Is(err, eventlog.ErrRevisionConflict) {
			return err
		}
	}
	return errBusy
}

// CorrectTargets records what a publisher's matching had wrong, given the targets that the message's place in the log
// demands and the number of subscription facts before it. One correction is enough: a second is not recorded.
//
// Where a publisher had not recorded all parts yet there may be too much to add for one fact: then parts come first.
func (c *Commands) CorrectTargets(ctx context.Context, by By, id domain.MessageID, right []domain.Target, seen uint64) error {
	for {
		m, _, err := change(ctx, c, by, domain.MessageStream(id), Message{ID: id}, foldMessage, func(m Message) (domain.Fact, error) {
			return m.decideCorrection(right, seen), nil
		})
		if err != nil || m.Published == nil || m.Corrected {
			return err
		}
	}
}

// decideCorrection returns the fact that brings a message nearer to its right targets; nil if there is no message or it
// was corrected.
func (m Message) decideCorrection(right []domain.Target, seen uint64) domain.Fact {
	if m.Published == nil || m.Corrected {
		return nil
	}
	of := m.Published.Of(m.Meta)
	added, removed := domain.Correct(m.Targets, right)
	if len(added) > domain.MaxTargets {
		return &domain.MessageTargets{MessageOf: of, Targets: added[:domain.MaxTargets]}
	}
	return &domain.TargetsCorrected{MessageOf: of, Added: added, Removed: removed, Seen: seen}
}
