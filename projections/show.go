package projections

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// shower makes the rows of a keyspace readable. Keys come without their first byte. Neither function sees a secret, but
// sealed values and hashes: those are shown as digests.
type shower struct {
	key   func(rest []byte) string
	value func(rest, value []byte) (any, error)
}

// showers has a row for every keyspace whose rows are not shown as bytes.
var showers = [maxSpaces]shower{
	organizationSpace: {showOrganizationKey, showDocument},
	keySpace:          {func(rest []byte) string { return "key " + string(rest) }, showDocument},
	eventTypeSpace:    {showEventTypeKey, showDocument},
	subscriptionSpace: {showSubscriptionKey("subscription"), showPlacedDocument},
	memberSpace:       {showMemberKey, showNothing},
	healthSpace:       {showSubscriptionKey("health of"), showHealth},
	deliverySpace:     {showDeliveryKey("delivery"), showDelivery},
	messageSpace:      {showMessageKey("message"), showNothing},
	failureSpace:      {showFailureKey, showFailure},
	dueSpace:          {showDeliveryKey("due"), showDue},
	correctionSpace:   {showMessageKey("correction of"), showCorrection},
	auditSpace:        {showAuditKey, showAudit},
	toldSpace:         {showSubscriptionKey("told of"), showDocument},
	turnSpace:         {showTurnKey, showDocument},
	noticeSpace:       {showNoticeKey("notice"), showDocument},
	noticeDueSpace:    {showNoticeDueKey, showNothing},
	summarySpace:      {showNoticeKey("summary"), showDocument},
	orderSpace:        {showSubscriptionKey("first in the order of"), showFirst},
	recoverySpace:     {showRecoveryKey, showDocument},
	clientSpace:       {showClientKey, showNothing},
}

// showKey names a row for people.
func showKey(space byte, rest []byte) string {
	if show := showers[space].key; show != nil {
		if shown := show(rest); shown != "" {
			return shown
		}
	}
	return fmt.Sprintf("keyspace %d, key %x", space, rest)
}

// showValue shows what a row says. A row that cannot be read is shown as its length and digest.
func showValue(space byte, rest, value []byte) json.RawMessage {
	shown := any(nil)
	err := errRow
	if show := showers[space].value; show != nil {
		shown, err = show(rest, value)
	}
	if err != nil {
		shown = map[string]any{"unreadable_bytes": len(value), "sha256": digest(value)}
	}
	text, err := json.Marshal(shown)
	if err != nil {
		return json.RawMessage(`"unreadable"`)
	}
	return text
}

// digest tells values apart without showing them.
func digest(value []byte) string {
	sum := sha256.Sum256(value)
	return hex.EncodeToString(sum[:8])
}

func showOrganizationKey(rest []byte) string {
	if len(rest) != idSize {
		return ""
	}
	return "organization " + domain.OrganizationID(rest).String()
}

func showEventTypeKey(rest []byte) string {
	if len(rest) < idSize {
		return ""
	}
	return fmt.Sprintf("event type %s of %s", rest[idSize:], domain.OrganizationID(rest[:idSize]))
}

func showSubscriptionKey(what string) func([]byte) string {
	return func(rest []byte) string {
		if len(rest) != idSize {
			return ""
		}
		return what + " " + domain.SubscriptionID(rest).String()
	}
}

func showMemberKey(rest []byte) string {
	if len(rest) != 2*idSize {
		return ""
	}
	return fmt.Sprintf("subscription %s of %s", domain.SubscriptionID(rest[idSize:]), domain.OrganizationID(rest[:idSize]))
}

func showMessageKey(what string) func([]byte) string {
	return func(rest []byte) string {
		if len(rest) != idSize {
			return ""
		}
		return what + " " + domain.MessageID(rest).String()
	}
}

func showDeliveryKey(what string) func([]byte) string {
	return func(rest []byte) string {
		if len(rest) != dueKeySize-1 {
			return ""
		}
		return fmt.Sprintf("%s %s of %s", what, domain.DeliveryID(rest[idSize+8:]), domain.SubscriptionID(rest[:idSize]))
	}
}

func showFailureKey(rest []byte) string {
	if len(rest) != 2*idSize {
		return ""
	}
	high, low := ^binary.BigEndian.Uint64(rest[idSize:]), ^binary.BigEndian.Uint64(rest[idSize+8:])
	return fmt.Sprintf("failure of %s at %s", domain.SubscriptionID(rest[:idSize]), eventlog.PositionOf(high, low))
}

func showNothing(_, value []byte) (any, error) {
	if len(value) > 0 {
		return nil, errRow
	}
	return struct{}{}, nil
}

// hidden are the members that hold sealed values and hashes.
var hidden = map[string]bool{"secret": true, "previous_secret": true, "secret_hash": true, "previous_hash": true, "value": true}

func showDocument(_, value []byte) (any, error) {
	var document map[string]any
	if err := json.Unmarshal(value, &document); err != nil {
		return nil, errRow
	}
	hide(document)
	return document, nil
}

func hide(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if text, ok := member.(string); ok && hidden[name] {
				v[name] = "digest " + digest([]byte(text))
				continue
			}
			hide(member)
		}
	case []any:
		for _, element := range v {
			hide(element)
		}
	}
}

func showPlacedDocument(rest, value []byte) (any, error) {
	s, at, err := parseSubscription(value)
	if err != nil || s == nil {
		return nil, errRow
	}
	document, err := showDocument(rest, value[placeSize:])
	if err != nil {
		return nil, err
	}
	return map[string]any{"state": document, "position": at.String()}, nil
}

func showHealth(_, value []byte) (any, error) {
	h, err := parseHealth(value)
	return map[string]any{"off": h.Off, "consecutive": h.Consecutive, "failing_since": h.FailingSince, "since": h.Since, "limit": h.Limit}, err
}

func showDelivery(rest, value []byte) (any, error) {
	if len(rest) != dueKeySize-1 {
		return nil, errRow
	}
	r, err := parseRow(domain.SubscriptionID(rest[:idSize]), domain.DeliveryID(rest[idSize+8:]), value)
	if err != nil {
		return nil, err
	}
	return map[string]any{"message": r.Of.Message.String(), "organization": r.Of.Organization.String(), "event_type": r.Of.EventType,
		"published_at": r.Of.PublishedAt, "state": fmt.Sprint(r.State), "cancelled": r.cancelled, "round": r.Round,
		"attempts": r.Attempts, "round_attempts": r.RoundAttempts, "round_revision": r.RoundRevision, "due": r.Due, "next": r.Next,
		"offered": r.Offered, "offered_at": r.OfferedAt, "last_at": r.last.At, "last_took": r.last.Took.String(),
		"last_status": r.last.Status, "last_succeeded": r.last.Succeeded, "node": r.node, "opened": r.opened}, nil
}

func showFailure(rest, value []byte) (any, error) {
	if len(rest) != 2*idSize {
		return nil, errRow
	}
	f, err := parseFailure(domain.SubscriptionID(rest[:idSize]), value)
	return map[string]any{"id": f.ID, "event_type": f.EventType, "message": f.Message.String(), "status": f.Status,
		"attempt": f.Attempt, "http_status": f.HTTPStatus, "reason": f.Reason, "at": f.At}, err
}

func showDue(rest, value []byte) (any, error) {
	unsent, published, err := parseDueValue(value)
	if err != nil || len(rest) != dueKeySize-1 {
		return nil, errRow
	}
	eligible := time.UnixMicro(unsortable(binary.BigEndian.Uint64(rest[idSize:]))).UTC()
	return map[string]any{"eligible_at": eligible, "unsent": unsent, "published_at": time.UnixMilli(published).UTC()}, nil
}

func showFirst(_, value []byte) (any, error) {
	f, err := parseFirst(value)
	return map[string]any{"delivery": f.id, "number": f.order}, err
}

func showCorrection(_, value []byte) (any, error) {
	if len(value) == 0 {
		return map[string]any{"recorded": true}, nil
	}
	c, err := parseCorrection(value)
	if err != nil {
		return nil, err
	}
	targets := []string{}
	for _, t := range c.targets {
		targets = append(targets, t.Subscription.String())
	}
	return map[string]any{"recorded": false, "seen": c.seen, "targets": targets}, nil
}
