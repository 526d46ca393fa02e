package http

import (
	"context"
	"errors"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// Past answers as of a moment that this node has reached.
type Past interface {
	// Reach waits until this node has folded everything that belongs to a moment; a time that is still to come is
	// refused.
	Reach(ctx context.Context, m projections.Moment) error
	OrganizationAt(ctx context.Context, id domain.OrganizationID, m projections.Moment) (domain.Organization, error)
	OrganizationsAt(ctx context.Context, m projections.Moment, limit int, cursor string) (page []domain.Organization, next string, err error)
	EventTypeAt(ctx context.Context, org domain.OrganizationID, name string, m projections.Moment) (domain.EventType, bool, error)
	EventTypesAt(ctx context.Context, org domain.OrganizationID, m projections.Moment, limit int, cursor string) (page []domain.EventType, next string, err error)
}

// moment reads which moment the query asks about, and waits until this node has reached it. Without one, given is false:
// the present is asked for.
func (x *exchange) moment() (m projections.Moment, given bool, err error) {
	values, given := x.r.URL.Query()["at"]
	if !given {
		return m, false, nil
	}
	if len(values) != 1 {
		return m, true, domain.Refuse(domain.BadCursor, "at was given more than once")
	}
	if m, err = projections.ParseMoment(values[0]); err != nil {
		return m, true, err
	}
	ctx, cancel := context.WithTimeout(x.context(), maxWait)
	defer cancel()
	if err = x.Fold.Reach(ctx, m); errors.Is(err, context.DeadlineExceeded) {
		err = refuseUntil(domain.Unavailable, time.Second, "this node has not reached that moment")
	}
	return m, true, err
}
