package domain

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MessagePublished records a message, whom it goes to, and who asked for its type and gets nothing.
type MessagePublished struct {
	Organization OrganizationID `json:"organization"`
	EventType    string         `json:"event_type"`
	Client       string         `json:"client,omitempty"`
	OccurredAt   time.Time      `json:"occurred_at"`
	// OccurredGiven says that the publisher named OccurredAt, so that a repetition must name the same.
	OccurredGiven bool `json:"occurred_given,omitempty"`
	// Payload is the canonical data, sealed with the organization's data key under the message's id.
	Payload       []byte `json:"payload"`
	PayloadSHA256 []byte `json:"payload_sha256"`
	// Targets are the first MaxTargets of the matched subscriptions, in order of their ids; Total counts them all.
	Targets []Target `json:"targets"`
	Total   int      `json:"total"`
	// Only says that the message is a test: it goes to its one target and is matched with nothing else.
	Only bool `json:"only,omitempty"`
	// Withheld are the first MaxWithheld of those that ask for the type and get nothing; WithheldTotal counts them all.
	Withheld      []Withheld `json:"withheld,omitempty"`
	WithheldTotal int        `json:"withheld_total,omitempty"`
	// Seen counts the subscription facts of the organization that the matching had seen.
	Seen uint64 `json:"seen"`
}

// MessageTargets records further targets of a message with more than MaxTargets of them.
type MessageTargets struct {
	MessageOf
	Targets []Target `json:"targets"`
}

// TargetsCorrected records the targets that the publisher's matching had wrong, because subscription facts lay between
// what it had seen and its place in the log.
type TargetsCorrected struct {
	MessageOf
	Added   []Target         `json:"added,omitempty"`
	Removed []SubscriptionID `json:"removed,omitempty"`
	// Seen counts the subscription facts of the organization before the message in the log.
	Seen uint64 `json:"seen"`
}

// FactType names the fact in the log.
func (*MessagePublished) FactType() string { return "hooklog.MessagePublished.v1" }

// FactType names the fact in the log.
func (*MessageTargets) FactType() string { return "hooklog.MessageTargets.v1" }

// FactType names the fact in the log.
func (*TargetsCorrected) FactType() string { return "hooklog.TargetsCorrected.v1" }

// MessageOf repeats, in facts that follow a message, what a reader needs of it.
type MessageOf struct {
	Organization OrganizationID `json:"organization"`
	EventType    string         `json:"event_type"`
	PublishedAt  time.Time      `json:"published_at"`
}

// Limits of a message.
const (
	// MaxData is the most bytes of a message's data (docs/contract.md).
	MaxData = 256 << 10
	// MaxTargets is the most targets in one fact.
	MaxTargets = 2000
	// MaxWithheld is the most withheld subscriptions listed in a message.
	MaxWithheld = 100
)

// Target is a subscription that gets a message, at the revision at which it was matched.
type Target struct {
	Subscription SubscriptionID
	Revision     uint64
}

// MarshalText returns the subscription's id, an @ and the revision.
func (t Target) MarshalText() ([]byte, error) { return t.AppendText(make([]byte, 0, 48)) }

// AppendText appends what MarshalText returns.
func (t Target) AppendText(b []byte) ([]byte, error) {
	b, _ = t.Subscription.AppendText(b)
	b = append(b, '@')
	return strconv.AppendUint(b, t.Revision, 10), nil
}

// UnmarshalText reads what MarshalText writes; every other spelling is refused.
func (t *Target) UnmarshalText(b []byte) error {
	read, ok := readTarget(b)
	if !ok {
		return fmt.Errorf("not a target: %.60q", b)
	}
	*t = read
	return nil
}

func readTarget(b []byte) (t Target, ok bool) {
	id, revision, _ := bytes.Cut(b, []byte{'@'})
	if t.Subscription, ok = readID[subscriptionKind](id); !ok {
		return Target{}, false
	}
	if n, digits := readDigits(revision); digits == len(revision) && digits > 0 {
		t.Revision = n
		return t, true
	}
	n, err := strconv.ParseUint(string(revision), 10, 64)
	if err != nil || revision[0] == '0' {
		return Target{}, false
	}
	t.Revision = n
	return t, true
}

// WithheldWhy says why a subscription that asks for a type gets nothing.
type WithheldWhy string

// Why a subscription is withheld.
const (
	WithheldDisabled WithheldWhy = "disabled" // by whom is in the subscription's history
	WithheldFailures WithheldWhy = "disabled_by_failures"
	WithheldClient   WithheldWhy = "other_client"
	// WithheldFiltered says that the message's data does not meet the subscription's filter.
	WithheldFiltered WithheldWhy = "filtered"
	// WithheldClosed is for questions alone: nobody can publish for a closed organization.
	WithheldClosed WithheldWhy = "organization_closed"
	// WithheldNotAsked and WithheldUnreadable are for questions about one subscription alone: it does not ask for the
	// type; the message's data cannot be opened any more.
	WithheldNotAsked   WithheldWhy = "not_asked"
	WithheldUnreadable WithheldWhy = "data_unreadable"
)

// Withheld is a subscription that asks for a message's type and still gets nothing.
type Withheld struct {
	Subscription SubscriptionID `json:"subscription"`
	Why          WithheldWhy    `json:"why"`
}

// Publication asks for a message to be published. Data is canonical.
type Publication struct {
	Organization OrganizationID
	EventType    string
	Data         []byte
	// OwnID is the publisher's own id for the message, or empty.
	OwnID  string
	Client string
	// OccurredAt is zero if the publisher did not name it.
	OccurredAt time.Time
}

// CheckOwnID refuses what cannot be a publisher's own id (docs/contract.md). The empty id is none and allowed.
func CheckOwnID(id string) error {
	if len(id) > 128 {
		return RefuseFields(FieldError{"id", "must have 1 to 128 characters"})
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("._:-", rune(c)) {
			return RefuseFields(FieldError{"id", "must have only A-Z, a-z, 0-9 and . _ : -"})
		}
	}
	return nil
}

// SameAs reports whether a repeated publication asks for what the fact records: type, client, given time and data.
func (p *MessagePublished) SameAs(q *MessagePublished) bool {
	return p.EventType == q.EventType && p.Client == q.Client && p.OccurredGiven == q.OccurredGiven &&
		(!p.OccurredGiven || p.OccurredAt.Equal(q.OccurredAt)) && bytes.Equal(p.PayloadSHA256, q.PayloadSHA256)
}

// Of returns what facts that follow the message repeat of it.
func (p *MessagePublished) Of(m Meta) MessageOf {
	return MessageOf{Organization: p.Organization, EventType: p.EventType, PublishedAt: m.At}
}
