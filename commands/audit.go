package commands

import (
	"context"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// RecordAuditRead records that somebody reads the history with a key. It is durable when this returns; whoever answers
// the reader does so only then. Readings with one key depend on nothing before them, so they are appended at any
// revision; one of unknown outcome that is repeated may be recorded twice, which tells too much and never too little.
func (c *Commands) RecordAuditRead(ctx context.Context, by By, key domain.KeyID, f *domain.AuditRead) (eventlog.Position, error) {
	a, err := c.append(ctx, domain.AuditStream(key), eventlog.Any, f, by.meta(c.Now()))
	return a.Position, err
}
