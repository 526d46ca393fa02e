package esdbserver

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdbwire"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// batchPart is a BatchAppendReq.
type batchPart struct {
	correlation []byte // an id, as it is answered
	options     *batchOptions
	events      []proposal
	final       bool
}

// proposal is an event that is to be appended, or why it cannot be.
type proposal struct {
	eventlog.Event
	err error
}

// batchOptions are the options of an append.
type batchOptions struct {
	stream   string
	expected eventlog.Expected
	expects  bool // expected is a revision
	limited  bool // by until, or by within if that is zero
	within   time.Duration
	until    time.Time
}

// Parse implements [esdbwire.Read].
func (p *batchPart) Parse(b []byte) error {
	for f, err := range esdbwire.Fields(b) {
		if err != nil {
			return err
		}
		switch f.Number {
		case 1: // correlation_id
			p.correlation = f.Bytes
		case 2: // options
			p.options = new(batchOptions)
			err = p.options.parse(f.Bytes)
		case 3: // proposed_messages
			var e proposal
			err = e.parse(f.Bytes)
			p.events = append(p.events, e)
		case 4: // is_final
			p.final = f.N != 0
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *batchOptions) parse(b []byte) error {
	for f, err := range esdbwire.Fields(b) {
		if err != nil {
			return err
		}
		switch f.Number {
		case 1: // stream_identifier
			o.stream, err = parseStream(f.Bytes)
		case 2: // stream_position
			o.expected, o.expects = exactly(f.N)
		case 3: // no_stream
			o.expected, o.expects = eventlog.NoStream, true
		case 4: // any
			o.expected, o.expects = eventlog.Any, true
		case 5: // stream_exists
			o.expected, o.expects = eventlog.StreamExists, true
		case 6: // deadline_21_10_0
			var at timestamppb.Timestamp
			at.Seconds, at.Nanos, err = parseTime(f.Bytes)
			o.limited, o.until = true, at.AsTime()
		case 7: // deadline
			var d durationpb.Duration
			d.Seconds, d.Nanos, err = parseTime(f.Bytes)
			o.limited, o.within, o.until = true, d.AsDuration(), time.Time{}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parseTime reads seconds and nanoseconds.
func parseTime(b []byte) (seconds int64, nanos int32, err error) {
	for f, err := range esdbwire.Fields(b) {
		switch {
		case err != nil:
			return 0, 0, err
		case f.Number == 1:
			seconds = int64(f.N)
		case f.Number == 2:
			nanos = int32(f.N)
		}
	}
	return seconds, nanos, nil
}

// deadline is the client's, in either of its forms; without one there is none.
func (o *batchOptions) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	switch {
	case o == nil || !o.limited:
		return context.WithCancel(ctx)
	case o.until.IsZero():
		return context.WithTimeout(ctx, o.within)
	}
	return context.WithDeadline(ctx, o.until)
}

// expectation is what is expected of the stream.
func (o *batchOptions) expectation() (eventlog.Expected, error) {
	if o == nil || !o.expects {
		return 0, fmt.Errorf("%w: the expected revision is missing or no revision", eventlog.ErrInvalid)
	}
	return o.expected, nil
}

func (e *proposal) parse(b []byte) error {
	kinds, contents := false, false
	e.Opaque = true
	id := errNoID
	for f, err := range esdbwire.Fields(b) {
		if err != nil {
			return err
		}
		switch f.Number {
		case 1: // id
			e.ID, id, err = parseID(f.Bytes)
		case 2: // metadata
			var key, value []byte
			switch key, value, err = esdbwire.Entry(f.Bytes); string(key) {
			case typeKey:
				e.Type, kinds = string(value), true
			case contentKey:
				e.Opaque, contents = string(value) != jsonContent, true
			}
		case 3: // custom_metadata
			e.Metadata = f.Bytes
		case 4: // data
			e.Data = f.Bytes
		}
		if err != nil {
			return err
		}
	}
	switch {
	case !kinds, !contents:
		e.err = errMissingMetadata
	case id != nil:
		e.err = fmt.Errorf("%w: %w", eventlog.ErrInvalid, id)
	}
	return nil
}

// parseID reads an id in either form. It says apart from malformed bytes why they are no id.
func parseID(b []byte) (id eventlog.ID, none, malformed error) {
	none = errNoID
	for f, err := range esdbwire.Fields(b) {
		if err != nil {
			return id, none, err
		}
		switch f.Number {
		case idStructured:
			id, none = eventlog.ID{}, nil
			for half, err := range esdbwire.Fields(f.Bytes) {
				if err != nil {
					return id, none, err
				}
				switch half.Number {
				case idMost:
					binary.BigEndian.PutUint64(id[:], half.N)
				case idLeast:
					binary.BigEndian.PutUint64(id[8:], half.N)
				}
			}
		case idString:
			id, none = eventlog.ParseID(strings.ToLower(string(f.Bytes)))
		}
	}
	return id, none, nil
}

func parseStream(b []byte) (name string, err error) {
	for f, err := range esdbwire.Fields(b) {
		if err != nil {
			return "", err
		}
		if f.Number == streamName {
			name = string(f.Bytes)
		}
	}
	return name, nil
}

// batchAnswer is a BatchAppendResp.
type batchAnswer struct {
	correlation []byte
	options     *batchOptions
	at          put
	failed      *spb.Status
}

// Most implements [esdbwire.Written].
func (a *batchAnswer) Most() int {
	n := otherBytes + len(a.correlation)
	if a.options != nil {
		n += len(a.options.stream)
	}
	if a.failed != nil {
		n += proto.Size(a.failed)
	}
	return n
}

// Append implements [esdbwire.Written].
func (a *batchAnswer) Append(b []byte) []byte {
	b = esdbwire.AppendBytes(b, 1, a.correlation) // correlation_id
	if a.failed != nil {
		failed, _ := proto.Marshal(a.failed) // It was made here and never fails.
		b = esdbwire.AppendBytes(b, 2, failed)
	} else {
		b = esdbwire.AppendMessage(b, 3, a.at.append) // success
	}
	if a.options == nil {
		return b
	}
	b = esdbwire.AppendMessage(b, 4, func(b []byte) []byte { return esdbwire.AppendText(b, streamName, a.options.stream) })
	switch e := a.options.expected; {
	case !a.options.expects:
	case e == eventlog.NoStream:
		b = esdbwire.AppendBytes(b, 6, nil) // no_stream
	case e == eventlog.Any:
		b = esdbwire.AppendBytes(b, 7, nil) // any
	case e == eventlog.StreamExists:
		b = esdbwire.AppendBytes(b, 8, nil) // stream_exists
	default:
		b = esdbwire.AppendNumber(b, 5, uint64(e)) // stream_position
	}
	return b
}

func (at put) append(b []byte) []byte {
	if at.last == eventlog.NoStream {
		b = esdbwire.AppendBytes(b, 2, nil) // no_stream
	} else {
		b = esdbwire.AppendNumber(b, 1, uint64(at.last)) // current_revision
	}
	n := position(at.Position)
	if n == 0 {
		return esdbwire.AppendBytes(b, 4, nil) // no_position
	}
	return esdbwire.AppendMessage(b, 3, func(b []byte) []byte {
		return esdbwire.AppendNumber(esdbwire.AppendNumber(b, 1, n), 2, n)
	})
}
