package projections

import (
	"encoding/binary"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// The keyspaces: the first byte of every key, but for its highest bit, which is the colour. Functions that make keys
// take that byte as [models.in] returns it.
const (
	metaSpace         byte = iota
	organizationSpace      // organization → its state and how many subscription facts it has seen
	keySpace               // key id → its state
	eventTypeSpace         // organization, name → its state
	subscriptionSpace      // subscription → its state and the place of its last fact
	memberSpace            // organization, subscription → nothing: every subscription that it ever had
	healthSpace            // subscription → its health
	deliverySpace          // subscription, time of publishing, delivery → how it stands
	messageSpace           // message → nothing: so that a delivery's id leads to its message
	failureSpace           // subscription, position downwards → a failed attempt
	dueSpace               // subscription, eligible time, delivery → where the delivery's row is
	correctionSpace        // message → the right targets
	auditSpace             // see audit.go
	recoverySpace          // recovery → how it stands, until it ends
	toldSpace              // subscription → what was noticed of it since its last success
	turnSpace              // time, fact, cause → a turn of which no notice was decided
	noticeSpace            // notice → how an open one stands
	noticeDueSpace         // eligible time, notice → nothing: the open ones
	summarySpace           // notice of a summary → what it tells together
	orderSpace             // subscription → the first open one of its deliveries in strict order
	clientSpace            // organization, client → nothing: every folder that a message named
)

// maxSpaces is more than the number of keyspaces.
const maxSpaces = 32

const idSize = 16

func subscriptionKey(space byte, id domain.SubscriptionID) []byte {
	return append([]byte{space}, id[:]...)
}

// after returns the first key that does not begin with prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return spacesEnd
}

func organizationKey(space byte, id domain.OrganizationID) []byte {
	return append([]byte{space}, id[:]...)
}

func apiKeyKey(space byte, id domain.KeyID) []byte { return append([]byte{space}, id...) }

func eventTypeKey(space byte, org domain.OrganizationID, name string) []byte {
	return append(append([]byte{space}, org[:]...), name...)
}

func memberKey(space byte, org domain.OrganizationID, id domain.SubscriptionID) []byte {
	return append(append([]byte{space}, org[:]...), id[:]...)
}

// messageKey is the key of a message, or of its correction.
func messageKey(space byte, id domain.MessageID) []byte { return append([]byte{space}, id[:]...) }

// sortable maps a signed number to one whose bytes sort the same.
func sortable(n int64) uint64 { return uint64(n) ^ 1<<63 }

func unsortable(n uint64) int64 { return int64(n ^ 1<<63) }

// appendDeliveryKey lays the deliveries of a subscription out in the order in which they were published.
func appendDeliveryKey(b []byte, space byte, sub domain.SubscriptionID, publishedMillis int64, id domain.DeliveryID) []byte {
	b = append(append(b, space), sub[:]...)
	b = binary.BigEndian.AppendUint64(b, sortable(publishedMillis))
	return append(b, id[:]...)
}

// appendDueKey lays the open deliveries of a subscription out in the order in which they may be offered.
func appendDueKey(b []byte, space byte, sub domain.SubscriptionID, eligible time.Time, id domain.DeliveryID) []byte {
	b = append(append(b, space), sub[:]...)
	b = binary.BigEndian.AppendUint64(b, sortable(eligible.UnixMicro()))
	return append(b, id[:]...)
}

// dueKeySize is the length of every key of the due index.
const dueKeySize = 1 + idSize + 8 + idSize

func parseDueKey(key []byte) (sub domain.SubscriptionID, eligible time.Time, id domain.DeliveryID, ok bool) {
	if len(key) != dueKeySize {
		return sub, eligible, id, false
	}
	copy(sub[:], key[1:])
	copy(id[:], key[1+idSize+8:])
	return sub, time.UnixMicro(unsortable(binary.BigEndian.Uint64(key[1+idSize:]))).UTC(), id, true
}

// appendFailureKey lays the failed attempts of a subscription out from the latest to the first.
func appendFailureKey(b []byte, space byte, sub domain.SubscriptionID, p eventlog.Position) []byte {
	b = append(append(b, space), sub[:]...)
	high, low := p.Halves()
	b = binary.BigEndian.AppendUint64(b, ^high)
	return binary.BigEndian.AppendUint64(b, ^low)
}
