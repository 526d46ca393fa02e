package projections

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// The audit index lists the facts of the log: all of them, those of each organization, of each subscription with its
// deliveries, and of each type. It holds positions only; the facts are read from the log.
//
// A row a fact and list would double what folding costs, so the lists are cut into blocks of auditBlock facts, and
// nothing of a list is written before its block is full: until then the fold keeps the block in memory and notes each
// batch of facts in one row, the journal, by one merge. A full block becomes one row for each list that has something
// in it, which is never touched again. Of one fact the journal holds about nine bytes and its four lists about eight.
// Measured by BenchmarkFold with 100 subscriptions, the least of six runs on two cores that others used, too: 3.49 µs of
// CPU a fact without the index and 3.85 µs with it at 512 facts a batch (+10 %), 6.97 and 8.79 µs at one fact a batch
// (+26 %), where the journal is one more row for each of about six. Batches grow with the load.
//
// Blocks are counted from the first fact that was ever folded, and a block's rows follow from its facts alone; so the
// rows are the same however facts were gathered into batches.
const auditBlock = 1024

// auditVersion is the version of the audit projection. Cursors name blocks, so those of another version are refused.
const auditVersion = 1

// What lies in the audit keyspace, by the byte after the space.
const (
	auditJournal       = 'j' // → the facts of the open block
	auditKeys          = 'k' // key id → the organization that it belongs to
	auditAll           = 'a' // block → all its facts
	auditOrganizations = 'o' // organization, block → its facts
	auditSubscriptions = 's' // subscription, block → its facts and those of its deliveries
	auditTypes         = 't' // type, 00, block → the facts of that type
)

// auditIndex is what of the audit projection is held in memory: the block that is not full, and whose each key is.
type auditIndex struct {
	// open is changed by whoever folds alone; readers take view.
	open auditOpen
	// view is the open block as of the last commit. Readers take it before they look for rows: every fact that is
	// missing in it is in a row already.
	view atomic.Pointer[auditOpen]

	mu    sync.RWMutex
	owner map[domain.KeyID]domain.OrganizationID
}

func newAuditIndex() *auditIndex {
	a := &auditIndex{owner: map[domain.KeyID]domain.OrganizationID{}}
	a.publish()
	return a
}

// publish shows readers what was folded. What they share with the fold is only ever appended to.
func (a *auditIndex) publish() { a.view.Store(a.open.shared()) }

// ownerOf returns the organization that a key belongs to; the zero id for keys that belong to none.
func (a *auditIndex) ownerOf(id domain.KeyID) domain.OrganizationID {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.owner[id]
}

// auditOpen is the block that is not full.
type auditOpen struct {
	number uint64
	facts  []auditFact
	// What the facts refer to by number.
	types         dictionary[string]
	organizations dictionary[domain.OrganizationID]
	subscriptions dictionary[domain.SubscriptionID]
	// journal is what the present batch added.
	journal []byte
}

// auditFact is a fact of the open block. Its names are numbers of the block's dictionaries; 0 is none.
type auditFact struct {
	at                              eventlog.Position
	micros                          int64
	typ, organization, subscription int
}

// shared returns the block as readers may see it while facts are added.
func (o *auditOpen) shared() *auditOpen {
	view := &auditOpen{number: o.number, facts: o.facts}
	view.types.names, view.organizations.names, view.subscriptions.names = o.types.names, o.organizations.names, o.subscriptions.names
	return view
}

// dictionary numbers names from 1, in the order of their first mention.
type dictionary[T comparable] struct {
	names   []T
	numbers map[T]int
}

// number returns the number of a name, and whether it is mentioned for the first time.
func (d *dictionary[T]) number(name T) (n int, fresh bool) {
	if n, known := d.numbers[name]; known {
		return n, false
	}
	if d.numbers == nil {
		d.numbers = map[T]int{}
	}
	d.names = append(d.names, name)
	d.numbers[name] = len(d.names)
	return len(d.names), true
}

// listFact takes a fact into the audit index. Unlike the other projectors it takes in facts that make no sense at their
// place, too: they were recorded, and that is what auditors ask about.
func (x *projector) listFact(p placed) error {
	of := listedSubject(p)
	if issued, ok := p.fact.(*domain.KeyIssued); ok && !issued.Organization.IsZero() {
		if err := x.ownKey(of.Key, issued.Organization); err != nil {
			return err
		}
	} else if of.Key != "" {
		of.Organization = x.audit.ownerOf(of.Key)
	}
	o := &x.audit.open
	o.add(p.Position, p.meta.At, p.fact.FactType(), of.Organization, of.Subscription)
	if len(o.facts) < auditBlock {
		return nil
	}
	return x.closeBlock()
}

// listedSubject is what a fact is listed under. For the most frequent types it does not look at the stream's name,
// which costs more than all the rest.
func listedSubject(p placed) domain.Subject {
	switch f := p.fact.(type) {
	case *domain.AttemptSucceeded:
		return domain.Subject{Organization: f.Organization, Subscription: f.Subscription}
	case *domain.AttemptFailed:
		return domain.Subject{Organization: f.Organization, Subscription: f.Subscription}
	case *domain.RetryDue:
		return domain.Subject{Organization: f.Organization, Subscription: f.Subscription}
	case *domain.MessagePublished:
		return domain.Subject{Organization: f.Organization}
	}
	return domain.SubjectOf(p.Stream, p.fact)
}

// ownKey notes whose a key is: only its first fact says so.
func (x *projector) ownKey(id domain.KeyID, org domain.OrganizationID) error {
	a := x.audit
	a.mu.Lock()
	_, known := a.owner[id]
	if !known {
		a.owner[id] = org
	}
	a.mu.Unlock()
	if known {
		return nil
	}
	return x.batch.set(append([]byte{x.in(auditSpace), auditKeys}, id...), org[:])
}

// add takes a fact into the open block and its journal.
func (o *auditOpen) add(at eventlog.Position, when time.Time, typ string, org domain.OrganizationID, sub domain.SubscriptionID) {
	f, before := auditFact{at: at, micros: when.UnixMicro()}, auditFact{}
	if n := len(o.facts); n > 0 {
		before = o.facts[n-1]
	}
	o.journal = appendStep(o.journal, before.at, at)
	o.journal = binary.AppendVarint(o.journal, f.micros-before.micros)
	var fresh bool
	f.typ, fresh = o.types.number(typ)
	if o.journal = binary.AppendUvarint(o.journal, uint64(f.typ)); fresh {
		o.journal = appendString(o.journal, typ)
	}
	f.organization, o.journal = note(&o.organizations, o.journal, org)
	f.subscription, o.journal = note(&o.subscriptions, o.journal, sub)
	o.facts = append(o.facts, f)
}

// note numbers an id and writes its number, and the id itself at its first mention. The zero id is none.
func note[T ~[idSize]byte](d *dictionary[T], journal []byte, id T) (int, []byte) {
	if id == (T{}) {
		return 0, append(journal, 0)
	}
	n, fresh := d.number(id)
	if journal = binary.AppendUvarint(journal, uint64(n)); fresh {
		journal = append(journal, id[:]...)
	}
	return n, journal
}

// readJournal takes in what add wrote.
func (o *auditOpen) readJournal(value []byte) error {
	in := reader{rest: value}
	var at eventlog.Position
	var micros int64
	for len(in.rest) > 0 && !in.bad {
		at, micros = in.step(at), micros+in.signed()
		f := auditFact{at: at, micros: micros}
		f.typ = readName(&in, &o.types, in.string)
		in.bad = in.bad || f.typ == 0
		f.organization = readName(&in, &o.organizations, func() domain.OrganizationID { return in.id() })
		f.subscription = readName(&in, &o.subscriptions, func() domain.SubscriptionID { return in.id() })
		o.facts = append(o.facts, f)
	}
	return in.end()
}

// readName reads the number of a name, and the name itself at its first mention.
func readName[T comparable](in *reader, d *dictionary[T], literal func() T) int {
	n := int(in.number())
	if n == len(d.names)+1 {
		d.number(literal())
	}
	if n > len(d.names) {
		in.bad = true
		return 0
	}
	return n
}

// appendStep writes how far a position is behind the one before: in logs whose positions have one number, and in those
// whose two numbers go together, in one or two bytes mostly.
func appendStep(b []byte, before, at eventlog.Position) []byte {
	high, low := at.Halves()
	beforeHigh, beforeLow := before.Halves()
	dHigh, dLow := high-beforeHigh, low-beforeLow
	switch {
	case dHigh == 0 && dLow < 1<<62:
		return binary.AppendUvarint(b, dLow<<2|stepLow)
	case dHigh == dLow && dLow < 1<<62:
		return binary.AppendUvarint(b, dLow<<2|stepBoth)
	}
	b, _ = at.AppendBinary(append(b, stepWhole))
	return b
}

// How a step is written.
const (
	stepLow   = 0
	stepBoth  = 1
	stepWhole = 2
)

// step reads what appendStep writes.
func (r *reader) step(before eventlog.Position) (at eventlog.Position) {
	n := r.number()
	high, low := before.Halves()
	switch n & 3 {
	case stepLow:
		return eventlog.PositionOf(high, low+n>>2)
	case stepBoth:
		return eventlog.PositionOf(high+n>>2, low+n>>2)
	case stepWhole:
		if b := r.take(16); b != nil && n == stepWhole && at.UnmarshalBinary(b) == nil {
			return at
		}
	}
	r.bad = true
	return at
}

func (r *reader) signed() int64 {
	n, size := binary.Varint(r.rest)
	if r.bad || size <= 0 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// completeAudit writes what the batch added to the open block.
func (x *projector) completeAudit() error {
	o := &x.audit.open
	if len(o.journal) == 0 {
		return nil
	}
	err := x.batch.writes.Merge(x.journalKey(), o.journal, nil)
	o.journal = o.journal[:0]
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	return nil
}

func (m *models) journalKey() []byte { return []byte{m.in(auditSpace), auditJournal} }

// closeBlock writes the rows of the block, which is full, and begins the next one.
func (x *projector) closeBlock() error {
	o := &x.audit.open
	if err := x.batch.delete(x.journalKey()); err != nil {
		return err
	}
	all, lists := o.lists(x.in(auditSpace))
	for _, l := range append(lists, all) {
		if err := x.batch.set(blockKey(l.prefix, o.number), l.row); err != nil {
			return err
		}
	}
	*o = auditOpen{number: o.number + 1, journal: o.journal[:0]}
	return nil
}

// lists makes the rows of the block: of the list of all facts and of every other that has something in it.
func (o *auditOpen) lists(space byte) (all *auditRow, others []*auditRow) {
	all = newAuditRow([]byte{space, auditAll})
	types := make([]*auditRow, len(o.types.names))
	for i, name := range o.types.names {
		types[i] = newAuditRow(factsOfType(space, name))
	}
	organizations := make([]*auditRow, len(o.organizations.names))
	for i, id := range o.organizations.names {
		organizations[i] = newAuditRow(factsOfOrganization(space, id))
	}
	subscriptions := make([]*auditRow, len(o.subscriptions.names))
	for i, id := range o.subscriptions.names {
		subscriptions[i] = newAuditRow(factsOfSubscription(space, id))
	}
	for i := range o.facts {
		f := &o.facts[i]
		all.add(f)
		types[f.typ-1].add(f)
		if f.organization > 0 {
			organizations[f.organization-1].add(f)
		}
		if f.subscription > 0 {
			subscriptions[f.subscription-1].add(f)
		}
	}
	others = slices.Concat(types, organizations, subscriptions)
	for _, l := range append(others, all) {
		l.close()
	}
	return all, others
}

func factsOfType(space byte, name string) []byte {
	return append(append([]byte{space, auditTypes}, name...), 0)
}

func factsOfOrganization(space byte, id domain.OrganizationID) []byte {
	return append([]byte{space, auditOrganizations}, id[:]...)
}

func factsOfSubscription(space byte, id domain.SubscriptionID) []byte {
	return append([]byte{space, auditSubscriptions}, id[:]...)
}

// blockKey is the key of a list's row for a block.
func blockKey(list []byte, block uint64) []byte {
	return binary.BigEndian.AppendUint64(list[:len(list):len(list)], block)
}

// auditRow is what a list has in one block: the least and greatest time of its facts, so that a search by time passes
// over it unread, and their positions.
type auditRow struct {
	prefix      []byte
	last        eventlog.Position
	first, late int64
	steps, row  []byte
}

func newAuditRow(prefix []byte) *auditRow {
	return &auditRow{prefix: prefix, first: math.MaxInt64, late: math.MinInt64}
}

func (l *auditRow) add(f *auditFact) {
	l.steps = appendStep(l.steps, l.last, f.at)
	l.last = f.at
	l.first, l.late = min(l.first, f.micros), max(l.late, f.micros)
}

// close makes the row's value.
func (l *auditRow) close() {
	l.row = binary.AppendVarint(make([]byte, 0, 20+len(l.steps)), l.first)
	l.row = binary.AppendUvarint(l.row, uint64(l.late-l.first))
	l.row = append(l.row, l.steps...)
}

// auditSpan is the least and greatest time of a row's facts.
type auditSpan struct{ first, last int64 }

// parseAuditRow reads a row up to its positions.
func parseAuditRow(value []byte) (auditSpan, reader) {
	in := reader{rest: value}
	s := auditSpan{first: in.signed()}
	s.last = s.first + int64(in.number())
	return s, in
}

// loadAudit brings into memory what the audit projection holds there.
func (x *models) loadAudit() error {
	a := x.audit
	last, err := x.lastBlock()
	if err != nil {
		return err
	}
	a.open.number = last
	journal, ok, err := x.store.value(x.journalKey())
	if err != nil {
		return err
	}
	if ok {
		if err := a.open.readJournal(journal); err != nil {
			return err
		}
	}
	a.publish()
	prefix := []byte{x.in(auditSpace), auditKeys}
	return x.store.scan(prefix, after(prefix), func(key, value []byte) (bool, error) {
		if len(value) != idSize {
			return false, errRow
		}
		a.owner[domain.KeyID(key[len(prefix):])] = domain.OrganizationID(value)
		return true, nil
	})
}

// lastBlock counts the full blocks.
func (x *models) lastBlock() (count uint64, err error) {
	prefix := []byte{x.in(auditSpace), auditAll}
	it, err := x.store.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return 0, fmt.Errorf("read the read models: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.Last() {
		return 0, it.Error()
	}
	if len(it.Key()) != len(prefix)+8 {
		return 0, errRow
	}
	return binary.BigEndian.Uint64(it.Key()[len(prefix):]) + 1, nil
}
