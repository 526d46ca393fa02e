package domain

import "encoding/json"

// States that a start reads by the hundred thousand are read by hand, as hot facts are: each layout below is the JSON text
// that encoding/json writes for the state, and whatever differs from it, schemas, filters and escapes among it, is read
// by encoding/json.

// ReadSubscription reads the JSON text of a subscription.
func ReadSubscription(text []byte) (*Subscription, error) {
	return readState(text, (*tape).subscription)
}

// ReadEventType reads the JSON text of an event type.
func ReadEventType(text []byte) (*EventType, error) { return readState(text, (*tape).eventType) }

func readState[T any](text []byte, layout func(*tape, *T)) (*T, error) {
	if read, ok := readHotState(text, layout); ok {
		return read, nil
	}
	read := new(T)
	return read, json.Unmarshal(text, read)
}

// readHotState reads a state if the text is exactly its layout.
func readHotState[T any](text []byte, layout func(*tape, *T)) (*T, bool) {
	t, read := tape{text: text, reading: true}, new(T)
	layout(&t, read)
	return read, !t.bad && len(t.text) == 0
}

func (t *tape) subscription(s *Subscription) {
	t.lead(`{"id":"`)
	identity(t, &s.ID)
	t.lead(`,"organization":"`)
	identity(t, &s.Organization)
	t.lead(`,"revision":`)
	number(t, &s.Revision)
	t.subscriptionSettings(&s.SubscriptionSettings)
	t.lead(`,"secret":"`)
	t.base64(&s.Secret)
	if t.has(`,"previous_secret":"`, len(s.PreviousSecret) > 0) {
		t.base64(&s.PreviousSecret)
	}
	if t.has(`,"previous_until":"`, !s.PreviousUntil.IsZero()) {
		t.time(&s.PreviousUntil)
	}
	t.lead(`,"created_at":"`)
	t.time(&s.CreatedAt)
	if t.has(`,"updated_at":"`, !s.UpdatedAt.IsZero()) {
		t.time(&s.UpdatedAt)
	}
	if t.has(`,"disabled":`, s.Disabled != nil) {
		if t.reading {
			s.Disabled = new(Disabling)
		}
		t.disabling(s.Disabled)
	}
	s.Deleted = t.has(`,"deleted":true`, s.Deleted)
	t.lead(`,"lifecycle":`)
	number(t, &s.Lifecycle)
	if t.has(`,"closures":[`, len(s.Closures) > 0) {
		list(t, &s.Closures, (*tape).closure)
	}
	t.lead(`}`)
}

func (t *tape) subscriptionSettings(s *SubscriptionSettings) {
	t.lead(`,"url":"`)
	t.string(&s.URL)
	t.lead(`,"events":[`)
	t.bad = t.bad || !t.reading && s.Events == nil
	list(t, &s.Events, (*tape).stringItem)
	if t.has(`,"clients":[`, len(s.Clients) > 0) {
		list(t, &s.Clients, (*tape).stringItem)
	}
	if t.has(`,"name":"`, s.Name != "") {
		t.string(&s.Name)
	}
	if t.has(`,"description":"`, s.Description != "") {
		t.string(&s.Description)
	}
	if t.has(`,"email":"`, s.Email != "") {
		t.string(&s.Email)
	}
	if t.has(`,"headers":[`, len(s.Headers) > 0) {
		list(t, &s.Headers, (*tape).sealedHeader)
	}
	if t.has(`,"retry_schedule":[`, len(s.RetrySchedule) > 0) {
		list(t, &s.RetrySchedule, (*tape).durationItem)
	}
	if t.has(`,"timeout":"`, s.Timeout != 0) {
		t.duration(&s.Timeout)
	}
	if t.has(`,"rate_limit":"`, !s.RateLimit.IsZero()) {
		t.rate(&s.RateLimit)
	}
	t.bad = t.bad || !t.reading && s.Filter != nil
	s.Ordered = t.has(`,"ordered":true`, s.Ordered)
}

func (t *tape) sealedHeader(h *SealedHeader) {
	t.lead(`{"name":"`)
	t.string(&h.Name)
	t.lead(`,"value":"`)
	t.base64(&h.Value)
	t.lead(`}`)
}

func (t *tape) disabling(d *Disabling) {
	t.lead(`{"by":"`)
	t.string((*string)(&d.By))
	t.lead(`,"at":"`)
	t.time(&d.At)
	t.lead(`}`)
}

func (t *tape) closure(c *Closure) {
	t.lead(`{"revision":`)
	number(t, &c.Revision)
	t.lead(`,"at":"`)
	t.time(&c.At)
	c.Deleted = t.has(`,"deleted":true`, c.Deleted)
	if t.has(`,"by":"`, c.By != "") {
		t.string((*string)(&c.By))
	}
	t.lead(`}`)
}

func (t *tape) eventType(e *EventType) {
	t.lead(`{"organization":"`)
	identity(t, &e.Organization)
	t.lead(`,"name":"`)
	t.string(&e.Name)
	if t.has(`,"description":"`, e.Description != "") {
		t.string(&e.Description)
	}
	if t.has(`,"category":"`, e.Category != "") {
		t.string(&e.Category)
	}
	t.bad = t.bad || !t.reading && len(e.Example)+len(e.Schema) > 0
	t.lead(`,"created_at":"`)
	t.time(&e.CreatedAt)
	if t.has(`,"retired_at":"`, !e.RetiredAt.IsZero()) {
		t.time(&e.RetiredAt)
	}
	t.lead(`}`)
}
