package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
	httpd "github.com/hooklog/hooklog/http"
	"github.com/hooklog/hooklog/projections"
	"github.com/hooklog/hooklog/sealing"
)

// examination is everything that the checks of doctor look at, gathered once.
type examination struct {
	settings *settings
	// strangers are variables that look like settings and are none.
	strangers []string
	now       time.Time
	// deep says that the whole log was read.
	deep bool

	keyset    error // why the keyset cannot be read; nil if it can
	probe     error // why it does not open the log's probe; nil if it does
	exposed   []exposedFile
	leftovers []string
	backups   []string
	lastSaved time.Time // the last backup; zero for none

	free      uint64
	freeKnown bool
	growth    float64 // bytes a day; 0 if there is no telling
	distance  time.Duration
	facts     uint64 // at least 1 if the log holds some and cannot count them
	groups    []groupCondition
	slugs     []string           // reserved without an organization
	messages  []domain.MessageID // without all of their parts
	live      *liveCondition     // nil of a stopped log

	// faults are what could not be looked at.
	faults []error
}

// exposedFile may be read by others than its owner.
type exposedFile struct {
	path string
	mode fs.FileMode
}

// groupCondition is a consumer group and how old the first fact after its checkpoint is.
type groupCondition struct {
	httpd.GroupState
	waiting time.Duration
}

// behind says how many facts it has before it.
func (g groupCondition) behind() string {
	if g.Behind == nil {
		return "an unknown number of facts"
	}
	return strconv.FormatUint(*g.Behind, 10) + " facts"
}

// liveCondition is what only a running node knows.
type liveCondition struct {
	lag         time.Duration
	live        bool
	projections []projections.ProjectionState
	mismatches  map[string]uint64
	leftovers   []string
	skipped     map[string]uint64
	dueFor      time.Duration
	unsent      int
}

func (x *examination) fault(what string, err error) {
	if err != nil {
		x.faults = append(x.faults, fmt.Errorf("%s: %w", what, err))
	}
}

// examineStopped looks at the log of a data directory that no server has open.
func examineStopped(ctx context.Context, s *settings, log *embedded.Log, deep bool, now time.Time) *examination {
	x := &examination{settings: s, now: now, deep: deep}
	keys, err := sealing.ReadKeyset(s.keysetPath())
	x.keyset = err
	x.examineFiles()
	x.examineLog(ctx, ownLog{log}, keys)
	return x
}

// examine looks at a running node.
func (n *node) examine(ctx context.Context, deep bool, now time.Time) *examination {
	x := &examination{settings: n.settings, strangers: n.strangers, now: now, deep: deep}
	keys, err := sealing.ReadKeyset(n.settings.keysetPath())
	x.keyset = err
	x.examineFiles()
	x.examineLog(ctx, n.log, keys)
	x.live = &liveCondition{lag: n.fold.Lag(), live: n.fold.Live(), projections: n.fold.State(), skipped: n.fold.Skipped(),
		mismatches: n.fold.Mismatches(), dueFor: dueSince(n.fold, x.now), unsent: n.fold.UnsentDeliveries()}
	x.live.leftovers, err = n.fold.Leftovers()
	x.fault("look for rows that a rebuild left behind", err)
	return x
}

// examineFiles looks at what lies in the data directory beside the log.
func (x *examination) examineFiles() {
	s := x.settings
	for _, path := range []string{s.data, s.keysetPath(), s.operatorKeyPath()} {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		x.fault("look at "+path, err)
		if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
			x.exposed = append(x.exposed, exposedFile{path, info.Mode().Perm()})
		}
	}
	for _, pattern := range []string{".new-*", ".keyset-*"} {
		left, err := filepath.Glob(filepath.Join(s.data, pattern))
		x.fault("look for leftovers", err)
		x.leftovers = append(x.leftovers, left...)
	}
	var err error
	x.backups, err = backupsIn(s.backupsDir())
	x.fault("look for backups", err)
	if info, err := os.Stat(filepath.Join(s.backupsDir(), lastBackupFile)); err == nil {
		x.lastSaved = info.ModTime()
	} else if !errors.Is(err, fs.ErrNotExist) {
		x.fault("look for the last backup", err)
	}
}

// examineLog looks at the log. keys are nil if the keyset cannot be read.
func (x *examination) examineLog(ctx context.Context, log backend, keys *sealing.Keyset) {
	head, err := log.Head(ctx)
	x.fault("find the head of the log", err)
	facts, counted := log.between(eventlog.Position{}, head)
	if x.facts = facts; !counted && !head.IsZero() {
		x.facts = 1 // At least.
	}
	free, err := log.FreeSpace()
	x.free, x.freeKnown = free, err == nil
	if !errors.Is(err, errors.ErrUnsupported) {
		x.fault("ask for the free space", err)
	}
	if counted {
		x.growth, err = growthPerDay(ctx, log, x.settings.logDir(), facts, x.now)
		x.fault("find out how fast the log grows", err)
	}
	x.distance, err = clockDistance(ctx, log, x.now)
	x.fault("compare the clock", err)
	x.groups, err = groupConditions(ctx, log, x.now)
	x.fault("look at the consumer groups", err)
	if log, ok := log.(streamLister); ok {
		x.slugs, err = slugsWithoutOrganization(ctx, log, x.now)
		x.fault("look for slugs without organization", err)
	}
	if keys == nil {
		return
	}
	c, err := commands.New(commands.Config{Log: log, Keys: keys, Directory: noDirectory{}, URLs: noURLs{}, Logger: zerolog.Nop()})
	x.fault("prepare to read the log", err)
	if err != nil {
		return
	}
	if x.facts > 0 {
		x.probe = c.CheckKeyset(ctx, commands.By{}, false)
	}
	if x.deep && x.probe == nil {
		x.messages, err = unfinishedMessages(ctx, log, c, x.now)
		x.fault("look for messages without all their parts", err)
	}
}

// groupConditions tells how the groups stand.
func groupConditions(ctx context.Context, log backend, now time.Time) ([]groupCondition, error) {
	groups, err := groupsOf{log}.Groups(ctx)
	if err != nil {
		return nil, err
	}
	conditions := make([]groupCondition, len(groups))
	for i, g := range groups {
		conditions[i].GroupState = g
		if g.Behind != nil && *g.Behind == 0 {
			continue
		}
		checkpoint, err := eventlog.ParsePosition(g.Checkpoint.String())
		if err != nil {
			return nil, err
		}
		for e, err := range log.ReadAll(ctx, checkpoint) {
			if err != nil {
				return nil, err
			}
			conditions[i].waiting = max(0, now.Sub(e.RecordedAt))
			break
		}
	}
	return conditions, nil
}

// day is over which time growth is measured, and a log that is younger than youngest grows too fast to tell.
const (
	day      = 24 * time.Hour
	youngest = time.Hour
)

// growthPerDay measures how many facts the last day brought, or, of a younger log, its whole life, at the size that a
// fact has on the average.
func growthPerDay(ctx context.Context, log eventlog.Feed, dir string, facts uint64, now time.Time) (float64, error) {
	if facts == 0 {
		return 0, nil
	}
	first, err := log.ReadAt(ctx, eventlog.PositionOf(0, 1))
	if err != nil {
		return 0, err
	}
	age := now.Sub(first.RecordedAt)
	if age < youngest {
		return 0, nil
	}
	size, err := sizeOf(dir)
	if err != nil {
		return 0, err
	}
	before, err := factsBefore(ctx, log, facts, now.Add(-day))
	if err != nil {
		return 0, err
	}
	perFact := float64(size) / float64(facts)
	return float64(facts-before) * perFact * float64(day) / float64(min(age, day)), nil
}

// factsBefore counts the facts that were recorded before a time, looking at as many as the number has bits.
func factsBefore(ctx context.Context, log eventlog.Feed, facts uint64, at time.Time) (uint64, error) {
	low, high := uint64(0), facts
	for low < high {
		middle := low + (high-low)/2
		e, err := log.ReadAt(ctx, eventlog.PositionOf(0, middle+1))
		if err != nil {
			return 0, err
		}
		if e.RecordedAt.Before(at) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, nil
}

// underway is how long something unfinished may just be on its way.
const underway = 10 * time.Minute

// streamLister is a log that can list its streams. EventStoreDB cannot.
type streamLister interface {
	eventlog.Streams
	StreamNames(ctx context.Context, prefix string) iter.Seq2[string, error]
}

// slugsWithoutOrganization finds slugs whose registration stopped half-way.
func slugsWithoutOrganization(ctx context.Context, log streamLister, now time.Time) (slugs []string, err error) {
	for stream, err := range log.StreamNames(ctx, domain.SlugStream("")) {
		if err != nil {
			return nil, err
		}
		reserved, found, err := firstOf(ctx, log, stream)
		if err != nil {
			return nil, err
		}
		if !found || now.Sub(reserved.RecordedAt) < underway {
			continue
		}
		var fact domain.SlugReserved
		if json.Unmarshal(reserved.Data, &fact) != nil {
			continue // the folds count what is malformed
		}
		if _, found, err = firstOf(ctx, log, domain.OrganizationStream(fact.Organization)); err != nil {
			return nil, err
		} else if !found {
			slugs = append(slugs, stream[len(domain.SlugStream("")):])
		}
	}
	return slugs, nil
}

// firstOf reads the first event of a stream.
func firstOf(ctx context.Context, log eventlog.Streams, stream string) (eventlog.Recorded, bool, error) {
	for e, err := range log.Read(ctx, stream, 0) {
		return e, err == nil, err
	}
	return eventlog.Recorded{}, false, nil
}

// unfinishedMessages reads the whole log for messages that lack parts of their targets.
func unfinishedMessages(ctx context.Context, log backend, c *commands.Commands, now time.Time) (ids []domain.MessageID, err error) {
	const published = "hooklog.MessagePublished."
	for e, err := range log.ReadAll(ctx, eventlog.Position{}) {
		if err != nil {
			return ids, err
		}
		if !strings.HasPrefix(e.Type, published) || now.Sub(e.RecordedAt) < underway || totalTargets(e.Data) <= domain.MaxTargets {
			continue
		}
		id, ok := domain.MessageOfStream(e.Stream)
		if !ok {
			continue
		}
		m, err := c.LoadMessage(ctx, id)
		if err != nil {
			return ids, err
		}
		if !m.Complete() {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// totalTargets reads the number of a message's targets out of its fact, without decoding the rest, which is most of the
// log. Within strings a quote is escaped, so the name of the member stands nowhere else.
func totalTargets(data []byte) int {
	_, rest, found := bytes.Cut(data, []byte(`"total":`))
	if !found {
		return 0
	}
	end := bytes.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	n, err := strconv.Atoi(string(rest[:max(0, end)]))
	if err != nil {
		return 0
	}
	return n
}
