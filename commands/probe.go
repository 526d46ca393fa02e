package commands

import (
	"context"
	"errors"
	"fmt"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// ErrWrongKeyset means that the keyset at hand cannot open what the log holds.
var ErrWrongKeyset = errors.New("the keyset does not belong to this log: give the one that was made with it (--keyset)")

// CheckKeyset makes sure that the keyset belongs to the log, by the probe that the log holds. An empty log gets its
// probe now; any other log must have one. It fails with ErrWrongKeyset if there is no probe that the keyset opens.
func (c *Commands) CheckKeyset(ctx context.Context, by By, empty bool) error {
	if empty {
		return c.probe(ctx, by)
	}
	for f, err := range c.facts(ctx, domain.KeysetProbeStream) {
		if err != nil {
			return err
		}
		if probe, ok := f.Fact.(*domain.KeysetProbed); ok && c.Keys.CheckProbe(probe.Sealed) == nil {
			return nil
		}
	}
	return ErrWrongKeyset
}

// probe records the probe. Who loses the race to do so must have the winner's keyset.
func (c *Commands) probe(ctx context.Context, by By) error {
	sealed, err := c.Keys.Probe()
	if err != nil {
		return fmt.Errorf("seal the keyset's probe: %w", err)
	}
	_, err = c.append(ctx, domain.KeysetProbeStream, eventlog.NoStream, &domain.KeysetProbed{Sealed: sealed}, by.meta(c.Now()))
	if errors.Is(err, eventlog.ErrRevisionConflict) {
		return c.CheckKeyset(ctx, by, false)
	}
	return err
}
