package http

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// shownMember is what auditors see of one member of a fact.
type shownMember struct {
	// recorded is the member's name in the log, shown its name in answers; empty if it is not shown.
	recorded, shown string
	// how says what is shown of its value.
	how treatment
}

// treatment says what is shown of a member's value.
type treatment uint8

const (
	// plainly: the value.
	plainly treatment = iota
	// inHex: bytes, as hexadecimal digits.
	inHex
	// namesOnly: of sealed headers their names.
	namesOnly
	// asData: sealed JSON, opened for who may read payloads; its digest is a member of its own.
	asData
	// asText: sealed text, as its digest, and opened for who may read payloads.
	asText
	// above: nothing here; it is among the ids of the fact.
	above
	// never: a secret, a hash of one, or a wrapped key.
	never
)

// as names members that are shown as they are recorded.
func as(names ...string) (members []shownMember) {
	for _, name := range names {
		members = append(members, shownMember{name, name, plainly})
	}
	return members
}

// not names members of which nothing is shown.
func not(how treatment, names ...string) (members []shownMember) {
	for _, name := range names {
		members = append(members, shownMember{recorded: name, how: how})
	}
	return members
}

func one(recorded, shown string, how treatment) []shownMember {
	return []shownMember{{recorded, shown, how}}
}

func row(parts ...[]shownMember) (all []shownMember) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// The members that several facts have.
var (
	organizationAbove = not(above, "organization")
	subscriptionAbove = not(above, "organization", "subscription")
	deliveryAbove     = not(above, "message", "subscription", "organization")
	shownSettings     = row(as("url", "events", "clients", "name", "description", "email"), one("headers", "headers", namesOnly),
		as("retry_schedule", "timeout", "rate_limit", "filter", "ordered"))
	shownAttempt = row(deliveryAbove, as("event_type", "published_at", "round", "attempt", "started_at", "took_us", "status", "address"),
		one("body_sha256", "body_sha256", inHex), as("revision", "round_revision", "extra"))
)

// shownFacts says of every fact type what auditors see of it. A member that is not in its row is not shown, and a test
// fails; so does a type without a row.
var shownFacts = map[string][]shownMember{
	(*domain.KeysetProbed)(nil).FactType():           not(never, "sealed"),
	(*domain.SlugReserved)(nil).FactType():           row(organizationAbove, as("slug")),
	(*domain.OrganizationRegistered)(nil).FactType(): as("slug", "profile", "name", "retry_schedule", "timeout"),
	(*domain.OrganizationChanged)(nil).FactType():    as("name", "retry_schedule", "timeout"),
	(*domain.SubscriptionAdmitted)(nil).FactType():   row(one("subscription", "subscription_id", plainly), as("released")),
	(*domain.OrganizationClosed)(nil).FactType():     {},
	(*domain.DataKeyMade)(nil).FactType():            row(organizationAbove, not(never, "wrapped")),
	(*domain.KeyIssued)(nil).FactType(): row(organizationAbove, as("organizations", "scopes", "mode"), not(never, "secret_hash"),
		as("rate_limit_per_minute", "expires_at")),
	(*domain.KeyRotated)(nil).FactType():          row(not(never, "secret_hash"), as("previous_until")),
	(*domain.KeyRevoked)(nil).FactType():          {},
	(*domain.EventTypeDefined)(nil).FactType():    row(organizationAbove, as("name", "description", "category", "example", "schema")),
	(*domain.EventTypeRetired)(nil).FactType():    row(organizationAbove, as("name")),
	(*domain.SubscriptionCreated)(nil).FactType(): row(organizationAbove, not(never, "secret"), shownSettings),
	(*domain.SubscriptionChanged)(nil).FactType(): row(organizationAbove, shownSettings),
	(*domain.SecretRotated)(nil).FactType():       row(organizationAbove, not(never, "secret"), as("previous_until")),
	(*domain.SubscriptionDisabled)(nil).FactType(): row(organizationAbove, as("by"), one("cause", "caused_by", plainly),
		as("why")),
	(*domain.SubscriptionEnabled)(nil).FactType(): organizationAbove,
	(*domain.SubscriptionDeleted)(nil).FactType(): organizationAbove,
	(*domain.MessagePublished)(nil).FactType(): row(organizationAbove, as("event_type", "client", "occurred_at", "occurred_given"),
		one("payload", "data", asData), one("payload_sha256", "data_sha256", inHex),
		as("targets", "total", "only", "withheld", "withheld_total", "seen")),
	(*domain.MessageTargets)(nil).FactType():      row(organizationAbove, as("event_type", "published_at", "targets")),
	(*domain.TargetsCorrected)(nil).FactType():    row(organizationAbove, as("event_type", "published_at", "added", "removed", "seen")),
	(*domain.AttemptSucceeded)(nil).FactType():    shownAttempt,
	(*domain.AttemptFailed)(nil).FactType():       row(shownAttempt, as("reason"), one("answer", "answer", asText), as("dead", "next_attempt_at", "delay")),
	(*domain.RetryDue)(nil).FactType():            row(deliveryAbove, as("event_type", "published_at", "round", "attempt", "due_at", "round_revision")),
	(*domain.RedeliveryRequested)(nil).FactType(): row(deliveryAbove, as("event_type", "published_at", "round", "revision", "recovery")),
	(*domain.AdmissionWithdrawn)(nil).FactType():  organizationAbove,
	(*domain.RecoveryRequested)(nil).FactType():   row(subscriptionAbove, as("from", "to", "states", "deliveries")),
	(*domain.RecoveryProgressed)(nil).FactType():  row(subscriptionAbove, as("after", "redelivered", "passed")),
	(*domain.RecoveryEnded)(nil).FactType():       row(subscriptionAbove, as("redelivered", "passed", "why")),
	(*domain.NoticeDecided)(nil).FactType(): row(subscriptionAbove, as("cause"), one("fact", "caused_by", plainly),
		as("turned_at", "to", "type", "percent", "failures", "failing_since", "dead", "due_at")),
	(*domain.NoticeSent)(nil).FactType():       row(subscriptionAbove, as("way"), one("message", "event_id", plainly), as("summary", "told")),
	(*domain.NoticeFailed)(nil).FactType():     row(subscriptionAbove, as("way", "attempt", "reason", "next_attempt_at")),
	(*domain.NoticeDue)(nil).FactType():        row(subscriptionAbove, as("attempt")),
	(*domain.MailAdmitted)(nil).FactType():     row(organizationAbove, as("notice")),
	(*domain.MailReleased)(nil).FactType():     row(organizationAbove, as("notice")),
	(*domain.AddressAsked)(nil).FactType():     row(organizationAbove, as("address", "notice")),
	(*domain.AddressConfirmed)(nil).FactType(): row(organizationAbove, as("address", "by")),
	(*domain.AuditRead)(nil).FactType(): row(as("form", "continued", "limit", "opened", "reach"), one("organization", "organization_id", plainly),
		one("subscription", "subscription_id", plainly), one("message", "event_id", plainly), one("delivery", "delivery_id", plainly),
		as("types", "from", "to", "newest")),
}

// factMembers finds the members of a fact by their recorded names.
func factMembers(v reflect.Value, each func(name string, value reflect.Value, mayMiss bool)) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous && name == "" {
			factMembers(v.Field(i), each)
			continue
		}
		each(name, v.Field(i), strings.HasPrefix(options, "omit"))
	}
}

// auditedFact is a fact as auditors see it.
type auditedFact struct {
	// Row is there in exports alone.
	Row          string                `json:"row,omitempty"`
	Position     string                `json:"position"`
	ID           string                `json:"fact_id"`
	Stream       string                `json:"stream"`
	Revision     uint64                `json:"revision"`
	Type         string                `json:"type"`
	At           timestamp             `json:"at"`
	RecordedAt   timestamp             `json:"recorded_at"`
	Actor        string                `json:"actor,omitempty"`
	Correlation  string                `json:"correlation,omitempty"`
	Causation    string                `json:"caused_by,omitempty"`
	Organization domain.OrganizationID `json:"organization_id,omitzero"`
	Subscription domain.SubscriptionID `json:"subscription_id,omitzero"`
	Event        domain.MessageID      `json:"event_id,omitzero"`
	Delivery     domain.DeliveryID     `json:"delivery_id,omitzero"`
	Data         json.RawMessage       `json:"data"`
}

// auditFact shows a fact. open says whether what is sealed is opened.
func (x *exchange) auditFact(ctx context.Context, r projections.RecordedFact, open bool) (auditedFact, error) {
	data, err := x.shownData(ctx, r, open)
	if err != nil {
		return auditedFact{}, fmt.Errorf("show the fact at %s: %w", r.Position, err)
	}
	return auditedFact{Position: r.Position.String(), ID: r.ID.String(), Stream: r.Stream, Revision: r.Revision, Type: r.FactType(),
		At: timestamp(r.Meta.At), RecordedAt: timestamp(r.RecordedAt), Actor: r.Meta.Actor, Correlation: r.Meta.Correlation,
		Causation: r.Meta.Causation, Organization: r.Of.Organization, Subscription: r.Of.Subscription, Event: r.Of.Message,
		Delivery: r.Of.Delivery, Data: data}, nil
}

// shownData writes the members of a fact that are shown, in the order of its row.
func (x *exchange) shownData(ctx context.Context, r projections.RecordedFact, open bool) (json.RawMessage, error) {
	d := shownObject{text: []byte{'{'}}
	values := map[string]reflect.Value{}
	factMembers(reflect.ValueOf(r.Fact).Elem(), func(name string, v reflect.Value, mayMiss bool) {
		if !mayMiss || !v.IsZero() {
			values[name] = v
		}
	})
	for _, m := range shownFacts[r.FactType()] {
		v, there := values[m.recorded]
		if !there || m.shown == "" {
			continue
		}
		switch m.how {
		case asData, asText:
			if sealed := v.Bytes(); len(sealed) > 0 && (open || m.how == asText) {
				x.showSealed(ctx, &d, m, r, sealed, open)
			}
		case inHex:
			d.add(m.shown, hex.EncodeToString(v.Bytes()))
		case namesOnly:
			d.add(m.shown, headerNames(v.Interface()))
		default:
			d.add(m.shown, v.Interface())
		}
	}
	return append(d.text, '}'), d.err
}

// showSealed opens what a fact holds sealed. What cannot be opened does not keep a fact from being shown.
func (x *exchange) showSealed(ctx context.Context, d *shownObject, m shownMember, r projections.RecordedFact, sealed []byte, open bool) {
	opened, err := x.unseal(ctx, r.Of, sealed)
	if err == nil && m.how == asData && !json.Valid(opened) {
		err = errors.New("it is no JSON")
	}
	if err != nil {
		x.Logger.Warn().Err(err).Stringer("position", r.Position).Str("member", m.recorded).Msg("what a fact holds sealed cannot be opened")
		d.add(m.shown+"_unreadable", true)
		return
	}
	if m.how == asText {
		sum := sha256.Sum256(opened)
		d.add(m.shown+"_sha256", hex.EncodeToString(sum[:]))
	}
	switch {
	case !open:
	case m.how == asData:
		d.add(m.shown, json.RawMessage(opened))
	default:
		d.add(m.shown, strings.ToValidUTF8(string(opened), "\uFFFD"))
	}
}

// unseal opens what belongs to a message or, if that is known, to a delivery.
func (x *exchange) unseal(ctx context.Context, of domain.Subject, sealed []byte) ([]byte, error) {
	if of.Organization.IsZero() {
		return nil, errors.New("it belongs to no organization")
	}
	key, err := x.Commands.DataKey(ctx, of.Organization)
	if err != nil {
		return nil, err
	}
	owner := of.Message.String()
	if !of.Delivery.IsZero() {
		owner = of.Delivery.String()
	}
	return key.Open(sealed, []byte(owner))
}

// headerNames are the names of sealed headers.
func headerNames(v any) []string {
	names := []string{}
	headers, _ := v.([]domain.SealedHeader)
	for _, h := range headers {
		names = append(names, h.Name)
	}
	return names
}

// shownObject is a JSON object that is being written.
type shownObject struct {
	text []byte
	err  error
}

func (d *shownObject) add(name string, value any) {
	if at, ok := value.(time.Time); ok {
		value = timestamp(at)
	}
	text, err := plainJSON(value)
	if err != nil {
		d.err = fmt.Errorf("write %s: %w", name, err)
		return
	}
	if len(d.text) > 1 {
		d.text = append(d.text, ',')
	}
	d.text = append(append(append(append(d.text, '"'), name...), `":`...), text...)
}
