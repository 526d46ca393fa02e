package domain

import (
	"strings"
	"time"
)

// StreamPrefix begins the name of every stream of Hooklog, so that a log can be shared with others.
const StreamPrefix = "hl_"

// Stream names: a category that begins with hl_, a hyphen, and the aggregate's id.
const (
	slugCategory         = "hl_slug-"
	organizationCategory = "hl_organization-"
	dataKeyCategory      = "hl_datakey-"
	keyCategory          = "hl_key-"
	eventTypeCategory    = "hl_eventtype-"
	subscriptionCategory = "hl_subscription-"
	messageCategory      = "hl_message-"
	deliveryCategory     = "hl_delivery-"
	auditCategory        = "hl_audit-"
	recoveryCategory     = "hl_recovery-"
	noticeCategory       = "hl_notice-"
	mailHourCategory     = "hl_mailhour-"
	addressCategory      = "hl_address-"

	// KeysetProbeStream holds the one fact that tells whether a keyset belongs to a log.
	KeysetProbeStream = "hl_keyset-probe"
)

// SlugStream is the stream that owns the uniqueness of a slug.
func SlugStream(slug string) string { return slugCategory + slug }

// OrganizationStream is the stream of an organization.
func OrganizationStream(id OrganizationID) string { return streamOf(organizationCategory, id) }

// DataKeyStream is the stream of an organization's data key, alone there so that it can be erased.
func DataKeyStream(id OrganizationID) string { return streamOf(dataKeyCategory, id) }

// KeyStream is the stream of an API key.
func KeyStream(id KeyID) string { return keyCategory + string(id) }

// EventTypeStream is the stream of one event type of an organization's catalogue.
func EventTypeStream(org OrganizationID, name string) string {
	return streamOf(eventTypeCategory, org) + "." + name
}

// SubscriptionStream is the stream of a subscription.
func SubscriptionStream(id SubscriptionID) string { return streamOf(subscriptionCategory, id) }

// MessageStream is the stream of a message.
func MessageStream(id MessageID) string { return streamOf(messageCategory, id) }

// DeliveryStream is the stream of a delivery.
func DeliveryStream(id DeliveryID) string { return streamOf(deliveryCategory, id) }

// RecoveryStream is the stream of a recovery.
func RecoveryStream(id RecoveryID) string { return streamOf(recoveryCategory, id) }

// AuditStream is the stream of what was read with a key of the history.
func AuditStream(id KeyID) string { return auditCategory + string(id) }

// NoticeStream is the stream of a notice.
func NoticeStream(id NoticeID) string { return streamOf(noticeCategory, id) }

// MailHourStream is the stream of an organization's mails in the hour of a time.
func MailHourStream(org OrganizationID, at time.Time) string {
	return streamOf(mailHourCategory, org) + "." + HourOf(at)
}

// AddressStream is the stream of a mailbox that an organization's notices may go to.
func AddressStream(k AddressKey) string { return addressCategory + k.String() }

// NoticeOfStream returns the id in the name of a notice's stream.
func NoticeOfStream(stream string) (NoticeID, bool) {
	return idOfStream[noticeKind](noticeCategory, stream)
}

func streamOf[K kind](category string, id ID[K]) string {
	b := append(make([]byte, 0, 64), category...)
	b, _ = id.AppendText(b)
	return string(b)
}

// SubscriptionOfStream returns the id in the name of a subscription's stream.
func SubscriptionOfStream(stream string) (SubscriptionID, bool) {
	return idOfStream[subscriptionKind](subscriptionCategory, stream)
}

// OrganizationOfStream returns the id in the name of an organization's stream.
func OrganizationOfStream(stream string) (OrganizationID, bool) {
	return idOfStream[organizationKind](organizationCategory, stream)
}

// MessageOfStream returns the id in the name of a message's stream.
func MessageOfStream(stream string) (MessageID, bool) {
	return idOfStream[messageKind](messageCategory, stream)
}

// DeliveryOfStream returns the id in the name of a delivery's stream.
func DeliveryOfStream(stream string) (DeliveryID, bool) {
	return idOfStream[deliveryKind](deliveryCategory, stream)
}

// RecoveryOfStream returns the id in the name of a recovery's stream.
func RecoveryOfStream(stream string) (RecoveryID, bool) {
	return idOfStream[recoveryKind](recoveryCategory, stream)
}

// KeyOfStream returns the id in the name of a key's stream.
func KeyOfStream(stream string) (KeyID, bool) {
	id, ok := strings.CutPrefix(stream, keyCategory)
	return KeyID(id), ok
}

func idOfStream[K kind](category, stream string) (ID[K], bool) {
	rest, ok := strings.CutPrefix(stream, category)
	if !ok {
		return ID[K]{}, false
	}
	id, err := parseID[K](rest)
	return id, err == nil
}
