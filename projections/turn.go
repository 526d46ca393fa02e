package projections

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hooklog/hooklog/domain"
)

// Turns are found while health is folded, in log order, so that every node finds the same ones once; a row stays until
// the notice of its turn is decided. Nobody is told of a turn that none is to be told of at its place in the log.

// tellOfSuccess folds a success that counts into what was told of its subscription.
func (x *projector) tellOfSuccess(p placed, s *subscription, f *domain.AttemptSucceeded) error {
	policy, ok := x.directory.policyOf(s)
	if !ok {
		return nil
	}
	told, signs := s.told.Succeeded(f.EventType, policy)
	return x.tell(p, s, told, s.health, signs, nil)
}

// tellOfFailure folds a failure that counts, after which health is as given.
func (x *projector) tellOfFailure(p placed, s *subscription, f *domain.AttemptFailed, health domain.Health, policy domain.Policy) error {
	told, signs := s.told.Failed(f.EventType, health, policy, p.meta.At)
	return x.tell(p, s, told, health, signs, nil)
}

// tellOfDeath finds the turn of a delivery that died.
func (x *projector) tellOfDeath(p placed, r *row, f *domain.AttemptFailed) error {
	s, ok := x.directory.subscriptions[r.Of.Subscription]
	if !ok || s.state.Deleted {
		return nil
	}
	policy, ok := x.directory.policyOf(s)
	if !ok {
		return nil
	}
	dead := &domain.DeadDelivery{Delivery: r.id, Message: r.Of.Message, EventType: r.Of.EventType, Attempts: f.Number, Reason: f.Reason}
	return x.tell(p, s, s.told, s.health, domain.Died(r.Of.EventType, policy), dead)
}

// tellOfLifecycle folds a fact of a subscription's own stream, before which its state was another.
func (x *projector) tellOfLifecycle(p placed, s *subscription, before domain.Subscription) error {
	if s.state.Email != "" && s.state.Email != before.Email && !s.state.Deleted {
		turn := x.turn(p, s, domain.Health{})
		turn.Cause, turn.To = domain.CauseAddress, s.state.Email
		if err := x.writeTurn(turn); err != nil {
			return err
		}
	}
	policy, ok := x.directory.policyOf(s)
	if !ok {
		return nil
	}
	told, signs := s.told.Lifecycle(p.fact, policy)
	return x.tell(p, s, told, s.health, signs, nil)
}

// tell writes what was told of a subscription, if that changed, and the turns of whose signs somebody is to be told.
func (x *projector) tell(p placed, s *subscription, told domain.Told, health domain.Health, signs []domain.Sign, dead *domain.DeadDelivery) error {
	if told != s.told {
		x.directory.mu.Lock()
		s.told = told
		x.directory.mu.Unlock()
		text, err := json.Marshal(told)
		if err != nil {
			return fmt.Errorf("%w: encode a row: %w", errStore, err)
		}
		if err := x.batch.set(subscriptionKey(x.in(toldSpace), s.state.ID), text); err != nil {
			return err
		}
	}
	for _, sign := range signs {
		turn := x.turn(p, s, health)
		turn.Cause, turn.Percent, turn.Dead = sign.Cause, sign.Percent, dead
		if sign.Mail {
			turn.To = s.state.Email
		}
		if sign.Type != "" && x.named(s.state.Organization, sign.Type) {
			turn.Type = sign.Type
		}
		if turn.To == "" && turn.Type == "" {
			continue
		}
		if err := x.writeTurn(turn); err != nil {
			return err
		}
	}
	return nil
}

// turn begins a turn that a fact is, after which its subscription's health is as given.
func (x *projector) turn(p placed, s *subscription, health domain.Health) domain.Turn {
	return domain.Turn{Organization: s.state.Organization, Subscription: s.state.ID, Fact: p.ID.String(), At: p.meta.At,
		Failures: health.Consecutive, FailingSince: health.FailingSince}
}

// named reports whether a message of an operational type would go to anybody.
func (x *projector) named(org domain.OrganizationID, eventType string) bool {
	o := x.directory.organizations[org]
	return o != nil && !o.state.Closed() && len(o.subscribers.Match(eventType, "").Targets) > 0
}

func (x *projector) writeTurn(t domain.Turn) error {
	text, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("%w: encode a row: %w", errStore, err)
	}
	x.batch.notices.changed = true
	return x.batch.set(turnKey(x.in(turnSpace), t), text)
}

// turnKey lays turns out by their time.
func turnKey(space byte, t domain.Turn) []byte {
	b := binary.BigEndian.AppendUint64([]byte{space}, sortable(t.At.UnixMicro()))
	return append(append(append(b, t.Fact...), ' '), t.Cause...)
}

func showTurnKey(rest []byte) string {
	if len(rest) < 8 {
		return ""
	}
	return fmt.Sprintf("turn at %s of %s", time.UnixMicro(unsortable(binary.BigEndian.Uint64(rest))).UTC().Format(time.RFC3339Nano), rest[8:])
}

func (x *models) loadTold() error {
	return x.loadEach(toldSpace, func(key, value []byte) error {
		if len(key) != 1+idSize {
			return errRow
		}
		var told domain.Told
		if err := json.Unmarshal(value, &told); err != nil {
			return fmt.Errorf("%w: %w", errRow, err)
		}
		if s, ok := x.directory.subscriptions[domain.SubscriptionID(key[1:])]; ok {
			s.told = told
		}
		return nil
	})
}

// holdsTold leaves away those of which nothing was ever told.
func (m *models) holdsTold() held {
	h := held{space: toldSpace, rows: map[string]func() ([]byte, error){}, partly: true}
	for id, s := range m.directory.subscriptions {
		if s.told != (domain.Told{}) {
			h.rows[string(id[:])] = document(s.told)
		}
	}
	return h
}

// UndecidedTurns returns up to limit turns from a time on of which no notice is decided, oldest first.
func (x *Fold) UndecidedTurns(from time.Time, limit int) (turns []domain.Turn, err error) {
	m := x.reading()
	defer m.done()
	space := m.in(turnSpace)
	first := binary.BigEndian.AppendUint64([]byte{space}, sortable(from.UnixMicro()))
	err = m.store.scan(first, []byte{space + 1}, func(_, value []byte) (bool, error) {
		var t domain.Turn
		if err := json.Unmarshal(value, &t); err != nil {
			return false, fmt.Errorf("%w: %w", errRow, err)
		}
		turns = append(turns, t)
		return len(turns) < limit, nil
	})
	return turns, err
}

// Noticed pulses when there may be more in UndecidedTurns or OpenNotices.
func (x *Fold) Noticed() <-chan struct{} { return x.noticed }
