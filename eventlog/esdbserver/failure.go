package esdbserver

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/hooklog/hooklog/eventlog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

var errMissingMetadata = errors.New("an event lacks the metadata type or content-type")

// fail sets the trailers by which clients tell errors apart, key and value in turns, and returns the status.
func fail(ctx context.Context, code codes.Code, exception, message string, fields ...string) error {
	trailer := metadata.Pairs("exception", exception)
	for i := 0; i+1 < len(fields); i += 2 {
		trailer.Set(fields[i], ascii(fields[i+1]))
	}
	if err := grpc.SetTrailer(ctx, trailer); err != nil {
		return status.Error(codes.Internal, "set the trailer: "+err.Error())
	}
	return status.Error(code, message)
}

// ascii escapes what a trailer cannot carry.
func ascii(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return url.PathEscape(s)
		}
	}
	return s
}

// refusal makes a status of an error of the log that concerns a stream. What is not the client's business is logged here
// and not told.
func (s *Server) refusal(ctx context.Context, doing, stream string, err error) error {
	var conflict *eventlog.ConflictError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return status.FromContextError(ctx.Err()).Err()
	case errors.As(err, &conflict):
		return fail(ctx, codes.FailedPrecondition, "wrong-expected-version", conflict.Error(), "stream-name", conflict.Stream,
			"expected-version", version(conflict.Expected), "actual-version", version(conflict.Actual))
	case errors.Is(err, eventlog.ErrStreamDeleted):
		stream = strings.TrimPrefix(stream, eventlog.MetadataPrefix)
		return fail(ctx, codes.FailedPrecondition, "stream-deleted", "event stream '"+stream+"' is deleted", "stream-name", stream)
	case errors.Is(err, eventlog.ErrTooLarge):
		return fail(ctx, codes.InvalidArgument, "maximum-append-size-exceeded",
			"the append is over the maximum size of "+strconv.Itoa(eventlog.MaxAppend)+" bytes", "maximum-append-size", strconv.Itoa(eventlog.MaxAppend))
	case errors.Is(err, errMissingMetadata):
		return fail(ctx, codes.InvalidArgument, "missing-required-metadata-property", err.Error(), "required-metadata-properties", "type,content-type")
	case errors.Is(err, eventlog.ErrInvalid):
		return status.Error(codes.InvalidArgument, err.Error())
	case errors.Is(err, eventlog.ErrUnknownOutcome):
		return status.Error(codes.Aborted, "it is unknown whether the events were appended")
	case errors.Is(err, eventlog.ErrNoSpace):
		return status.Error(codes.ResourceExhausted, eventlog.ErrNoSpace.Error())
	case errors.Is(err, eventlog.ErrClosed), errors.Is(err, context.Canceled):
		return status.Error(codes.Unavailable, "the server is shutting down")
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	s.config.Logger.Error().Err(err).Msg(doing)
	return status.Error(codes.Internal, doing+" failed")
}

// version is an expectation or its lack as a number, as the real server tells them.
func version(e eventlog.Expected) string { return strconv.FormatInt(int64(e), 10) }

// accessDenied is what a client gets that may not do what it asked for.
func accessDenied(ctx context.Context) error {
	return fail(ctx, codes.PermissionDenied, "access-denied", "access denied")
}
