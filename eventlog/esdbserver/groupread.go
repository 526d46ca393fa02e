package esdbserver

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/hooklog/hooklog/eventlog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// Read joins a group until the client goes, or is dropped.
func (s *groupService) Read(stream persistent.PersistentSubscriptions_ReadServer) error {
	ctx, cancel := s.while(stream.Context())
	defer cancel()
	req, err := stream.Recv()
	if errors.Is(err, io.EOF) {
		return status.Error(codes.InvalidArgument, "the options are missing")
	}
	if err != nil {
		return err
	}
	o := req.GetOptions()
	if o == nil || o.GetBufferSize() < 1 {
		return status.Error(codes.InvalidArgument, "the first message must hold options with a buffer size above 0")
	}
	key := groupKey{allStreams, o.GetGroupName()}
	if o.GetAll() == nil {
		key.stream = named(o.GetStreamIdentifier())
	}
	if err := s.door.mayUse(ctx, key.name); err != nil {
		return err
	}
	_, asString := o.GetUuidOption().GetContent().(*persistent.ReadReq_Options_UUIDOption_String_)
	c := &consumer{
		name: callerOf(ctx).name, slots: int(min(o.GetBufferSize(), maxBuffered)),
		joined: time.Now(), ready: make(chan struct{}, 1),
	}
	if p, ok := peer.FromContext(ctx); ok {
		c.from = p.Addr.String()
	}
	err = s.consume(ctx, stream, key, c, asString)
	if s.life.Err() != nil {
		err = eventlog.ErrClosed
	}
	return s.groupRefusal(stream.Context(), "consume", key, err)
}

func (s *groupService) consume(ctx context.Context, stream persistent.PersistentSubscriptions_ReadServer, key groupKey, c *consumer, asString bool) error {
	g, err := s.groups.find(key)
	if err == nil {
		err = g.admits()
	}
	if err != nil {
		return err
	}
	if err := stream.Send(&persistent.ReadResp{Content: &persistent.ReadResp_SubscriptionConfirmation_{
		SubscriptionConfirmation: &persistent.ReadResp_SubscriptionConfirmation{SubscriptionId: key.String()},
	}}); err != nil {
		return err
	}
	if err := g.join(c); err != nil {
		return err
	}
	defer g.leave(c)
	answers := make(chan error, 1)
	go func() { answers <- g.listen(stream, c) }() // It ends with the call.
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-answers:
			return err
		case <-c.ready:
		}
		ready, stays := g.take(c, nil)
		if !stays {
			return fail(stream.Context(), codes.Canceled, "persistent-subscription-dropped",
				"subscription group "+key.name+" on stream "+key.stream+" was dropped", "stream-name", key.stream, "group-name", key.name)
		}
		for _, d := range ready {
			if err := stream.SendMsg(&eventMessage{found: d.found, asString: asString, handedOut: true, retries: d.retries}); err != nil {
				return err
			}
		}
	}
}

// listen takes what the client answers until it goes, which is no error.
func (g *group) listen(stream persistent.PersistentSubscriptions_ReadServer, c *consumer) error {
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := g.hear(req); err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		c.heard.Add(1)
	}
}

func (g *group) hear(req *persistent.ReadReq) error {
	v, reason, wire := done, "", req.GetAck().GetIds()
	if nack := req.GetNack(); nack != nil {
		reason, wire = nack.GetReason(), nack.GetIds()
		switch nack.GetAction() {
		case persistent.ReadReq_Nack_Unknown, persistent.ReadReq_Nack_Retry:
			v = again
		case persistent.ReadReq_Nack_Park:
			v = park
		}
	}
	ids, err := eventIDs(wire)
	if err != nil {
		return err
	}
	g.answer(ids, v, reason)
	return nil
}

func eventIDs(wire []*shared.UUID) ([]eventlog.ID, error) {
	ids := make([]eventlog.ID, len(wire))
	for i, w := range wire {
		id, err := eventID(w)
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	return ids, nil
}

// admits says, before a consumer is told that it has joined, whether there is a place for it.
func (g *group) admits() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if most := int(g.settings.MaxConsumers); most > 0 && len(g.consumers) >= most {
		return errTooMany
	}
	return nil
}
