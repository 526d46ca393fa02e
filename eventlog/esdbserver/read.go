package esdbserver

import (
	"context"
	"errors"
	"iter"
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/hooklog/hooklog/eventlog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// reading is one call of Read.
type reading struct {
	*streamService
	ctx      context.Context
	out      streams.Streams_ReadServer
	options  *streams.ReadReq_Options
	links    resolver
	search   search
	asString bool
}

// Read reads or follows, as the request's options say.
func (s *streamService) Read(req *streams.ReadReq, out streams.Streams_ReadServer) error {
	ctx, cancel := s.while(out.Context())
	defer cancel()
	o := req.GetOptions()
	r := reading{
		streamService: s, ctx: ctx, out: out, options: o,
		links: resolver{log: s.config.Log, resolve: o.GetResolveLinks()},
	}
	if err := r.prepare(); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	err := r.run()
	if s.life.Err() != nil {
		err = eventlog.ErrClosed
	}
	return s.refusal(out.Context(), "read", named(o.GetStream().GetStreamIdentifier()), err)
}

// prepare checks the options that all ways of reading share.
func (r *reading) prepare() (err error) {
	switch r.options.GetUuidOption().GetContent().(type) {
	case *streams.ReadReq_Options_UUIDOption_Structured:
	case *streams.ReadReq_Options_UUIDOption_String_:
		r.asString = true
	default:
		return errors.New("the form of the event ids is missing")
	}
	r.search, err = readSearch(r.options.GetFilter())
	if err != nil {
		return err
	}
	_, following := r.options.GetCountOption().(*streams.ReadReq_Options_Subscription)
	_, all := r.options.GetStreamOption().(*streams.ReadReq_Options_All)
	switch {
	case r.options.GetCountOption() == nil:
		return errors.New("neither a count nor a subscription is asked for")
	case r.options.GetStreamOption() == nil:
		return errors.New("neither a stream nor $all is asked for")
	case following && r.backwards():
		return errors.New("a subscription cannot go backwards")
	case r.search.filtered && !all:
		return errors.New("only $all can be filtered")
	case r.search.filtered && following && r.search.interval == 0:
		return errors.New("the interval between checkpoints must be above 0")
	}
	if all {
		return nil
	}
	return checkStream(named(r.options.GetStream().GetStreamIdentifier()))
}

func (r *reading) backwards() bool {
	return r.options.GetReadDirection() == streams.ReadReq_Options_Backwards
}

func (r *reading) run() error {
	_, following := r.options.GetCountOption().(*streams.ReadReq_Options_Subscription)
	all := r.options.GetAll()
	switch {
	case following && all != nil:
		return r.followAll(all)
	case following:
		return r.followStream(r.options.GetStream())
	case all != nil:
		return r.send(r.all(all))
	}
	return r.readStream(r.options.GetStream())
}

// send sends as many of the events as were asked for.
func (r *reading) send(events iter.Seq2[eventlog.Recorded, error]) error {
	left := r.options.GetCount()
	if left == 0 {
		return nil
	}
	for e, err := range events {
		if err != nil {
			return err
		}
		if !r.search.admits(&e) {
			continue
		}
		if err := r.show(&e); err != nil {
			return err
		}
		if left--; left == 0 {
			break
		}
	}
	return nil
}

// show sends one event.
func (r *reading) show(e *eventlog.Recorded) error {
	f, err := r.links.follow(r.ctx, e)
	if err != nil {
		return err
	}
	return r.out.SendMsg(&eventMessage{found: f, asString: r.asString})
}

// all yields $all from where the client wants to begin, which is included forwards and not backwards.
func (r *reading) all(o *streams.ReadReq_Options_AllOptions) iter.Seq2[eventlog.Recorded, error] {
	from := uint64(0)
	switch v := o.GetAllOption().(type) {
	case *streams.ReadReq_Options_AllOptions_Position:
		from = v.Position.GetCommitPosition()
	case *streams.ReadReq_Options_AllOptions_End:
		from = math.MaxUint64
	}
	if r.backwards() {
		return r.config.Log.ReadAllBack(r.ctx, placed(from))
	}
	return func(yield func(eventlog.Recorded, error) bool) {
		for e, err := range r.config.Log.ReadAll(r.ctx, before(from)) {
			if errors.Is(err, eventlog.ErrAhead) {
				return
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (r *reading) readStream(o *streams.ReadReq_Options_StreamOptions) error {
	stream := named(o.GetStreamIdentifier())
	state, err := r.config.Log.Stream(r.ctx, stream)
	if err != nil {
		return err
	}
	if state.Tombstoned {
		return eventlog.ErrStreamDeleted
	}
	if state.Last == eventlog.NoStream || state.Deleted() {
		return r.out.Send(&streams.ReadResp{Content: &streams.ReadResp_StreamNotFound_{
			StreamNotFound: &streams.ReadResp_StreamNotFound{StreamIdentifier: identifier(stream)},
		}})
	}
	return r.send(r.stream(stream, o, eventlog.Revision(state.Last)))
}

// stream yields a stream from where the client wants to begin.
func (r *reading) stream(stream string, o *streams.ReadReq_Options_StreamOptions, last eventlog.Revision) iter.Seq2[eventlog.Recorded, error] {
	from := eventlog.Revision(0)
	switch v := o.GetRevisionOption().(type) {
	case *streams.ReadReq_Options_StreamOptions_Revision:
		from = eventlog.Revision(v.Revision)
	case *streams.ReadReq_Options_StreamOptions_End:
		from = last
		if !r.backwards() {
			from = last + 1
		}
	}
	if r.backwards() {
		return r.config.Log.ReadBack(r.ctx, stream, from)
	}
	return r.config.Log.Read(r.ctx, stream, from)
}
