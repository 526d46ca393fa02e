package domain

import "time"

// AuditRead records that somebody read the facts of the log, and which of them. Who it was is in the name of its
// stream and in its metadata.
type AuditRead struct {
	// Form is how the answer was written: json for a page of the list, ndjson or csv for an export.
	Form string `json:"form"`
	// Continued says that the reading went on from a cursor.
	Continued bool `json:"continued,omitempty"`
	// Limit is the most facts that were asked for; 0 is all.
	Limit int `json:"limit,omitempty"`
	// Opened says that payloads and stored answers were opened.
	Opened bool `json:"opened,omitempty"`
	// Reach are the organizations that the key was limited to; none if it reached all.
	Reach []OrganizationID `json:"reach,omitempty"`
	AuditFilter
}

// AuditFilter says which facts were asked for. What is zero was left open.
type AuditFilter struct {
	Organization OrganizationID `json:"organization,omitzero"`
	Subscription SubscriptionID `json:"subscription,omitzero"`
	Message      MessageID      `json:"message,omitzero"`
	Delivery     DeliveryID     `json:"delivery,omitzero"`
	Types        []string       `json:"types,omitempty"`
	// From and To bound the facts' own time: from the one on, and before the other.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Newest says that the newest facts came first.
	Newest bool `json:"newest,omitempty"`
}

// FactType names the fact in the log.
func (*AuditRead) FactType() string { return "hooklog.AuditRead.v1" }
