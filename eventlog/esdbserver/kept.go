package esdbserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Beginnings of the names of the notes in which groups are kept. The rest is a digest, because the names of a stream
// and a group together may be longer than that of a note.
const (
	groupNotes    = "esdbserver/group/"
	progressNotes = "esdbserver/progress/"
)

// keptGroup is the note of a group.
type keptGroup struct {
	Stream   string   `json:"stream"`
	Group    string   `json:"group"`
	Settings settings `json:"settings"`
}

// kept is the note of how far a group has come. It changes often, so it is a note of its own.
type kept struct {
	// Checkpoint is the place up to which everything is finished or parked; nil before the first.
	Checkpoint *int64 `json:"checkpoint,omitempty"`
}

func (k groupKey) digest() string {
	sum := sha256.Sum256([]byte(k.stream + "\x00" + k.name))
	return hex.EncodeToString(sum[:])
}

func (s *Server) keepGroup(ctx context.Context, key groupKey, with settings) error {
	return s.keep(ctx, groupNotes+key.digest(), keptGroup{Stream: key.stream, Group: key.name, Settings: with})
}

func (s *Server) keep(ctx context.Context, name string, v any) error {
	content, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.config.Log.Note(ctx, name, content)
}

// forget removes what is kept of a group: first that it exists.
func (s *Server) forget(ctx context.Context, key groupKey) error {
	if err := s.config.Log.Note(ctx, groupNotes+key.digest(), nil); err != nil {
		return err
	}
	return s.config.Log.Note(ctx, progressNotes+key.digest(), nil)
}

// progressOf finds how far a group has come.
func (s *Server) progressOf(ctx context.Context, key groupKey) (kept, error) {
	var k kept
	for note, err := range s.config.Log.Notes(ctx, progressNotes+key.digest()) {
		if err != nil {
			return k, err
		}
		if err := json.Unmarshal(note.Content, &k); err != nil {
			return k, fmt.Errorf("read the progress of group %s: %w", key, err)
		}
	}
	return k, nil
}

// store keeps how far the group has come, if that has changed. It is called by the group's clock, and at its end.
func (g *group) store(ctx context.Context) error {
	g.mu.Lock()
	checkpoint, count := g.progress.done, g.progress.count
	replayed, truncated := g.replayed.done, g.truncated
	g.storedAt = time.Now()
	g.mu.Unlock()
	if count > 0 {
		if err := g.server.keep(ctx, progressNotes+g.key.digest(), kept{Checkpoint: &checkpoint}); err != nil {
			return fmt.Errorf("store the progress of group %s: %w", g.key, err)
		}
	}
	if replayed > truncated {
		if err := g.truncateParked(ctx, replayed+1); err != nil {
			return err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if count > 0 {
		g.stored.Checkpoint = &checkpoint
	}
	g.progress.count -= count
	g.truncated = replayed
	return nil
}
