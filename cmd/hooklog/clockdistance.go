package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hooklog/hooklog/eventlog"
)

// clockDistance is this node's clock minus the log's time. It is measured at the newest fact, which holds the writer's
// time beside the log's own; if that lies in the future, the clock has been put back and the distance is what it lacks.
// An empty log tells nothing: then it is 0.
func clockDistance(ctx context.Context, log eventlog.Feed, now time.Time) (time.Duration, error) {
	head, err := log.Head(ctx)
	if err != nil || head.IsZero() {
		return 0, err
	}
	newest, err := log.ReadAt(ctx, head)
	if err != nil {
		return 0, fmt.Errorf("read the newest fact: %w", err)
	}
	if now.Before(newest.RecordedAt) {
		return now.Sub(newest.RecordedAt), nil
	}
	var meta struct {
		At time.Time `json:"at"`
	}
	if json.Unmarshal(newest.Metadata, &meta) != nil || meta.At.IsZero() {
		return 0, nil // a stranger wrote it and said no time
	}
	return meta.At.Sub(newest.RecordedAt), nil
}
