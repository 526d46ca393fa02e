package http

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// Facts reads the facts of the log.
type Facts interface {
	// ReadFacts reads the facts of a filter, from a place on, as far as the log goes now.
	ReadFacts(f projections.FactFilter, from projections.FactPlace) *projections.FactReader
}

// listFacts lists the facts of the log that the query asks for, or exports them. Nothing is answered before it is
// recorded who reads, and what; the list ends where the log ended before that, so a reading does not find itself.
func (x *exchange) listFacts() error {
	f, err := x.factFilter()
	if err != nil {
		return err
	}
	if form := x.exportForm(); form != nil {
		return x.export(f, form)
	}
	limit, cursor, err := x.page()
	if err != nil {
		return err
	}
	from, _, err := f.ParseFactCursor(projections.PageCursor, cursor)
	if err != nil {
		return err
	}
	r := x.Fold.ReadFacts(f, from)
	if err := x.recordReading(f, "json", cursor != "", limit); err != nil {
		return err
	}
	facts, next, err := r.Page(x.context(), limit)
	if err != nil {
		return err
	}
	open, rows := x.key.Has(domain.ScopePayloads), make([]auditedFact, len(facts))
	for i, fact := range facts {
		if rows[i], err = x.auditFact(x.context(), fact, open); err != nil {
			return err
		}
	}
	return x.reply(http.StatusOK, pageOf(rows, next, func(row auditedFact) auditedFact { return row }))
}

// recordReading records who reads which facts.
func (x *exchange) recordReading(f projections.FactFilter, form string, continued bool, limit int) error {
	read := &domain.AuditRead{Form: form, Continued: continued, Limit: limit, Opened: x.key.Has(domain.ScopePayloads),
		Reach: x.key.Organizations, AuditFilter: domain.AuditFilter{Subscription: f.Subscription, Message: f.Message, Delivery: f.Delivery,
			Types: f.Types, From: domain.Time(f.From), To: domain.Time(f.To), Newest: f.Newest}}
	if x.key.Partner() {
		read.Reach = []domain.OrganizationID{x.key.Organization}
	}
	if len(f.Organizations) == 1 {
		read.Organization = f.Organizations[0]
	}
	_, err := x.Commands.RecordAuditRead(x.context(), x.by(), x.key.ID, read)
	return err
}

// factFilter reads from the query which facts are asked for, and refuses what the key does not reach.
func (x *exchange) factFilter() (f projections.FactFilter, err error) {
	if f, err = x.factsOfThings(); err != nil {
		return f, err
	}
	var bad []domain.FieldError
	known := domain.FactTypes()
	for _, names := range x.r.URL.Query()["type"] {
		for name := range strings.SplitSeq(names, ",") {
			switch {
			case name == "" || slices.Contains(f.Types, name):
			case slices.Contains(known, name):
				f.Types = append(f.Types, name)
			default:
				bad = append(bad, domain.FieldError{Field: "type", Message: "must be names of fact types, as hooklog.AttemptFailed.v1"})
			}
		}
	}
	order := "oldest"
	for _, p := range []struct {
		name string
		read func(string) bool
		says string
	}{
		{"from", timeInto(&f.From), "must be an RFC 3339 time, given once"},
		{"to", timeInto(&f.To), "must be an RFC 3339 time, given once"},
		{"order", func(s string) bool { order = s; return s == "oldest" || s == "newest" }, "must be oldest or newest, given once"},
	} {
		if values := x.r.URL.Query()[p.name]; len(values) > 1 || len(values) == 1 && !p.read(values[0]) {
			bad = append(bad, domain.FieldError{Field: p.name, Message: p.says})
		}
	}
	f.Newest = order == "newest"
	return f, domain.RefuseFields(bad...)
}

// timeInto reads a time.
func timeInto(into *time.Time) func(string) bool {
	return func(s string) bool {
		at, err := time.Parse(time.RFC3339Nano, s)
		*into = domain.Time(at)
		return err == nil && at.Year() >= 1 && at.Year() <= 9999
	}
}

// factsOfThings reads from the query which things the facts must be of. Each must be there and reached by the key.
func (x *exchange) factsOfThings() (f projections.FactFilter, err error) {
	switch {
	case x.key.Partner():
		f.Organizations = []domain.OrganizationID{x.key.Organization}
	case len(x.key.Organizations) > 0:
		f.Organizations = x.key.Organizations
	}
	query := x.r.URL.Query()
	for _, thing := range []struct {
		name string
		find func(ref string) error
	}{
		{"organization", func(ref string) error {
			o, err := x.reached(ref)
			f.Organizations = []domain.OrganizationID{o.ID}
			return err
		}},
		{"subscription", func(ref string) (err error) { f.Subscription, err = x.reachedSubscription(ref); return err }},
		{"event", func(ref string) (err error) { f.Message, err = x.reachedEvent(ref); return err }},
		{"delivery", func(ref string) (err error) { f.Delivery, err = x.reachedDelivery(ref); return err }},
	} {
		values := query[thing.name]
		if len(values) > 1 {
			return f, refuseMember(thing.name, "must be given once")
		}
		if len(values) == 0 {
			continue
		}
		if err := thing.find(values[0]); err != nil {
			return f, err
		}
	}
	return f, nil
}

// reachedSubscription finds a subscription, a deleted one too, in the fold or else in its stream.
func (x *exchange) reachedSubscription(ref string) (domain.SubscriptionID, error) {
	id, err := domain.ParseSubscriptionID(ref)
	if err != nil {
		return id, domain.ErrNoSubscription
	}
	s, ok := x.Fold.Subscription(id)
	if !ok {
		if s, err = x.Commands.LoadSubscription(x.context(), id); err != nil {
			return id, err
		}
	}
	if !s.Exists() || !x.key.Reaches(s.Organization) {
		return id, domain.ErrNoSubscription
	}
	return id, nil
}

var errNoEvent = domain.Refuse(domain.NotFound, "no such event")

func (x *exchange) reachedEvent(ref string) (domain.MessageID, error) {
	id, err := domain.ParseMessageID(ref)
	if err != nil {
		return id, errNoEvent
	}
	p, err := x.Commands.LoadPublished(x.context(), id)
	if err == nil && !x.key.Reaches(p.Organization) {
		err = errNoEvent
	}
	return id, err
}

func (x *exchange) reachedDelivery(ref string) (domain.DeliveryID, error) {
	id, err := domain.ParseDeliveryID(ref)
	if err != nil {
		return id, errNoDelivery
	}
	h, err := x.Fold.DeliveryByID(x.context(), id)
	if err == nil && !x.key.Reaches(h.Of.Organization) {
		err = errNoDelivery
	}
	return id, err
}
