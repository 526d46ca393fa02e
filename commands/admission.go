package commands

import (
	"context"
	"errors"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// errWithdrawn refuses a creation that took so long after its admission that its place was given to another.
var errWithdrawn = domain.Refuse(domain.Unavailable, "the webhook was not created in time; try again")

// admit gives a new subscription one of the places of its organization. Whoever comes at the same time is refused by the
// revision of the organization's stream and looks again.
func (c *Commands) admit(ctx context.Context, by By, org domain.OrganizationID, id domain.SubscriptionID, limit int) error {
	zero := domain.Admissions{Organization: domain.Organization{ID: org}}
	_, _, err := change(ctx, c, by, domain.OrganizationStream(org), zero, foldAdmission, func(a domain.Admissions) (domain.Fact, error) {
		var released []domain.SubscriptionID
		if len(a.Held) >= limit {
			var err error
			if released, err = c.released(ctx, by, a); err != nil {
				return nil, err
			}
		}
		return a.DecideAdmit(id, released, limit)
	})
	return err
}

func foldAdmission(a domain.Admissions, f recordedFact) domain.Admissions {
	return a.Apply(f.Fact, f.Meta)
}

// released finds the places that nobody needs any more.
func (c *Commands) released(ctx context.Context, by By, a domain.Admissions) (free []domain.SubscriptionID, err error) {
	for _, held := range a.Held {
		is, err := c.isReleased(ctx, by, a.Organization.ID, held)
		if err != nil {
			return nil, err
		}
		if is {
			free = append(free, held.Subscription)
		}
	}
	return free, nil
}

// isReleased reports whether a place is free: its subscription was deleted, or was not created within the grace and is
// kept from being created now.
func (c *Commands) isReleased(ctx context.Context, by By, org domain.OrganizationID, held domain.Admission) (bool, error) {
	stream := domain.SubscriptionStream(held.Subscription)
	l, err := load(ctx, c, stream, domain.Subscription{ID: held.Subscription}, foldSubscription)
	if err != nil {
		return false, err
	}
	if l.expected != eventlog.NoStream {
		return !l.state.Exists() || l.state.Deleted, nil
	}
	m := by.meta(c.Now())
	if m.At.Sub(held.At) < domain.AdmissionGrace {
		return false, nil
	}
	_, err = c.append(ctx, stream, eventlog.NoStream, &domain.AdmissionWithdrawn{Organization: org}, m)
	if errors.Is(err, eventlog.ErrRevisionConflict) {
		return false, nil // somebody was faster: it exists, or the next who looks finds it withdrawn
	}
	return err == nil, err
}
