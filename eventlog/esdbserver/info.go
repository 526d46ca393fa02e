package esdbserver

import (
	"context"
	"fmt"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/hooklog/hooklog/eventlog"
	"google.golang.org/grpc/peer"
)

// GetInfo tells how a group stands.
func (s *groupService) GetInfo(ctx context.Context, req *persistent.GetInfoReq) (*persistent.GetInfoResp, error) {
	o := req.GetOptions()
	key := groupKey{allStreams, o.GetGroupName()}
	if o.GetAll() == nil {
		key.stream = named(o.GetStreamIdentifier())
	}
	g, err := s.groups.find(key)
	var info *persistent.SubscriptionInfo
	if err == nil {
		err = g.hearOut(ctx)
	}
	if err == nil {
		info, err = g.info(ctx)
	}
	if err != nil {
		return nil, s.groupRefusal(ctx, "tell how a group stands", key, err)
	}
	return &persistent.GetInfoResp{SubscriptionInfo: info}, nil
}

// List tells how all groups stand, or those of one stream, of which there must be one.
func (s *groupService) List(ctx context.Context, req *persistent.ListReq) (*persistent.ListResp, error) {
	only := ""
	if of := req.GetOptions().GetListForStream(); of != nil {
		if only = allStreams; of.GetAll() == nil {
			only = named(of.GetStream())
		}
	}
	answer := &persistent.ListResp{}
	for _, g := range s.groups.all() {
		if only != "" && g.key.stream != only {
			continue
		}
		info, err := g.info(ctx)
		if err != nil {
			return nil, s.groupRefusal(ctx, "list the groups", g.key, err)
		}
		answer.Subscriptions = append(answer.Subscriptions, info)
	}
	if only != "" && len(answer.Subscriptions) == 0 {
		return nil, s.groupRefusal(ctx, "list the groups", groupKey{stream: only}, errNoGroup)
	}
	return answer, nil
}

// A consumer's answers count as taken once nothing was heard from it for as long as quiet, or after so many looks at one
// that does not stop answering.
const (
	quiet      = 2 * time.Millisecond
	quietLooks = 100
)

// hearOut waits until what the caller has answered before on the same connection is taken, so that it finds it in the
// group's state, and may leave then: what is still on its way when a client leaves is lost.
func (g *group) hearOut(ctx context.Context) error {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	for _, c := range g.consumersAt(p.Addr.String()) {
		for range quietLooks {
			before := c.heard.Load()
			select {
			case <-time.After(quiet):
			case <-ctx.Done():
				return ctx.Err()
			}
			if c.heard.Load() == before {
				break
			}
		}
	}
	return nil
}

func (g *group) consumersAt(from string) (here []*consumer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.consumers {
		if c.from == from {
			here = append(here, c)
		}
	}
	return here
}

func (g *group) info(ctx context.Context) (*persistent.SubscriptionInfo, error) {
	parked, err := g.parkedCount(ctx)
	if err != nil {
		return nil, err
	}
	last, err := g.lastKnown(ctx)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	info := &persistent.SubscriptionInfo{
		EventSource: g.key.stream, GroupName: g.key.name, Status: g.status(),
		TotalItems: g.handed, LastKnownEventPosition: last,
		ResolveLinkTos: g.settings.ResolveLinks, StartFrom: g.settings.Start, ExtraStatistics: g.settings.ExtraStatistics,
		MessageTimeoutMilliseconds: g.settings.MessageTimeout, MaxRetryCount: g.settings.MaxRetries,
		LiveBufferSize: g.settings.LiveBuffer, BufferSize: g.settings.HistoryBuffer, ReadBatchSize: g.settings.ReadBatch,
		CheckPointAfterMilliseconds: g.settings.CheckpointAfter, MinCheckPointCount: g.settings.MinCheckpoint, MaxCheckPointCount: g.settings.MaxCheckpoint,
		ReadBufferCount: int32(len(g.buffer)), RetryBufferCount: int32(len(g.retries)),
		TotalInFlightMessages: int32(len(g.inHand)), OutstandingMessagesCount: int32(len(g.inHand)),
		NamedConsumerStrategy: g.settings.Strategy, MaxSubscriberCount: g.settings.MaxConsumers, ParkedMessageCount: parked,
	}
	if c := g.stored.Checkpoint; c != nil {
		info.LastCheckpointedEventPosition = g.shown(*c)
	}
	for _, c := range g.consumers {
		info.Connections = append(info.Connections, c.info())
		info.AveragePerSecond += c.perSecond()
	}
	return info, nil
}

// status is the group's state in the real server's words.
func (g *group) status() string {
	switch {
	case !g.begun:
		return "NotReady"
	case g.live:
		return "Live"
	}
	return "Behind"
}

func (g *group) shown(place int64) string {
	if g.key.all() {
		return shownPosition(place)
	}
	return fmt.Sprint(place)
}

// lastKnown is the place of the last event that there is for the group; empty if there is none.
func (g *group) lastKnown(ctx context.Context) (string, error) {
	if g.key.all() {
		head, err := g.server.config.Log.Head(ctx)
		if err != nil || head.IsZero() {
			return "", err
		}
		return shownPosition(int64(position(head))), nil
	}
	state, err := g.server.config.Log.Stream(ctx, g.key.stream)
	if err != nil || state.Last == eventlog.NoStream {
		return "", err
	}
	return fmt.Sprint(int64(state.Last)), nil
}

func (c *consumer) perSecond() int32 {
	return int32(float64(c.handed) / max(1, time.Since(c.joined).Seconds()))
}

func (c *consumer) info() *persistent.SubscriptionInfo_ConnectionInfo {
	return &persistent.SubscriptionInfo_ConnectionInfo{
		From: c.from, Username: c.name, AverageItemsPerSecond: c.perSecond(), TotalItems: c.handed,
		AvailableSlots: int32(c.slots - c.inHand), InFlightMessages: int32(c.inHand), ConnectionName: "",
	}
}
