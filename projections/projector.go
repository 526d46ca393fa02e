package projections

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// projector folds facts into models. One goroutine at a time uses it.
type projector struct {
	*models
	// folds are the parts that it folds; facts of others are passed over silently.
	folds partSet
	// alone keeps it to one goroutine.
	alone bool
	// outlines says that it folds the past, whose facts nobody else reads now: it reads them in outline.
	outlines bool
	codec    *domain.Codec
	contents *contents
	now      func() time.Time
	logger   zerolog.Logger
	batch    *batch
	// unfinished are messages of which parts follow.
	unfinished map[domain.MessageID]unfinished
	decoded    []decodedFact
	// number is that of the fact being folded, counted from the start of the log.
	number   uint64
	progress *progress
	skips    *skips
	// The pulses may be nil.
	dueChanged, limit, recoveriesChanged, noticed pulse
}

// foldAll folds events and commits. Where folding has to stop, what was before is committed.
func (x *projector) foldAll(events []eventlog.Recorded) (last time.Time, err error) {
	if len(events) == 0 {
		return last, nil
	}
	x.decodeAll(events)
	last, err = x.gather(events, x.decoded)
	if errors.Is(err, errStore) {
		return last, err
	}
	return last, errors.Join(err, x.commit())
}

// gather folds events into the batch, which the caller commits unless it fails with errStore. Where folding has to stop,
// what was before is in the batch.
func (x *projector) gather(events []eventlog.Recorded, facts []decodedFact) (last time.Time, err error) {
	b := x.batch
	for i := range events {
		d := &facts[i]
		if d.err == nil {
			x.number = b.checkpoint.facts + uint64(b.facts) + 1
			d.err = x.fold(placed{d.fact, d.meta, &events[i]})
			last = d.meta.At
		}
		if domain.Skippable(d.err) || errors.Is(d.err, errMisplaced) {
			x.skips.note(&events[i], d.err, x.now(), x.logger)
		} else if d.err != nil {
			return last, fmt.Errorf("fold the event at %s of %s: %w", events[i].Position, events[i].Stream, d.err)
		}
		b.at = events[i].Position
		b.facts++
	}
	return last, nil
}

// decodedFact is what came of decoding an event.
type decodedFact struct {
	fact domain.Fact
	meta domain.Meta
	err  error
}

// decodeTogether is from how many events on a second goroutine pays.
const decodeTogether = 64

func (x *projector) decodeAll(events []eventlog.Recorded) {
	x.decoded = append(x.decoded[:0], make([]decodedFact, len(events))...)
	if len(events) < decodeTogether || x.alone {
		x.decode(events, x.decoded)
		return
	}
	half := len(events) / 2
	var other sync.WaitGroup
	other.Go(func() { x.decode(events[half:], x.decoded[half:]) })
	x.decode(events[:half], x.decoded[:half])
	other.Wait()
}

func (x *projector) decode(events []eventlog.Recorded, into []decodedFact) {
	read := x.codec.Decode
	if x.outlines {
		read = x.codec.Outline
	}
	for i := range events {
		e := &events[i]
		d := &into[i]
		d.fact, d.meta, d.err = read(placeOf(e), e.Type, e.Data, e.Metadata)
	}
}

func placeOf(e *eventlog.Recorded) domain.Place {
	return domain.Place{Stream: e.Stream, ID: e.ID, Revision: uint64(e.Revision)}
}

// placed is a fact at its place in the log.
type placed struct {
	fact domain.Fact
	meta domain.Meta
	*eventlog.Recorded
}

// fold lets every projector that the fact concerns apply it. It fails with errMisplaced if the fact makes no sense.
func (x *projector) fold(p placed) error {
	if x.folds[auditPart] {
		if err := x.listFact(p); err != nil {
			return err
		}
	}
	switch f := p.fact.(type) {
	case *domain.KeyIssued, *domain.KeyRotated, *domain.KeyRevoked:
		if x.folds[keysPart] {
			return x.foldKey(p)
		}
	case *domain.EventTypeDefined:
		if x.folds[cataloguePart] {
			return x.foldEventType(p, f.Organization, f.Name)
		}
	case *domain.EventTypeRetired:
		if x.folds[cataloguePart] {
			return x.foldEventType(p, f.Organization, f.Name)
		}
	case *domain.RecoveryRequested, *domain.RecoveryProgressed, *domain.RecoveryEnded:
		if x.folds[recoveriesPart] {
			return x.foldRecovery(p)
		}
	default:
		if x.folds[corePart] {
			return x.foldCore(p)
		}
	}
	return nil
}

// foldCore lets the projectors of the core apply a fact, and those that follow them.
func (x *projector) foldCore(p placed) error {
	switch f := p.fact.(type) {
	case *domain.MessagePublished:
		return x.foldPublished(p, f)
	case *domain.AttemptSucceeded:
		return x.foldAttempt(p, &f.Attempt, nil)
	case *domain.AttemptFailed:
		return x.foldAttempt(p, &f.Attempt, f)
	case *domain.RetryDue:
		return x.foldDelivery(p, f.DeliveryOf)
	case *domain.RedeliveryRequested:
		return x.foldDelivery(p, f.DeliveryOf)
	case *domain.MessageTargets:
		return x.foldTargets(p, f)
	case *domain.TargetsCorrected:
		return x.foldCorrected(p, f)
	case *domain.NoticeDecided, *domain.NoticeSent, *domain.NoticeFailed, *domain.NoticeDue:
		return x.foldNotice(p)
	case *domain.OrganizationRegistered, *domain.OrganizationChanged, *domain.OrganizationClosed:
		return x.foldOrganization(p)
	}
	if domain.IsSubscriptionFact(p.fact) {
		return x.foldSubscription(p)
	}
	return nil // reservations, admissions, data keys and the probe are read from their streams
}
