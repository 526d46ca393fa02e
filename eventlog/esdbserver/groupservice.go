package esdbserver

import (
	"context"
	"errors"
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// maxRevision is above every revision that an event can have.
const maxRevision = math.MaxInt64 - 1

// groupService is the service PersistentSubscriptions.
type groupService struct {
	persistent.UnimplementedPersistentSubscriptionsServer
	*Server
}

// groupRefusal makes a status of an error that concerns a group.
func (s *groupService) groupRefusal(ctx context.Context, doing string, key groupKey, err error) error {
	names := []string{"stream-name", key.stream, "group-name", key.name}
	var settings settingsError
	switch {
	case errors.Is(err, errNoGroup):
		return fail(ctx, codes.NotFound, "persistent-subscription-does-not-exist", "subscription group "+key.name+" on stream "+key.stream+" does not exist", names...)
	case errors.Is(err, errGroupExists):
		return fail(ctx, codes.AlreadyExists, "persistent-subscription-exists", "subscription group "+key.name+" on stream "+key.stream+" exists", names...)
	case errors.Is(err, errTooMany):
		return fail(ctx, codes.FailedPrecondition, "maximum-subscribers-reached", "the maximum number of subscribers of group "+key.name+" on stream "+key.stream+" is reached", names...)
	case errors.As(err, &settings):
		return fail(ctx, codes.Internal, "persistent-subscription-failed", "subscription group "+key.name+" on stream "+key.stream+" failed: "+settings.Error(),
			append(names, "reason", settings.Error())...)
	}
	return s.refusal(ctx, doing, key.stream, err)
}

// Create makes a group.
func (s *groupService) Create(ctx context.Context, req *persistent.CreateReq) (*persistent.CreateResp, error) {
	o := req.GetOptions()
	key := groupKey{name: o.GetGroupName()}
	if err := s.door.mayUse(ctx, key.name); err != nil {
		return nil, err
	}
	with := createSettings(o.GetSettings())
	var at start
	switch v := o.GetStreamOption().(type) {
	case *persistent.CreateReq_Options_All:
		key.stream, at = allStreams, createAllStart(v.All)
		with.Filter = groupFilter(v.All.GetFilter())
	case *persistent.CreateReq_Options_Stream:
		key.stream, at = named(v.Stream.GetStreamIdentifier()), createStreamStart(v.Stream)
	default:
		//lint:ignore SA1019 the Node client sends the fields that came before
		key.stream, at = named(o.GetStreamIdentifier()), oldStart(o.GetSettings().GetRevision())
	}
	if err := s.groups.create(ctx, key, with, at); err != nil {
		return nil, s.groupRefusal(ctx, "create a persistent subscription", key, err)
	}
	return &persistent.CreateResp{}, nil
}

// oldStart reads a revision that is the end if it is the largest number there is.
func oldStart(revision uint64) start {
	if revision == math.MaxUint64 {
		return start{end: true}
	}
	return start{place: revision}
}

func createAllStart(o *persistent.CreateReq_AllOptions) start {
	switch v := o.GetAllOption().(type) {
	case *persistent.CreateReq_AllOptions_Position:
		return start{place: v.Position.GetCommitPosition()}
	case *persistent.CreateReq_AllOptions_Start:
		return start{}
	}
	return start{end: true}
}

func createStreamStart(o *persistent.CreateReq_StreamOptions) start {
	switch v := o.GetRevisionOption().(type) {
	case *persistent.CreateReq_StreamOptions_Revision:
		return start{place: v.Revision}
	case *persistent.CreateReq_StreamOptions_Start:
		return start{}
	}
	return start{end: true}
}

// Update gives a group other settings.
func (s *groupService) Update(ctx context.Context, req *persistent.UpdateReq) (*persistent.UpdateResp, error) {
	o := req.GetOptions()
	key := groupKey{name: o.GetGroupName()}
	if err := s.door.mayUse(ctx, key.name); err != nil {
		return nil, err
	}
	var at start
	switch v := o.GetStreamOption().(type) {
	case *persistent.UpdateReq_Options_All:
		key.stream, at = allStreams, updateAllStart(v.All)
	case *persistent.UpdateReq_Options_Stream:
		key.stream, at = named(v.Stream.GetStreamIdentifier()), updateStreamStart(v.Stream)
	default:
		//lint:ignore SA1019 as in Create
		key.stream, at = named(o.GetStreamIdentifier()), oldStart(o.GetSettings().GetRevision())
	}
	if err := s.groups.update(ctx, key, updateSettings(o.GetSettings()), at); err != nil {
		return nil, s.groupRefusal(ctx, "update a persistent subscription", key, err)
	}
	return &persistent.UpdateResp{}, nil
}

func updateAllStart(o *persistent.UpdateReq_AllOptions) start {
	switch v := o.GetAllOption().(type) {
	case *persistent.UpdateReq_AllOptions_Position:
		return start{place: v.Position.GetCommitPosition()}
	case *persistent.UpdateReq_AllOptions_Start:
		return start{}
	}
	return start{end: true}
}

func updateStreamStart(o *persistent.UpdateReq_StreamOptions) start {
	switch v := o.GetRevisionOption().(type) {
	case *persistent.UpdateReq_StreamOptions_Revision:
		return start{place: v.Revision}
	case *persistent.UpdateReq_StreamOptions_Start:
		return start{}
	}
	return start{end: true}
}

// RestartSubsystem drops all consumers and takes every group up again as it is kept.
func (s *groupService) RestartSubsystem(ctx context.Context, _ *shared.Empty) (*shared.Empty, error) {
	err := s.door.mayWrite(ctx)
	if err == nil {
		err = s.groups.restart(ctx)
	}
	if err != nil {
		return nil, s.refusal(ctx, "restart the persistent subscriptions", allStreams, err)
	}
	return &shared.Empty{}, nil
}

// Delete removes a group.
func (s *groupService) Delete(ctx context.Context, req *persistent.DeleteReq) (*persistent.DeleteResp, error) {
	o := req.GetOptions()
	key := groupKey{allStreams, o.GetGroupName()}
	if o.GetAll() == nil {
		key.stream = named(o.GetStreamIdentifier())
	}
	err := s.door.mayUse(ctx, key.name)
	if err == nil {
		err = s.groups.remove(ctx, key)
	}
	if err != nil {
		return nil, s.groupRefusal(ctx, "delete a persistent subscription", key, err)
	}
	return &persistent.DeleteResp{}, nil
}

// ReplayParked begins a replay.
func (s *groupService) ReplayParked(ctx context.Context, req *persistent.ReplayParkedReq) (*persistent.ReplayParkedResp, error) {
	o := req.GetOptions()
	key := groupKey{allStreams, o.GetGroupName()}
	if o.GetAll() == nil {
		key.stream = named(o.GetStreamIdentifier())
	}
	stopAt := uint64(math.MaxUint64)
	if v, ok := o.GetStopAtOption().(*persistent.ReplayParkedReq_Options_StopAt); ok {
		if v.StopAt < 0 {
			return nil, status.Error(codes.InvalidArgument, "a replay cannot stop before the first message")
		}
		stopAt = uint64(v.StopAt)
	}
	if err := s.door.mayUse(ctx, key.name); err != nil {
		return nil, err
	}
	g, err := s.groups.find(key)
	if err != nil {
		return nil, s.groupRefusal(ctx, "replay parked messages", key, err)
	}
	g.replay(stopAt)
	return &persistent.ReplayParkedResp{}, nil
}
