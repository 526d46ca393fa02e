package esdb

import (
	"errors"
	"fmt"
	"io"
	"strings"

	client "github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hooklog/hooklog/eventlog"
)

// What the server refuses for good, told apart for operators.
var (
	// ErrUnauthenticated means that the server does not know the user or the password is wrong, or that it wants some.
	ErrUnauthenticated = errors.New("EventStoreDB does not accept the user name and password of the connection string")
	// ErrAccessDenied means that the user may not do it.
	ErrAccessDenied = errors.New("the EventStoreDB user of the connection string lacks the right")
	// ErrOldServer means that the server is older than [LeastVersion].
	ErrOldServer = errors.New("the server is too old")
	// errLost means that the connection was lost before or during a call.
	errLost = errors.New("the connection to EventStoreDB was lost")
	// errNotEntered means that it was lost before the call, which sent nothing.
	errNotEntered = fmt.Errorf("%w before the call", errLost)
	// errNoEvent means that a group handed out nothing, errGone that it was deleted before it could be joined.
	errNoEvent = errors.New("the server handed out no event")
	errGone    = errors.New("the consumer group is gone")
	// errUnexpected means that the client panicked.
	errUnexpected = errors.New("unexpected answer")
)

// codeOf returns the client's code for an error. Many of its functions wrap its error once more.
func codeOf(err error) (client.ErrorCode, bool) {
	var e *client.Error
	if errors.As(err, &e) {
		return e.Code(), true
	}
	return client.ErrorCodeUnknown, false
}

// passing says that the same call may succeed at another time.
func passing(err error) bool {
	if errors.Is(err, errLost) || errors.Is(err, io.EOF) {
		return true
	}
	for _, final := range []error{errUnexpected, eventlog.ErrAhead, eventlog.ErrGroupDiffers, eventlog.ErrNoEvent, eventlog.ErrInvalid} {
		if errors.Is(err, final) {
			return false
		}
	}
	switch code, ok := codeOf(err); {
	case !ok || code == client.ErrorCodeUnknown:
		return passingStatus(err)
	case code == client.ErrorCodeDeadlineExceeded, code == client.ErrorCodeConnectionClosed, code == client.ErrorCodeNotLeader,
		code == client.ErrorAborted, code == client.ErrorUnavailable, code == client.ErrorCodeInternalServer:
		return true
	}
	return false
}

// passingStatus judges what the client does not tell apart by the status that it wraps.
func passingStatus(err error) bool {
	s, ok := status.FromError(err)
	if !ok {
		return true
	}
	switch s.Code() {
	case codes.Unauthenticated, codes.PermissionDenied, codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange,
		codes.NotFound, codes.AlreadyExists, codes.Unimplemented, codes.DataLoss:
		return false
	}
	return true
}

// explain gives an error of the client the name that it has in the port or here.
func explain(err error) error {
	code, ok := codeOf(err)
	if !ok { // A subscription ends with a bare status.
		switch status.Code(err) {
		case codes.Unauthenticated:
			code = client.ErrorCodeUnauthenticated
		case codes.PermissionDenied:
			code = client.ErrorCodeAccessDenied
		}
	}
	switch {
	case code == client.ErrorCodeUnauthenticated:
		return fmt.Errorf("%w: %w", ErrUnauthenticated, err)
	case code == client.ErrorCodeAccessDenied:
		return fmt.Errorf("%w: %w", ErrAccessDenied, err)
	case status.Code(err) == codes.InvalidArgument && strings.Contains(strings.ToLower(err.Error()), "maximum append"):
		return fmt.Errorf("%w: %w", eventlog.ErrTooLarge, err)
	}
	return err
}

// hopeless says that a server cannot be connected to as the connection string says, whenever it is tried.
func hopeless(err error) bool {
	text := err.Error()
	return errors.Is(err, ErrOldServer) || errors.Is(err, ErrUnauthenticated) || errors.Is(err, ErrAccessDenied) ||
		strings.Contains(text, "x509: ") || strings.Contains(text, "tls: ") || strings.Contains(text, "invalid EventStoreDB server version")
}

// notFound says that what a call was about does not exist.
func notFound(err error) bool {
	code, _ := codeOf(err)
	return code == client.ErrorCodeResourceNotFound
}
