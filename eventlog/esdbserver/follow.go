package esdbserver

import (
	"context"
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/hooklog/hooklog/eventlog"
)

// confirm is the first message of a subscription.
func (r *reading) confirm() error {
	return r.out.Send(&streams.ReadResp{Content: &streams.ReadResp_Confirmation{
		Confirmation: &streams.ReadResp_SubscriptionConfirmation{SubscriptionId: randomID().String()},
	}})
}

func (r *reading) caughtUp() error {
	return r.out.Send(&streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}})
}

// followStream sends what comes after a revision of a stream, for ever.
func (r *reading) followStream(o *streams.ReadReq_Options_StreamOptions) error {
	stream := named(o.GetStreamIdentifier())
	grown, done := r.watch.add(stream)
	defer done()
	next, err := r.firstOf(stream, o)
	if err == nil {
		err = r.confirm()
	}
	if err != nil {
		return err
	}
	for told := false; ; {
		for e, err := range r.config.Log.Read(r.ctx, stream, next) {
			if err != nil {
				return err
			}
			if err := r.show(&e); err != nil {
				return err
			}
			next = e.Revision + 1
		}
		if !told {
			told = true
			if err := r.caughtUp(); err != nil {
				return err
			}
		}
		select {
		case <-grown:
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
}

// firstOf is the first revision that a subscription shows: the one after the revision that the client names.
func (r *reading) firstOf(stream string, o *streams.ReadReq_Options_StreamOptions) (eventlog.Revision, error) {
	switch v := o.GetRevisionOption().(type) {
	case *streams.ReadReq_Options_StreamOptions_Revision:
		return eventlog.Revision(min(v.Revision, math.MaxInt64-1)) + 1, nil
	case *streams.ReadReq_Options_StreamOptions_End:
		state, err := r.config.Log.Stream(r.ctx, stream)
		return eventlog.Revision(state.Last + 1), err
	}
	return 0, nil
}

// followAll sends what comes after a position, for ever.
func (r *reading) followAll(o *streams.ReadReq_Options_AllOptions) error {
	f := feed{reading: r}
	head, err := r.config.Log.Head(r.ctx)
	if err != nil {
		return err
	}
	after := eventlog.Position{}
	switch v := o.GetAllOption().(type) {
	case *streams.ReadReq_Options_AllOptions_Position:
		after = placed(v.Position.GetCommitPosition())
	case *streams.ReadReq_Options_AllOptions_End:
		after = head
	}
	if err := r.confirm(); err != nil {
		return err
	}
	if f.skip = after; after.After(head) {
		after = head
	}
	f.told = position(after)
	return r.config.Log.Subscribe(r.ctx, after, f.receive)
}

// feed is a subscription to $all.
type feed struct {
	*reading
	live       bool
	skip       eventlog.Position // nothing up to here is shown
	considered uint64            // events since the last checkpoint
	last       uint64            // position of the last event that was considered
	told       uint64            // the last checkpoint
}

func (f *feed) receive(_ context.Context, b eventlog.Batch) error {
	for i := range b.Events {
		if err := f.consider(&b.Events[i]); err != nil {
			return err
		}
	}
	arrived := b.Live && !f.live
	f.live = b.Live
	if !arrived {
		return nil
	}
	if err := f.checkpoint(); err != nil {
		return err
	}
	return f.caughtUp()
}

func (f *feed) consider(e *eventlog.Recorded) error {
	f.last = position(e.Position)
	f.considered++
	if !hidden(e) && e.Position.After(f.skip) && f.search.admits(e) {
		if err := f.show(e); err != nil {
			return err
		}
	}
	if f.considered < f.search.interval {
		return nil
	}
	return f.checkpoint()
}

// checkpoint tells a client that filters how far the log was searched, if that is further than it was told.
func (f *feed) checkpoint() error {
	f.considered = 0
	if !f.search.filtered || f.last <= f.told {
		return nil
	}
	f.told = f.last
	return f.out.Send(&streams.ReadResp{Content: &streams.ReadResp_Checkpoint_{
		Checkpoint: &streams.ReadResp_Checkpoint{CommitPosition: f.last, PreparePosition: f.last},
	}})
}
