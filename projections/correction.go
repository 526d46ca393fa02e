package projections

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/hooklog/hooklog/domain"
)

// correction is what a message's place in the log demands where its publisher had seen something else.
type correction struct {
	targets []domain.Target
	seen    uint64
}

// beginCorrection notes that a message's recorded targets are wrong, until TargetsCorrected is folded.
func (x *projector) beginCorrection(id domain.MessageID, targets []domain.Target, seen uint64) error {
	c := &correction{targets, seen}
	d := x.directory
	d.mu.Lock()
	d.corrections[id], d.rematched = c, true
	d.mu.Unlock()
	return x.batch.set(messageKey(x.in(correctionSpace), id), c.append(nil))
}

// corrected reports whether this fold has matched a message again.
func (x *projector) corrected(id domain.MessageID) (bool, error) {
	if !x.directory.rematched {
		return false, nil
	}
	if _, pending := x.directory.corrections[id]; pending {
		return true, nil
	}
	if _, settled := x.batch.settled[id]; settled {
		return true, nil
	}
	_, ok, err := x.store.value(messageKey(x.in(correctionSpace), id))
	if err != nil {
		return false, fmt.Errorf("%w: %w", errStore, err)
	}
	return ok, nil
}

// settleCorrection notes that the correction is recorded. A mark stays, because parts of the message may follow.
func (x *projector) settleCorrection(id domain.MessageID) error {
	d := x.directory
	d.mu.Lock()
	delete(d.corrections, id)
	d.mu.Unlock()
	x.batch.settled[id] = struct{}{}
	return x.batch.set(messageKey(x.in(correctionSpace), id), nil)
}

// append writes a correction that is not recorded yet; the mark of one that is has no value.
func (c *correction) append(b []byte) []byte {
	b = binary.AppendUvarint(b, c.seen)
	b = binary.AppendUvarint(b, uint64(len(c.targets)))
	for _, t := range c.targets {
		b = binary.AppendUvarint(append(b, t.Subscription[:]...), t.Revision)
	}
	return b
}

func parseCorrection(value []byte) (*correction, error) {
	in := reader{rest: value}
	c := &correction{seen: in.number()}
	for n := in.number(); n > 0 && !in.bad; n-- {
		c.targets = append(c.targets, domain.Target{Subscription: in.id(), Revision: in.number()})
	}
	return c, in.end()
}

func (x *models) loadCorrections() error {
	prefix := []byte{x.in(correctionSpace)}
	return x.store.scan(prefix, after(prefix), func(key, value []byte) (bool, error) {
		x.directory.rematched = true
		if len(value) == 0 {
			return true, nil
		}
		if len(key) != 1+idSize {
			return false, errRow
		}
		c, err := parseCorrection(value)
		x.directory.corrections[domain.MessageID(key[1:])] = c
		return true, err
	})
}

// Correction returns whom a message goes to by its place in the log, and how many subscription facts of the
// organization are before it, if the recorded targets are wrong and TargetsCorrected is not folded yet.
func (x *Fold) Correction(id domain.MessageID) (right []domain.Target, seen uint64, pending bool) {
	d := x.now().directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	c, ok := d.corrections[id]
	if !ok {
		return nil, 0, false
	}
	return slices.Clone(c.targets), c.seen, true
}

// PendingCorrections returns up to limit messages that Correction has an answer for, in no order.
func (x *Fold) PendingCorrections(limit int) []domain.MessageID {
	d := x.now().directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	var ids []domain.MessageID
	for id := range maps.Keys(d.corrections) {
		if len(ids) >= limit {
			break
		}
		ids = append(ids, id)
	}
	return ids
}
