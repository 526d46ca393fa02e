package projections

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// What a failed attempt's Status says (docs/contract.md).
const (
	statusFailed   = "failed"
	statusDead     = "dead_lettered"
	statusRejected = "rejected_dns"
)

// Failure is one failed attempt.
type Failure struct {
	// ID is the fact's.
	ID           string
	Subscription domain.SubscriptionID
	EventType    string
	Message      domain.MessageID
	// Status is dead_lettered or rejected_dns for the attempt that ended its delivery, else failed.
	Status string
	// Attempt is counted from 1.
	Attempt int
	// HTTPStatus is 0 if there was no answer.
	HTTPStatus int
	Reason     string
	// At is when the attempt was recorded.
	At time.Time
}

// writeFailure lists a failed attempt. ends says that it ended its delivery's round.
func (x *projector) writeFailure(p placed, r *row, f *domain.AttemptFailed, ends bool) error {
	status := byte(0)
	switch {
	case ends && f.Refused():
		status = 2
	case ends:
		status = 1
	}
	b := x.batch
	b.key = appendFailureKey(b.key[:0], x.in(failureSpace), r.Of.Subscription, p.Position)
	b.text = appendFailure(b.text[:0], status, p, r, f)
	return b.set(b.key, b.text)
}

// appendFailure writes a failure's row.
func appendFailure(b []byte, status byte, p placed, r *row, f *domain.AttemptFailed) []byte {
	b = append(append(b, status), p.ID[:]...)
	b = append(b, r.Of.Message[:]...)
	b = appendString(b, r.Of.EventType)
	b = binary.AppendUvarint(b, uint64(f.Number))
	b = binary.AppendUvarint(b, uint64(f.Status))
	b = appendString(b, f.Reason)
	return appendTime(b, p.meta.At)
}

var failureStatuses = [...]string{statusFailed, statusDead, statusRejected}

func parseFailure(sub domain.SubscriptionID, value []byte) (Failure, error) {
	in := reader{rest: value}
	status := in.byte()
	if int(status) >= len(failureStatuses) {
		return Failure{}, errRow
	}
	f := Failure{Subscription: sub, Status: failureStatuses[status], ID: eventlog.ID(in.id()).String(), Message: in.id(),
		EventType: in.string(), Attempt: int(in.number()), HTTPStatus: int(in.number()), Reason: in.string(), At: in.time()}
	return f, in.end()
}

// Failures lists the failed attempts of an organization's subscription, newest first; limit 0 is all. next is empty on
// the last page. Pages stay as they are while new failures arrive. A cursor of another list is refused with BadCursor,
// a subscription that is deleted or another organization's with NotFound.
func (x *Fold) Failures(org domain.OrganizationID, sub domain.SubscriptionID, limit int, cursor string) (page []Failure, next string, err error) {
	m := x.reading()
	defer m.done()
	s, err := m.anySubscription(sub)
	if err != nil {
		return nil, "", err
	}
	if s.Exists() && (s.Organization != org || s.Deleted) {
		return nil, "", domain.ErrNoSubscription
	}
	l := list{failureList, sub}
	place, err := l.place(cursor)
	if err != nil {
		return nil, "", err
	}
	prefix := subscriptionKey(m.in(failureSpace), sub)
	from := prefix
	if place != nil {
		from = append(append(prefix[:len(prefix):len(prefix)], place...), 0) // just past the last row shown
	}
	var last []byte
	err = m.store.scan(from, after(prefix), func(key, value []byte) (bool, error) {
		if limit > 0 && len(page) == limit {
			next = l.cursor(last)
			return false, nil
		}
		f, err := parseFailure(sub, value)
		if err != nil {
			return false, fmt.Errorf("list failures: %w", err)
		}
		page, last = append(page, f), append(last[:0], key[len(prefix):]...)
		return true, nil
	})
	return page, next, err
}
