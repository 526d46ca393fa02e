package dispatcher

import (
	"fmt"

	"github.com/hooklog/hooklog/dispatcher/egress"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// recording is what came of a task's attempt, on its way into the log.
type recording struct {
	sent egress.Result
	wait func() (domain.Fact, eventlog.Position, error)
}

// record begins to record an attempt and what follows from it.
func (d *Dispatcher) record(t *task, a *attempt, sent egress.Result) {
	t.recording.sent = sent
	o, err := d.outcome(t, a, sent)
	if err != nil {
		t.recording.wait = func() (domain.Fact, eventlog.Position, error) { return nil, eventlog.Position{}, err }
		return
	}
	t.recording.wait = d.Recorder.RecordOutcomeLater(d.hard, t.known, o, a.policy, t.work.handed.ID)
}

// recorded returns when the outcome is durable, and tells of it.
func (d *Dispatcher) recorded(t *task) (eventlog.Position, error) {
	f, at, err := t.recording.wait()
	if err != nil {
		return at, fmt.Errorf("record the attempt of %s: %w", t.id, err)
	}
	d.tell(t, f, t.recording.sent)
	return at, nil
}

// settle ends a task, which has given its slot back, once its outcome is durable.
func (d *Dispatcher) settle(t *task) {
	at, err := d.recorded(t)
	if err != nil {
		d.lanes.unmake(t)
	}
	t.made.recorded(at)
	d.fault(t, err)
	t.work.pending.Done()
}

// runRecordings settles, one after the other, the tasks of those who go on with their next attempt at once. They become
// durable in this order, many of them together. It ends when nothing is handed out any more: then all are settled.
func (d *Dispatcher) runRecordings(consumed <-chan struct{}) {
	for {
		select {
		case t := <-d.recording:
			d.settle(t)
		case <-consumed:
			return
		}
	}
}
