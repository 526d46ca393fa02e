package projections

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// The reasons of a rebuild, and how it can stand.
const (
	WhyRequested     = "requested"
	WhyVersion       = "version"
	RebuildRunning   = "running"
	RebuildSwitched  = "switched"
	RebuildCancelled = "cancelled"
	RebuildFailed    = "failed"
)

// RebuildProgress is how a rebuild stands.
type RebuildProgress struct {
	// Names are the projections that are switched together.
	Names []string
	// Why is WhyRequested or WhyVersion.
	Why string
	// State is RebuildRunning, RebuildSwitched, RebuildCancelled or RebuildFailed.
	State string
	// StartedAt is when it was asked for, EndedAt zero while it runs.
	StartedAt, EndedAt time.Time
	// Facts counts what was folded again, up to Position. Head is where the live read models stand.
	Facts          uint64
	Position, Head eventlog.Position
	// Share is the part of the live read models' facts that is folded again, 0 to 1.
	Share float64
	// FactsPerSecond is the mean since this process began or resumed the rebuild, ETA what is left at that rate; 0 if
	// there is no telling yet.
	FactsPerSecond float64
	ETA            time.Duration
	// Error says why it failed.
	Error string
}

// rebuilds is what a Fold knows of its rebuilds. At most one is under way, or one verification.
type rebuilds struct {
	mu        sync.Mutex
	job       *rebuildJob // the one under way, or nil
	verifying string      // the projection that is being verified, or empty
	// last is how the latest rebuild of each part ended, since this process started.
	last map[part]RebuildProgress
	// asked pulses when there is a job.
	asked pulse
	// shadowing is held (capacity 1) by whoever uses the other colours, until their rows are dropped.
	shadowing chan struct{}
	// near and hasty are meetWithin and hastyRate but in tests.
	near  uint64
	hasty int
}

// rebuildJob is a rebuild under way; its fields are under rebuilds.mu.
type rebuildJob struct {
	record rebuildRecord
	wanted partSet
	from   *checkpoint // where it goes on, nil to begin
	// cancel stops its folding and ended is closed after that; nil as long as nobody folds.
	cancel    context.CancelFunc
	ended     chan struct{}
	cancelled bool
	// at is the shadow's progress, begun and before what it began with in this process.
	at     *progress
	begun  time.Time
	before uint64
}

func newRebuilds() rebuilds {
	return rebuilds{last: map[part]RebuildProgress{}, asked: newPulse(), shadowing: make(chan struct{}, 1),
		near: meetWithin, hasty: hastyRate}
}

func refuseUnknownProjection(name string) error {
	return domain.Refuse(domain.NotFound, "no such projection: %s", name)
}

// Rebuild begins to fold projections again from the start of the log, beside the ones that serve, together with those
// that are switched with them; no names are all. It goes on in Run, also after a crash: the order is durable when
// Rebuild returns. An unknown name is refused with NotFound; with Conflict while another rebuild or a verification runs.
func (x *Fold) Rebuild(names ...string) (RebuildProgress, error) {
	if len(names) == 0 {
		names = everyPart().names()
	}
	for _, name := range names {
		if _, ok := projectionNamed(name); !ok {
			return RebuildProgress{}, refuseUnknownProjection(name)
		}
	}
	r := &x.rebuilds
	r.mu.Lock()
	if err := r.busy(); err != nil {
		r.mu.Unlock()
		return RebuildProgress{}, err
	}
	job, err := x.enlist(names, WhyRequested)
	if err != nil {
		r.mu.Unlock()
		return RebuildProgress{}, err
	}
	progress := x.tell(job)
	r.mu.Unlock()
	if err := x.store.Flush(); err != nil {
		return RebuildProgress{}, fmt.Errorf("make the rebuild durable: %w", err)
	}
	return progress, nil
}

// busy refuses what would need the other colours, too.
func (r *rebuilds) busy() error {
	switch {
	case r.job != nil:
		return domain.Refuse(domain.Conflict, "a rebuild of %s is running", strings.Join(r.job.wanted.names(), ", "))
	case r.verifying != "":
		return domain.Refuse(domain.Conflict, "a verification of %s is running", r.verifying)
	}
	return nil
}

// enlist records a new rebuild, in the store, too.
func (x *Fold) enlist(names []string, why string) (*rebuildJob, error) {
	record := rebuildRecord{Names: names, Why: why, StartedAt: domain.Time(x.Now()), Versions: presentVersions()}
	err := x.store.write("record a rebuild", func(b *pebble.Batch) error {
		return errors.Join(setDocument(b, rebuildKey, record), b.Delete(shadowKey, nil))
	})
	if err != nil {
		return nil, err
	}
	job := &rebuildJob{record: record, wanted: record.wanted()}
	x.rebuilds.job = job
	x.rebuilds.asked.send()
	return job, nil
}

// CancelRebuild ends the rebuild that includes a projection; what it folded is dropped, and the old rows serve on. It is
// refused with NotFound if none runs.
func (x *Fold) CancelRebuild(name string) error {
	p, ok := projectionNamed(name)
	if !ok {
		return refuseUnknownProjection(name)
	}
	r := &x.rebuilds
	r.mu.Lock()
	job := r.job
	if job == nil || !job.wanted[p.part] {
		r.mu.Unlock()
		return domain.Refuse(domain.NotFound, "no rebuild of %s is running", name)
	}
	job.cancelled = true
	ended := job.ended
	if ended == nil {
		err := x.finish(job, RebuildCancelled, nil)
		r.mu.Unlock()
		return errors.Join(err, x.store.Flush())
	}
	job.cancel()
	r.mu.Unlock()
	<-ended // Nobody switches after this; the switch may have been faster.
	return x.store.Flush()
}

// finish ends a job that is not switched: it is struck from the store with what it folded. Callers hold rebuilds.mu.
func (x *Fold) finish(job *rebuildJob, state string, cause error) error {
	folded := job.wanted.withNeeds()
	err := x.store.write("end a rebuild", func(b *pebble.Batch) error {
		var dropped error
		if job.at != nil || job.from != nil { // only then are the rows in the other colours its own
			dropped = clearSpaces(b, folded.spaces(), x.now().colours.other())
		}
		return errors.Join(dropped, b.Delete(rebuildKey, nil), b.Delete(shadowKey, nil))
	})
	x.conclude(job, state, cause)
	return err
}

// conclude notes how a job ended.
func (x *Fold) conclude(job *rebuildJob, state string, cause error) {
	p := x.tell(job)
	p.State, p.EndedAt, p.ETA = state, domain.Time(x.Now()), 0
	event := x.Logger.Info()
	if cause != nil {
		p.Error = cause.Error()
		event = x.Logger.Error().Err(cause)
	}
	for i, in := range job.wanted {
		if in {
			x.rebuilds.last[part(i)] = p
		}
	}
	x.rebuilds.job = nil
	event.Strs("projections", p.Names).Str("why", p.Why).Uint64("facts", p.Facts).Float64("facts_per_second", p.FactsPerSecond).
		Dur("took", p.EndedAt.Sub(p.StartedAt)).Msg("rebuild " + state)
}

// tell says how a job stands. Callers hold rebuilds.mu.
func (x *Fold) tell(job *rebuildJob) RebuildProgress {
	p := RebuildProgress{Names: job.wanted.names(), Why: job.record.Why, State: RebuildRunning, StartedAt: job.record.StartedAt,
		Head: x.progress.reached()}
	if job.at == nil {
		if job.from != nil {
			p.Facts, p.Position = job.from.facts, job.from.position
		}
	} else {
		p.Facts, p.Position = job.at.facts.Load(), job.at.reached()
	}
	live := x.progress.facts.Load()
	if live > 0 {
		p.Share = min(1, float64(p.Facts)/float64(live))
	}
	if took := x.Now().Sub(job.begun); job.at != nil && took > 0 && p.Facts > job.before {
		p.FactsPerSecond = float64(p.Facts-job.before) / took.Seconds()
		p.ETA = time.Duration(float64(max(live, p.Facts)-p.Facts) / p.FactsPerSecond * float64(time.Second))
	}
	return p
}

// rebuildWhenAsked folds again what is asked for, until ctx ends.
func (x *Fold) rebuildWhenAsked(ctx context.Context) {
	r := &x.rebuilds
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.asked:
		}
		select {
		case <-ctx.Done():
			r.asked.send() // for the next Run
			return
		case r.shadowing <- struct{}{}:
		}
		x.rebuild(ctx)
		<-r.shadowing
	}
}

// rebuild does the job that is asked for.
func (x *Fold) rebuild(ctx context.Context) {
	r := &x.rebuilds
	folding, cancel := context.WithCancel(ctx)
	defer cancel()
	r.mu.Lock()
	job := r.job
	if job == nil {
		r.mu.Unlock()
		return
	}
	job.cancel, job.ended = cancel, make(chan struct{})
	r.mu.Unlock()
	old, err := x.foldAgain(folding, job)
	r.mu.Lock()
	suspended := false
	switch {
	case old != nil: // switched
	case job.cancelled:
		err = x.finish(job, RebuildCancelled, nil)
	case ctx.Err() != nil || errors.Is(err, eventlog.ErrClosed):
		suspended, err = true, x.suspend(job)
	default:
		err = x.finish(job, RebuildFailed, err)
	}
	close(job.ended)
	job.ended = nil
	r.mu.Unlock()
	if err != nil {
		x.Logger.Error().Err(err).Msg("what a rebuild left behind could not be dropped; the next start does it")
	}
	if suspended {
		<-ctx.Done() // if the log was closed, Run is about to end, too
	}
	if old != nil {
		x.dropOld(ctx, old, job.wanted)
	}
}

// suspend leaves a job for the next Run.
func (x *Fold) suspend(job *rebuildJob) error {
	found, err := x.store.meta()
	job.from, job.at = found.shadow, nil
	x.rebuilds.asked.send()
	return err
}

// foldAgain folds what a job wants and switches to it. It returns the models that were served before.
func (x *Fold) foldAgain(ctx context.Context, job *rebuildJob) (old *models, err error) {
	folded := job.wanted.withNeeds()
	s, err := x.newShadow(folded, job.from)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.batch.close()) }()
	r := &x.rebuilds
	r.mu.Lock()
	job.at, job.begun, job.before = s.progress, x.Now(), s.progress.facts.Load()
	r.mu.Unlock()
	x.Logger.Info().Strs("projections", job.wanted.names()).Str("why", job.record.Why).Uint64("from_fact", job.before).
		Strs("folded_beside", without(folded, job.wanted).names()).Msg("rebuild began")
	s.meet = func() error {
		old, err = x.switchTo(s, job)
		return err
	}
	if err := s.run(ctx); err != nil {
		return nil, err
	}
	return old, s.drop(without(folded, job.wanted))
}

// without returns the parts of a that are not in b.
func without(a, b partSet) partSet {
	for p := range a {
		a[p] = a[p] && !b[p]
	}
	return a
}

// switchTo makes what a job wanted the models that are served. Both folds stand still, at the same place. It is one
// batch of the store and one pointer: a crash, and any reader, sees all of it or nothing.
func (x *Fold) switchTo(s *shadow, job *rebuildJob) (*models, error) {
	r := &x.rebuilds
	r.mu.Lock()
	defer r.mu.Unlock()
	if job.cancelled {
		return nil, context.Canceled
	}
	old := x.now()
	next := old.with(job.wanted, s.models)
	at := x.projector.batch.checkpoint
	if job.wanted[corePart] {
		at.open, at.unsent = s.batch.checkpoint.open, s.batch.checkpoint.unsent
	}
	wrote, err := x.versionsWith(job.wanted)
	if err != nil {
		return nil, err
	}
	err = x.store.write("switch to what was rebuilt", func(b *pebble.Batch) error {
		return errors.Join(b.Set(coloursKey, next.colours[:], nil), setDocument(b, versionsKey, wrote),
			b.Set(checkpointKey, at.append(nil), nil), b.Delete(rebuildKey, nil), b.Delete(shadowKey, nil))
	})
	if err != nil {
		return nil, err
	}
	x.projector.models, x.projector.batch.checkpoint = next, at
	next.due.count(at)
	x.current.Store(next)
	x.noticed.send()
	x.dueChanged.send() // what was pulsed on the old ones is told of the new ones
	x.limit.send()
	x.conclude(job, RebuildSwitched, nil)
	return old, nil
}

// versionsWith are the store's versions after some parts were folded by this program.
func (x *Fold) versionsWith(parts partSet) (versions, error) {
	m, err := x.store.meta()
	if err != nil {
		return nil, err
	}
	wrote := maps.Clone(m.versions)
	if wrote == nil {
		wrote = versions{}
	}
	now := presentVersions()
	for _, name := range parts.names() {
		wrote[name] = now[name]
	}
	return wrote, nil
}

// drainPoll is how often it is looked whether the last reader of old rows has finished.
const drainPoll = 10 * time.Millisecond

// dropOld drops the rows that were served before a switch, once nobody reads them any more. If ctx ends before, the next
// start drops them.
func (x *Fold) dropOld(ctx context.Context, old *models, parts partSet) {
	poll := time.NewTicker(drainPoll)
	defer poll.Stop()
	for old.readers.Load() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
		}
	}
	err := x.store.write("drop the old rows", func(b *pebble.Batch) error { return clearSpaces(b, parts.spaces(), old.colours) })
	if err != nil {
		x.Logger.Error().Err(err).Msg("the rows from before a rebuild could not be dropped; the next start does it")
	}
}

// resume takes up what the store says of rebuilds: one that was under way goes on, unless other code began it; a
// projection that another version of its projector wrote is rebuilt; and what nobody needs any more is dropped.
func (x *Fold) resume(m meta) error {
	changed := changedVersions(m.versions)
	var shadowed partSet
	switch again := m.rebuild != nil && m.rebuild.current(); {
	case again && containsAll(m.rebuild.wanted(), changed):
		job := &rebuildJob{record: *m.rebuild, wanted: m.rebuild.wanted(), from: m.shadow}
		x.rebuilds.job = job
		x.rebuilds.asked.send()
		if m.shadow != nil {
			shadowed = job.wanted.withNeeds()
		}
		x.Logger.Info().Strs("projections", job.wanted.names()).Msg("a rebuild that was interrupted goes on")
	case len(changed) > 0 || m.rebuild != nil:
		names, why := slices.Clone(changed), WhyVersion
		if m.rebuild != nil {
			names, why = append(names, m.rebuild.Names...), m.rebuild.Why
		}
		for _, name := range changed {
			p, _ := projectionNamed(name)
			x.Logger.Info().Str("projection", name).Int("found", m.versions[name]).Int("wanted", p.version).
				Msg("the projector has another version: its projection is folded again; until then the old rows serve")
		}
		if _, err := x.enlist(known(names), why); err != nil {
			return err
		}
	}
	return x.dropUnused(m.colours.other(), without(everyPart(), shadowed))
}

// changedVersions names the projections that other code wrote.
func changedVersions(wrote versions) (names []string) {
	for _, p := range table {
		if wrote[p.name] != p.version {
			names = append(names, p.name)
		}
	}
	return names
}

func containsAll(parts partSet, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		p, _ := projectionNamed(name)
		return !parts[p.part]
	})
}

// known leaves away names of projections that this program does not have, and repetitions.
func known(names []string) []string {
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool {
		_, ok := projectionNamed(name)
		return !ok
	})
}

// dropUnused drops what an ended process left in the colours that are not served.
func (x *Fold) dropUnused(c colours, parts partSet) error {
	var left []byte
	for _, space := range parts.spaces() {
		first := space | c[space]
		err := x.store.scan([]byte{first}, []byte{first + 1}, func(_, _ []byte) (bool, error) {
			left = append(left, space)
			return false, nil
		})
		if err != nil {
			return err
		}
	}
	if len(left) == 0 {
		return nil
	}
	return x.store.write("drop what is left of a rebuild", func(b *pebble.Batch) error { return clearSpaces(b, left, c) })
}
