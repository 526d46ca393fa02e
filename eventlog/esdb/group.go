package esdb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"time"

	client "github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/hooklog/hooklog/eventlog"
)

// How the server is to keep a group. A checkpoint is stored a second after an event was finished, or after 1,000 of them.
// It hands out from what it has read ahead, which must be more than consumers hold.
const (
	leastCheckpoint = 1
	mostCheckpoint  = 1000
	checkpointAfter = time.Second
	readBatch       = 100
	liveBuffer      = 2000
	historyBuffer   = 2000
	groupWindow     = 1024
)

// digestBase is the least greatest number of consumers that holds a digest.
const digestBase = 1 << 30

// filterDigest is the greatest number of consumers of a group: it tells the filters of groups apart.
func filterDigest(prefixes []string) int32 {
	sorted := slices.Compact(slices.Sorted(slices.Values(prefixes)))
	h := fnv.New64a()
	for _, p := range sorted {
		h.Write(binary.AppendUvarint(nil, uint64(len(p)))) // It never fails.
		h.Write([]byte(p))
	}
	sum := h.Sum64()
	return int32(digestBase | (sum^sum>>32)&(digestBase-1))
}

// checkGroup holds the rules of the port and what EventStoreDB cannot keep.
func checkGroup(g eventlog.Group, buffer int) error {
	if err := eventlog.CheckGroup(g, buffer); err != nil {
		return err
	}
	switch {
	case milliseconds(g.MessageTimeout) > math.MaxInt32:
		return fmt.Errorf("%w: consumer group %s has a message timeout of %v", eventlog.ErrInvalid, g.Name, g.MessageTimeout)
	case g.MaxRetries > math.MaxInt32, buffer > math.MaxInt32:
		return fmt.Errorf("%w: consumer group %s has more retries, or its consumer a larger buffer, than EventStoreDB can count", eventlog.ErrInvalid, g.Name)
	}
	for _, p := range g.TypePrefixes {
		if strings.HasPrefix(p, reserved) {
			return fmt.Errorf("%w: types that begin with %s belong to EventStoreDB", eventlog.ErrInvalid, reserved)
		}
	}
	return nil
}

// milliseconds rounds up, so that no timeout becomes 0, which EventStoreDB takes for one that is always over.
func milliseconds(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }

func settingsOf(g eventlog.Group) client.PersistentSubscriptionSettings {
	s := client.SubscriptionSettingsDefault()
	s.MaxRetryCount = int32(g.MaxRetries)
	s.MessageTimeout = int32(milliseconds(g.MessageTimeout))
	s.CheckpointLowerBound, s.CheckpointUpperBound = leastCheckpoint, mostCheckpoint
	s.CheckpointAfter = int32(milliseconds(checkpointAfter))
	s.ReadBatchSize, s.LiveBufferSize, s.HistoryBufferSize = readBatch, liveBuffer, historyBuffer
	s.MaxSubscriberCount = filterDigest(g.TypePrefixes)
	return s
}

func filterOf(g eventlog.Group) *client.SubscriptionFilter {
	if slices.Contains(g.TypePrefixes, "") {
		return client.ExcludeSystemEventsFilter()
	}
	return &client.SubscriptionFilter{Type: client.EventFilterType, Prefixes: g.TypePrefixes}
}

// same says whether a group that exists has the settings that are wanted. One without a digest was not made here, and
// what it admits cannot be told; so it is another.
func same(info *client.PersistentSubscriptionInfo, g eventlog.Group) bool {
	want := settingsOf(g)
	return info.Settings.MaxRetryCount == want.MaxRetryCount && info.Settings.MessageTimeout == want.MessageTimeout &&
		info.Settings.MaxSubscriberCount == want.MaxSubscriberCount
}

// ensureGroup finds or makes a group and returns the place after which it begins.
func (l *Log) ensureGroup(ctx context.Context, g *generation, group eventlog.Group) (begin eventlog.Position, err error) {
	for range 3 { // Another node may make or delete it at the same time.
		info, err := infoOf(ctx, g, group.Name)
		switch {
		case err == nil && !same(info, group):
			return begin, fmt.Errorf("%w: %s", eventlog.ErrGroupDiffers, group.Name)
		case err == nil:
			return beginOf(info), nil
		case !notFound(err):
			return begin, err
		}
		err = l.makeGroup(ctx, g, group)
		if code, _ := codeOf(err); err != nil && code != client.ErrorCodeResourceAlreadyExists {
			return begin, err
		}
	}
	return begin, errors.New("the consumer group comes and goes")
}

// makeGroup makes a group at the head: from the last event of all, which it will hand out if it admits it. Whoever is
// handed that event finishes it unseen.
func (l *Log) makeGroup(ctx context.Context, g *generation, group eventlog.Group) error {
	var head eventlog.Position
	err := g.call(ctx, func(ctx context.Context, es *client.Client) (err error) {
		head, err = lastOf(ctx, es)
		return err
	})
	if err != nil {
		return err
	}
	settings := settingsOf(group)
	err = g.call(ctx, func(ctx context.Context, es *client.Client) error {
		return es.CreatePersistentSubscriptionToAll(ctx, group.Name, client.PersistentAllSubscriptionOptions{
			Settings: &settings, StartFrom: allFrom(head), Filter: filterOf(group), MaxSearchWindow: groupWindow,
		})
	})
	if err == nil {
		l.logger.Info().Str("group", group.Name).Msg("made a consumer group at the head of the log")
	}
	return err
}

func infoOf(ctx context.Context, g *generation, name string) (info *client.PersistentSubscriptionInfo, err error) {
	err = g.call(ctx, func(ctx context.Context, es *client.Client) (err error) {
		info, err = es.GetPersistentSubscriptionInfoToAll(ctx, name, client.GetPersistentSubscriptionOptions{})
		return err
	})
	if err == nil && (info.Settings == nil || info.Stats == nil) {
		err = fmt.Errorf("%w about a consumer group", errUnexpected)
	}
	return info, err
}

// beginOf returns the place from which a group was told to begin.
func beginOf(info *client.PersistentSubscriptionInfo) eventlog.Position {
	switch from := info.Settings.StartFrom.(type) {
	case *client.Position:
		return positionOf(*from)
	case client.Position:
		return positionOf(from)
	}
	return eventlog.Position{}
}

// info asks for a group until there is an answer.
func (l *Log) info(ctx context.Context, name string) (info *client.PersistentSubscriptionInfo, err error) {
	if err := l.connection.ended(ctx); err != nil {
		return nil, err
	}
	err = l.connection.use(ctx, func(ctx context.Context, es *client.Client) (err error) {
		info, err = es.GetPersistentSubscriptionInfoToAll(ctx, name, client.GetPersistentSubscriptionOptions{})
		return err
	})
	switch {
	case notFound(err):
		return nil, fmt.Errorf("%w: %s", eventlog.ErrNoGroup, name)
	case err != nil:
		return nil, fmt.Errorf("consumer group %s: %w", name, err)
	case info.Settings == nil || info.Stats == nil:
		return nil, fmt.Errorf("consumer group %s: %w", name, errUnexpected)
	}
	return info, nil
}

// Stats implements [eventlog.Groups].
func (l *Log) Stats(ctx context.Context, name string) (eventlog.GroupStats, error) {
	info, err := l.info(ctx, name)
	if err != nil {
		return eventlog.GroupStats{}, err
	}
	s := eventlog.GroupStats{
		Name: name, Checkpoint: beginOf(info), InFlight: int(info.Stats.TotalInFlightMessages),
		Parked: int(info.Stats.ParkedMessagesCount), Consumers: len(info.Connections),
	}
	if at := info.Stats.LastCheckpointedPosition; at != nil {
		s.Checkpoint = positionOf(*at)
	}
	s.LastKnown = s.Checkpoint
	if at := info.Stats.LastKnownPosition; at != nil && positionOf(*at).After(s.LastKnown) {
		s.LastKnown = positionOf(*at)
	}
	return s, nil
}

// ReplayParked implements [eventlog.Groups]. The number is what the server counted before: events parked meanwhile may
// come too. A server that is replaying already is not told again.
func (l *Log) ReplayParked(ctx context.Context, name string) (int, error) {
	info, err := l.info(ctx, name)
	if err != nil {
		return 0, err
	}
	if info.Stats.ParkedMessagesCount == 0 {
		return 0, nil
	}
	err = l.connection.use(ctx, func(ctx context.Context, es *client.Client) error {
		return es.ReplayParkedMessagesToAll(ctx, name, client.ReplayParkedMessagesOptions{})
	})
	if err != nil {
		return 0, fmt.Errorf("replay the parked events of %s: %w", name, err)
	}
	return int(info.Stats.ParkedMessagesCount), nil
}

// GroupNames lists the consumer groups of all streams in order, those of other programs too.
func (l *Log) GroupNames(ctx context.Context) ([]string, error) {
	if err := l.connection.ended(ctx); err != nil {
		return nil, err
	}
	var names []string
	err := l.connection.use(ctx, func(ctx context.Context, es *client.Client) error {
		groups, err := es.ListPersistentSubscriptionsToAll(ctx, client.ListPersistentSubscriptionsOptions{})
		names = nil
		for _, g := range groups {
			names = append(names, g.GroupName)
		}
		return err
	})
	if err != nil && !notFound(err) {
		return nil, fmt.Errorf("list the consumer groups: %w", err)
	}
	slices.Sort(names)
	return names, nil
}
