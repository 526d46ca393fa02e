package dispatcher

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hooklog/hooklog/dispatcher/egress"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/scratch"
	"github.com/hooklog/hooklog/webhook"
)

// maxAnswer is how much of a failed attempt's answer is recorded.
const maxAnswer = 1 << 10

// run makes the attempt of a task that holds a slot, then those of the tasks that the slot goes to.
func (d *Dispatcher) run(t *task) {
	for t != nil {
		t = d.runOne(t)
	}
}

// runOne makes one attempt, gives the slot back and returns a task that got a slot by it, or nil. A success gives its
// slot back before it is recorded, and the delivery stays in hand until the fold shows its end; a failure gives the slot
// back after this node has folded it, so that the attempts on the wire never exceed what may still fail.
func (d *Dispatcher) runOne(t *task) *task {
	body := scratch.Borrow()
	defer scratch.Return(body)
	a, wanted, err := d.prepare(d.hard, t, body)
	if !wanted {
		d.fault(t, err)
		return d.end(t, result{brake: d.brake(t.of.Subscription)})
	}
	sent := d.Sender.Post(d.hard, a.request)
	if ours(sent) {
		d.Logger.Error().Stringer("delivery", t.id).Str("reason", sent.Reason).Str("detail", sent.Detail).Msg("attempt not made")
		t.work.fail()
		return d.end(t, result{brake: d.brake(t.of.Subscription)})
	}
	r := result{succeeded: sent.Succeeded(), timedOut: sent.Reason == "timeout", took: sent.Duration}
	if r.succeeded {
		r.brake, r.underway = d.brake(t.of.Subscription), true
		next := d.finish(t, r)
		d.record(t, &a, sent)
		if next != nil {
			d.recording <- t
		} else {
			d.settle(t)
		}
		return next
	}
	d.record(t, &a, sent)
	at, err := d.recorded(t)
	if err == nil {
		err = d.Fold.WaitFor(d.hard, at)
	}
	d.fault(t, err)
	r.brake, r.recorded = d.brake(t.of.Subscription), err == nil
	return d.end(t, r)
}

// fault hands the task's fact back if there is an error.
func (d *Dispatcher) fault(t *task, err error) {
	if err != nil {
		t.work.fail()
		d.logFault(d.hard, err, t.work.handed)
	}
}

// end gives a slot back at the very end of a task.
func (d *Dispatcher) end(t *task, r result) *task {
	next := d.finish(t, r)
	t.work.pending.Done()
	return next
}

// finish gives a slot back and lets the tasks run that can: all but one on goroutines of their own.
func (d *Dispatcher) finish(t *task, r result) *task {
	next := d.lanes.finish(t, r)
	if len(next) == 0 {
		return nil
	}
	for _, n := range next[1:] {
		go d.run(n)
	}
	return next[0]
}

// ours reports whether an attempt failed for a reason of this process: its end, or its want of files and ports. Such
// an attempt says nothing of the receiver and is not recorded; the fact is handed out again.
func ours(sent egress.Result) bool {
	return sent.Reason == canceledReason || sent.Reason == localReason
}

const (
	canceledReason = "http_error:" + string(egress.KindCanceled)
	localReason    = "http_error:" + string(egress.KindLocal)
)

// attempt is a signed request and what is to be recorded of it.
type attempt struct {
	request   egress.Request
	policy    domain.Policy
	revision  uint64
	startedAt time.Time
}

// overtaken reports whether another node has attempted a task's delivery, or a new round begun, while the task waited for
// its slot. This node itself keeps a delivery in hand that long.
func (d *Dispatcher) overtaken(t *task) (bool, error) {
	if d.Alone || t.queuedAt.IsZero() {
		return false, nil
	}
	now, found, err := d.Fold.Delivery(t.of)
	return !found || !now.Open() || now.Round != t.known.Round || now.Attempts != t.known.Attempts, err
}

// prepare opens, envelopes into body and signs. It reports false if there was an error, or if the attempt is no longer
// wanted: somebody else made it, or its subscription has ended the delivery's round.
func (d *Dispatcher) prepare(ctx context.Context, t *task, body *[]byte) (a attempt, wanted bool, err error) {
	if overtaken, err := d.overtaken(t); overtaken || err != nil {
		return a, false, err
	}
	s, ok := d.Fold.Subscription(t.of.Subscription)
	if !ok || !s.Active() {
		return a, false, nil
	}
	if _, closed := s.ClosedAfter(t.known.RoundRevision); closed {
		return a, false, nil
	}
	policy, ok := d.Fold.Policy(s.ID)
	if !ok {
		return a, false, fmt.Errorf("%s has no policy", s.ID)
	}
	r, err := d.recipient(ctx, s, policy.Profile)
	if err != nil {
		return a, false, err
	}
	m, err := d.message(ctx, t, r)
	if err != nil {
		return a, false, err
	}
	if *body, err = policy.Profile.AppendBody(*body, m); err != nil {
		return a, false, fmt.Errorf("envelope of %s: %w", t.id, err)
	}
	now := time.Now()
	var space [8]webhook.Field
	fields, err := policy.Profile.AppendHeaders(space[:0], webhook.Attempt{Message: m, Body: *body, At: now,
		Delivery: t.id.UUID(), Keys: r.signing(now)})
	if err != nil {
		return a, false, fmt.Errorf("sign %s: %w", t.id, err)
	}
	request := egress.Request{URL: r.url, Header: join(fields, r.headers), Body: *body, Timeout: policy.Timeout}
	return attempt{request, policy, s.Revision, now}, true, nil
}

// message is the task's message, opened once for all tasks of the fact.
func (d *Dispatcher) message(ctx context.Context, t *task, to *recipient) (webhook.Message, error) {
	w := t.work
	w.opening.Do(func() { w.opened, w.unopened = d.openMessage(ctx, w, t.of.Organization) })
	m := w.opened
	m.SubscriptionID = to.id
	return m, w.unopened
}

// openMessage reads a fact's message, if the fact is not it, and opens it.
func (d *Dispatcher) openMessage(ctx context.Context, w *work, org domain.OrganizationID) (m webhook.Message, err error) {
	f := w.published
	if f == nil {
		if f, err = d.Recorder.LoadPublished(ctx, w.message); err != nil {
			return m, fmt.Errorf("read %s: %w", w.message, err)
		}
	}
	key, err := d.Recorder.DataKey(ctx, org)
	if err != nil {
		return m, err
	}
	id := w.message.String()
	data, err := key.Open(f.Payload, []byte(id))
	if err != nil {
		return m, fmt.Errorf("open the data of %s: %w", id, err)
	}
	return webhook.Message{Type: f.EventType, ID: id, OccurredAt: f.OccurredAt, Data: data}, nil
}

// join puts a subscription's own headers after the profile's; a subscription may replace the User-Agent.
func join(profile []webhook.Field, own []egress.Field) []egress.Field {
	fields := make([]egress.Field, 0, len(profile)+len(own))
	for _, f := range profile {
		replaced := slices.ContainsFunc(own, func(o egress.Field) bool { return strings.EqualFold(o.Name, f.Name) })
		if !replaced {
			fields = append(fields, egress.Field(f))
		}
	}
	return append(fields, own...)
}

func (d *Dispatcher) outcome(t *task, a *attempt, sent egress.Result) (domain.Outcome, error) {
	sum := sha256.Sum256(a.request.Body)
	o := domain.Outcome{StartedAt: a.startedAt, Took: sent.Duration, Status: sent.Status, BodySHA256: sum[:],
		Reason: sent.Reason, Refused: sent.Refused, RetryAfter: sent.RetryAfter, Address: sent.Address, Revision: a.revision}
	if o.Reason == "" || len(sent.Body) == 0 {
		return o, nil
	}
	key, err := d.Recorder.DataKey(d.hard, t.of.Organization)
	if err != nil {
		return o, err
	}
	o.Answer, err = key.Seal(sent.Body[:min(len(sent.Body), maxAnswer)], []byte(t.id.String()))
	if err != nil {
		return o, fmt.Errorf("seal the answer to %s: %w", t.id, err)
	}
	return o, nil
}

// tell writes the attempt's log line and feeds the metrics.
func (d *Dispatcher) tell(t *task, f domain.Fact, sent egress.Result) {
	o := Observation{Fact: f, Accepted: t.of.PublishedAt, Took: sent.Duration}
	line := d.Logger.Info()
	switch f := f.(type) {
	case *domain.AttemptSucceeded:
		o.First = f.Number == 1
		line = line.Int("attempt", f.Number).Str("outcome", "succeeded")
	case *domain.AttemptFailed:
		o.First = f.Number == 1
		line = line.Int("attempt", f.Number).Str("outcome", "failed").Str("reason", f.Reason)
		if f.Dead {
			line = line.Bool("dead", true)
		} else if !f.NextAttemptAt.IsZero() {
			line = line.Time("due", f.NextAttemptAt)
		}
		if sent.Detail != "" {
			line = line.Str("detail", sent.Detail)
		}
	}
	var space [64]byte
	id, _ := t.id.AppendText(space[:0]) // which never fails
	line = line.Bytes("delivery", id)
	id, _ = t.of.Message.AppendText(space[:0])
	line = line.Bytes("event_id", id)
	id, _ = t.of.Subscription.AppendText(space[:0])
	line = line.Bytes("subscription", id)
	line.Int("status", sent.Status).Dur("took", sent.Duration).Msg("attempt finished")
	d.Observe(o)
}

// pulse wakes whoever waits for a channel of capacity 1.
func pulse(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
