package http

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hooklog/hooklog/domain"
)

// positionHeader carries the place of a write in the log, from its answer to whoever wants to read it.
const positionHeader = "Hooklog-Position"

// place is a position in the log.
type place interface {
	fmt.Stringer
	IsZero() bool
}

// wrote tells the place of a write.
func (x *exchange) wrote(at place) {
	if !at.IsZero() {
		x.header(positionHeader, at.String())
	}
}

// managed tells the place of a write to what is managed, and waits a little until this node's lists show it. If they do
// not in time, or cannot, the write is answered all the same: it happened.
func (x *exchange) managed(at place) {
	x.wrote(at)
	if at.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(x.context(), maxWait)
	defer cancel()
	if err := x.Positions.WaitForPosition(ctx, at.String()); err != nil && ctx.Err() == nil {
		x.Logger.Warn().Err(err).Str("request", x.id).Msg("could not wait for the read side")
	}
}

// catchUp waits until this node shows the write that the caller names.
func (x *exchange) catchUp() error {
	given, named := x.r.Header[http.CanonicalHeaderKey(positionHeader)]
	if !named {
		return nil
	}
	if len(given) != 1 {
		return domain.Refuse(domain.BadCursor, "%s was given more than once", positionHeader)
	}
	ctx, cancel := context.WithTimeout(x.context(), maxWait)
	defer cancel()
	err := x.Positions.WaitForPosition(ctx, given[0])
	switch {
	case err == nil:
		return nil
	case domain.CodeOf(err) != 0:
		return domain.Refuse(domain.BadCursor, "%s is not a position that an answer gave", positionHeader)
	case errors.Is(err, context.DeadlineExceeded):
		return refuseUntil(domain.Unavailable, time.Second, "this node does not show that write yet")
	}
	return fmt.Errorf("wait for a position: %w", err)
}
