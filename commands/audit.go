package commands

import (
	"context"
	"errors"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// RecordAuditRead records that somebody reads the history with a key. It is durable when this returns; whoever answers
// the reader does so only then. A reading depends on nothing before it, so the stream is not read: where it ends is
// told by the log when the first append is refused.
func (c *Commands) RecordAuditRead(ctx context.Context, by By, key domain.KeyID, f *domain.AuditRead) (eventlog.Position, error) {
	expected := eventlog.NoStream
	for range maxTries {
		a, err := c.append(ctx, domain.AuditStream(key), expected, f, by.meta(c.Now()))
		var conflict *eventlog.ConflictError
		if !errors.As(err, &conflict) {
			return a.Position, err
		}
		expected = conflict.Actual
	}
	return eventlog.Position{}, errBusy
}
