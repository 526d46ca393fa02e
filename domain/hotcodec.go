package domain

// The facts of which every delivery has some, and the metadata of all, are written and read by hand: encoding/json
// costs six times as much. Each layout below is the JSON text that encoding/json writes for the fact, with its values
// between; a text that differs from it in the least is read by encoding/json, so nothing depends on the layouts but
// speed.

// writeHot appends a fact's data to b if the fact is hot and has a plain spelling.
func writeHot(b []byte, f Fact) ([]byte, bool) {
	t := tape{text: b}
	known := t.fact(f)
	return t.text, known && !t.bad
}

// readHot reads data into f, a zero fact, if it is exactly what writeHot appends. Otherwise f is spoilt. In outline the
// members of bytes are checked and left out.
func readHot(f Fact, data []byte, how depth) bool {
	t := tape{text: data, reading: true, depth: how}
	return t.fact(f) && !t.bad && len(t.text) == 0
}

// isHot reports whether facts of f's type are written and read by hand.
func isHot(f Fact) bool { return new(tape).fact(f) }

// fact passes the layout of a hot fact; false if it is none.
func (t *tape) fact(f Fact) bool {
	switch f := f.(type) {
	case *MessagePublished:
		t.messagePublished(f)
	case *MessageTargets:
		t.messageTargets(f)
	case *AttemptSucceeded:
		t.attempt(&f.Attempt)
		t.lead(`}`)
	case *AttemptFailed:
		t.attemptFailed(f)
	case *RetryDue:
		t.retryDue(f)
	default:
		return false
	}
	return true
}

// hotSize is about how many bytes a fact's data will have: most have a few less.
func hotSize(f Fact) int {
	switch f := f.(type) {
	case *MessagePublished:
		return 288 + len(f.Payload)*4/3 + 48*len(f.Targets) + 96*len(f.Withheld)
	case *MessageTargets:
		return 192 + 48*len(f.Targets)
	case *AttemptFailed:
		return 640 + len(f.Answer)*4/3
	case *RetryDue:
		return 352
	}
	return 512
}

func (t *tape) messagePublished(f *MessagePublished) {
	t.lead(`{"organization":"`)
	identity(t, &f.Organization)
	t.lead(`,"event_type":"`)
	t.string(&f.EventType)
	if t.has(`,"client":"`, f.Client != "") {
		t.string(&f.Client)
	}
	t.lead(`,"occurred_at":"`)
	t.time(&f.OccurredAt)
	f.OccurredGiven = t.has(`,"occurred_given":true`, f.OccurredGiven)
	t.lead(`,"payload":"`)
	t.base64(&f.Payload)
	t.lead(`,"payload_sha256":"`)
	t.base64(&f.PayloadSHA256)
	t.lead(`,"targets":[`)
	t.targets(&f.Targets)
	t.lead(`,"total":`)
	number(t, &f.Total)
	f.Only = t.has(`,"only":true`, f.Only)
	t.withheld(f)
	t.lead(`,"seen":`)
	number(t, &f.Seen)
	t.lead(`}`)
}

func (t *tape) messageTargets(f *MessageTargets) {
	t.lead(`{"organization":"`)
	identity(t, &f.Organization)
	t.lead(`,"event_type":"`)
	t.string(&f.EventType)
	t.lead(`,"published_at":"`)
	t.time(&f.PublishedAt)
	t.lead(`,"targets":[`)
	t.targets(&f.Targets)
	t.lead(`}`)
}

func (t *tape) withheld(f *MessagePublished) {
	if t.has(`,"withheld":[`, len(f.Withheld) > 0) {
		for i := 0; !t.bad; i++ {
			if t.reading {
				f.Withheld = append(f.Withheld, Withheld{})
			}
			t.lead(`{"subscription":"`)
			identity(t, &f.Withheld[i].Subscription)
			t.lead(`,"why":"`)
			t.string((*string)(&f.Withheld[i].Why))
			t.lead(`}`)
			if !t.has(`,`, i+1 < len(f.Withheld)) {
				break
			}
		}
		t.lead(`]`)
	}
	if t.has(`,"withheld_total":`, f.WithheldTotal != 0) {
		number(t, &f.WithheldTotal)
	}
}

func (t *tape) deliveryOf(d *DeliveryOf) {
	t.lead(`{"message":"`)
	identity(t, &d.Message)
	t.lead(`,"subscription":"`)
	identity(t, &d.Subscription)
	t.lead(`,"organization":"`)
	identity(t, &d.Organization)
	t.lead(`,"event_type":"`)
	t.string(&d.EventType)
	t.lead(`,"published_at":"`)
	t.time(&d.PublishedAt)
}

func (t *tape) attempt(a *Attempt) {
	t.deliveryOf(&a.DeliveryOf)
	t.lead(`,"round":`)
	number(t, &a.Round)
	t.lead(`,"attempt":`)
	number(t, &a.Number)
	t.lead(`,"started_at":"`)
	t.time(&a.StartedAt)
	t.lead(`,"took_us":`)
	number(t, &a.TookMicros)
	if t.has(`,"status":`, a.Status != 0) {
		number(t, &a.Status)
	}
	if t.has(`,"address":"`, a.Address != "") {
		t.string(&a.Address)
	}
	if t.has(`,"body_sha256":"`, len(a.BodySHA256) > 0) {
		t.base64(&a.BodySHA256)
	}
	t.lead(`,"revision":`)
	number(t, &a.Revision)
	t.lead(`,"round_revision":`)
	number(t, &a.RoundRevision)
	a.Extra = t.has(`,"extra":true`, a.Extra)
}

func (t *tape) attemptFailed(f *AttemptFailed) {
	t.attempt(&f.Attempt)
	t.lead(`,"reason":"`)
	t.string(&f.Reason)
	if t.has(`,"answer":"`, len(f.Answer) > 0) {
		t.base64(&f.Answer)
	}
	f.Dead = t.has(`,"dead":true`, f.Dead)
	if t.has(`,"next_attempt_at":"`, !f.NextAttemptAt.IsZero()) {
		t.time(&f.NextAttemptAt)
	}
	if t.has(`,"delay":`, f.Delay != nil) {
		if t.reading {
			f.Delay = new(Delay)
		}
		t.delay(f.Delay)
	}
	t.lead(`}`)
}

func (t *tape) delay(d *Delay) {
	t.lead(`{"scheduled":"`)
	t.duration(&d.Scheduled)
	if t.has(`,"jitter":"`, d.Jitter != 0) {
		t.duration(&d.Jitter)
	}
	if t.has(`,"retry_after":"`, d.RetryAfter != 0) {
		t.duration(&d.RetryAfter)
	}
	t.lead(`}`)
}

func (t *tape) retryDue(f *RetryDue) {
	t.deliveryOf(&f.DeliveryOf)
	t.lead(`,"round":`)
	number(t, &f.Round)
	t.lead(`,"attempt":`)
	number(t, &f.Number)
	t.lead(`,"due_at":"`)
	t.time(&f.DueAt)
	t.lead(`,"round_revision":`)
	number(t, &f.RoundRevision)
	t.lead(`}`)
}

// meta passes the metadata up to its closing brace, before which a MAC may follow.
func (t *tape) meta(m *Meta) {
	t.lead(`{"at":"`)
	t.time(&m.At)
	if t.has(`,"actor":"`, m.Actor != "") {
		t.string(&m.Actor)
	}
	if t.has(`,"correlation":"`, m.Correlation != "") {
		t.remark(&m.Correlation)
	}
	if t.has(`,"causation":"`, m.Causation != "") {
		t.remark(&m.Causation)
	}
}

// writeHotMeta writes metadata if it has a plain spelling.
func writeHotMeta(b []byte, m Meta) ([]byte, bool) {
	t := tape{text: b}
	t.meta(&m)
	t.lead(`}`)
	return t.text, !t.bad
}

// readHotMeta reads what writeHotMeta writes, with or without a MAC.
func readHotMeta(b []byte, how depth) (m Meta, ok bool) {
	t := tape{text: b, reading: true, depth: how}
	t.meta(&m)
	if t.has(macOpen, false) {
		t.bad = !plainText(t.quoted()) || t.bad
	}
	t.lead(`}`)
	return m, !t.bad && len(t.text) == 0
}
