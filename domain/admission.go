package domain

import (
	"slices"
	"time"
)

// AdmissionWithdrawn, alone on the stream of a subscription that was admitted and never created, says that it never will
// be: its place is free.
type AdmissionWithdrawn struct {
	Organization OrganizationID `json:"organization"`
}

// FactType names the fact in the log.
func (*AdmissionWithdrawn) FactType() string { return "hooklog.AdmissionWithdrawn.v1" }

// AdmissionGrace is how long an admitted subscription keeps its place without having been created.
const AdmissionGrace = 30 * time.Second

// Admission is a place that a subscription has.
type Admission struct {
	Subscription SubscriptionID
	At           time.Time
}

// Admissions is an organization with the places that its subscriptions have, where its profile limits their number.
type Admissions struct {
	Organization Organization
	Held         []Admission
}

// Apply folds one fact of the organization's stream.
func (a Admissions) Apply(f Fact, m Meta) Admissions {
	a.Organization = a.Organization.Apply(f, m)
	if f, ok := f.(*SubscriptionAdmitted); ok {
		a.Held = append(a.without(f.Released), Admission{f.Subscription, m.At})
	}
	return a
}

// without returns the places that are left when some are released.
func (a Admissions) without(released []SubscriptionID) []Admission {
	return slices.DeleteFunc(slices.Clone(a.Held), func(h Admission) bool { return slices.Contains(released, h.Subscription) })
}

// DecideAdmit gives a new subscription one of limit places. released are those found to be free.
func (a Admissions) DecideAdmit(id SubscriptionID, released []SubscriptionID, limit int) (Fact, error) {
	if err := a.Organization.CheckOpen(); err != nil {
		return nil, err
	}
	if len(a.without(released)) >= limit {
		return nil, Refuse(Conflict, "the organization has %d webhooks, which is the most that its profile allows", limit)
	}
	return &SubscriptionAdmitted{Subscription: id, Released: released}, nil
}
