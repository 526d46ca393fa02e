// Package commands is the write side of Hooklog: each command loads what it must know, lets package domain decide, and
// appends the facts. Nothing else appends. It reads single streams only; what it must know of many (who subscribes to
// what) it asks of a [Directory], which may lag behind the log: what a lagging answer got wrong is put right by whoever
// is handed the message first (CorrectTargets).
//
// A command that loses a race loads and decides again. A command whose append has an unknown outcome repeats it with
// the same event ids at the same expectation, which the log makes harmless.
package commands

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/sealing"
)

// Directory answers from this node's fold of the log. Its answers may be older than the log.
type Directory interface {
	Organization(id domain.OrganizationID) (domain.Organization, bool)
	OrganizationBySlug(slug string) (domain.Organization, bool)
	EventType(org domain.OrganizationID, name string) (domain.EventType, bool)
	// Match answers who gets a message, and how many subscription facts of the organization the answer has seen.
	Match(org domain.OrganizationID, eventType, client string) (m domain.Matching, seen uint64)
}

// URLPolicy judges the URL of a subscription; it refuses with a *domain.Error.
type URLPolicy interface {
	CheckURL(ctx context.Context, raw string) error
}

// Config is what Commands needs. Codec, Now and Logger may be left out.
type Config struct {
	Log  eventlog.Streams
	Keys *sealing.Keyset
	// Codec is best shared with those who read what is appended: what it wrote it need not decode. Nil makes one of Keys.
	Codec     *domain.Codec
	Directory Directory
	URLs      URLPolicy
	Now       func() time.Time
	Logger    zerolog.Logger
}

// Commands is the write side. It is safe for concurrent use.
type Commands struct {
	Config
	vault   vault
	schemas schemas
	ids     idSource
}

// By says on whose behalf a command runs: it goes into the metadata of the facts.
type By struct {
	// Actor is "key:<key_id>", "cli" or "node:<id>".
	Actor string
	// Request is the request id, or empty.
	Request string
}

// New joins a write side. It fails if something it needs is missing.
func New(c Config) (*Commands, error) {
	if c.Log == nil || c.Keys == nil || c.Directory == nil || c.URLs == nil {
		return nil, errors.New("commands: Log, Keys, Directory and URLs are needed")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Codec == nil {
		c.Codec = domain.NewCodec(c.Keys)
	}
	cmds := &Commands{Config: c}
	cmds.ids.entropy = ulid.Monotonic(bufio.NewReader(rand.Reader), 0)
	cmds.vault = vault{commands: cmds, keys: map[domain.OrganizationID]*sealing.DataKey{}}
	return cmds, nil
}

// idSource makes ULIDs that grow within a millisecond.
type idSource struct {
	mu      sync.Mutex
	entropy *ulid.MonotonicEntropy
	// random is where the entropy of the next id is read to: kept, as it passes an interface.
	random [10]byte
}

// next returns a new ULID for the given time. It panics only if the system has no randomness left to give.
func (s *idSource) next(at time.Time) [16]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var id ulid.ULID
	ms := ulid.Timestamp(at)
	err := s.entropy.MonotonicRead(ms, s.random[:])
	if errors.Is(err, ulid.ErrMonotonicOverflow) {
		_, err = rand.Read(s.random[:])
	}
	if err = errors.Join(err, id.SetTime(ms), id.SetEntropy(s.random[:])); err != nil {
		panic(fmt.Sprintf("no randomness for a new id: %v", err))
	}
	return id
}

// random is where secrets come from.
func random() io.Reader { return rand.Reader }

// jitter returns a number from [0, 1); nothing secret depends on it.
func jitter() float64 { return mathrand.Float64() }

func (by By) meta(at time.Time) domain.Meta {
	return domain.Meta{At: domain.Time(at), Actor: by.Actor, Correlation: by.Request}
}
