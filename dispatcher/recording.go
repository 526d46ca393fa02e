package dispatcher

import (
	"fmt"

	"github.com/hooklog/hooklog/dispatcher/egress"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// recording is an outcome on its way into the log. Its task has given its slot back.
type recording struct {
	task *task
	sent egress.Result
	wait func() (domain.Fact, eventlog.Position, error)
}

// record begins to record an attempt and what follows from it.
func (d *Dispatcher) record(t *task, a *attempt, sent egress.Result) *recording {
	o, err := d.outcome(t, a, sent)
	if err != nil {
		return &recording{t, sent, func() (domain.Fact, eventlog.Position, error) { return nil, eventlog.Position{}, err }}
	}
	return &recording{t, sent, d.Recorder.RecordOutcomeLater(d.hard, t.known, o, a.policy, t.work.handed.ID)}
}

// finish returns when the outcome is durable, and tells of it.
func (r *recording) finish(d *Dispatcher) (eventlog.Position, error) {
	f, at, err := r.wait()
	if err != nil {
		return at, fmt.Errorf("record the attempt of %s: %w", r.task.id, err)
	}
	d.tell(r.task, f, r.sent)
	return at, nil
}

// settle ends a task once its outcome is durable.
func (d *Dispatcher) settle(r *recording) {
	at, err := r.finish(d)
	if err != nil {
		d.lanes.unmake(r.task)
	}
	r.task.made.recorded(at)
	d.fault(r.task, err)
	r.task.work.pending.Done()
}

// runRecordings settles, one after the other, the outcomes of those who go on with their next attempt at once. They become
// durable in this order, many of them together. It ends when nothing is handed out any more: then all are settled.
func (d *Dispatcher) runRecordings(consumed <-chan struct{}) {
	for {
		select {
		case r := <-d.recording:
			d.settle(r)
		case <-consumed:
			return
		}
	}
}
