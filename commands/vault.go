package commands

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/sealing"
)

// vault holds the opened data keys of organizations.
type vault struct {
	commands *Commands
	mu       sync.RWMutex
	keys     map[domain.OrganizationID]*sealing.DataKey
}

// DataKey returns the data key of an organization, making it before its first use. Who loses the race to make it reads
// the winner's.
func (c *Commands) DataKey(ctx context.Context, org domain.OrganizationID) (*sealing.DataKey, error) {
	v := &c.vault
	v.mu.RLock()
	key := v.keys[org]
	v.mu.RUnlock()
	if key != nil {
		return key, nil
	}
	key, err := v.readOrMake(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("data key of %s: %w", org, err)
	}
	v.mu.Lock()
	v.keys[org] = key
	v.mu.Unlock()
	return key, nil
}

func (v *vault) readOrMake(ctx context.Context, org domain.OrganizationID) (*sealing.DataKey, error) {
	if key, err := v.read(ctx, org); key != nil || err != nil {
		return key, err
	}
	wrapped, key, err := v.commands.Keys.NewDataKey(org.String())
	if err != nil {
		return nil, err
	}
	f := &domain.DataKeyMade{Organization: org, Wrapped: wrapped}
	m := By{Actor: "vault"}.meta(v.commands.Now())
	_, err = v.commands.append(ctx, domain.DataKeyStream(org), eventlog.NoStream, f, m)
	if errors.Is(err, eventlog.ErrRevisionConflict) {
		if key, err = v.read(ctx, org); key == nil && err == nil {
			err = errors.New("the stream of the data key holds no data key")
		}
	}
	return key, err
}

// read returns nil without an error if the organization has no data key yet.
func (v *vault) read(ctx context.Context, org domain.OrganizationID) (*sealing.DataKey, error) {
	for f, err := range v.commands.facts(ctx, domain.DataKeyStream(org)) {
		if err != nil {
			return nil, err
		}
		if made, ok := f.Fact.(*domain.DataKeyMade); ok {
			return v.commands.Keys.OpenDataKey(org.String(), made.Wrapped)
		}
	}
	return nil, nil
}
