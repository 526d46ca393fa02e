package projections

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// FactFilter says which facts are asked for. Conditions add up; what is zero is none.
type FactFilter struct {
	// Organizations are those whose facts are asked for; nil is all, and with them the facts of no organization.
	Organizations []domain.OrganizationID
	// Subscription asks for its own facts and those of its deliveries.
	Subscription domain.SubscriptionID
	// Message asks for the facts of a message's stream and of its deliveries' streams.
	Message  domain.MessageID
	Delivery domain.DeliveryID
	// WithMessage adds, where Delivery is asked for, the fact that its message was published.
	WithMessage domain.MessageID
	// Types are full names of fact types, of which a fact must have one.
	Types []string
	// From and To bound a fact's own time: From on, and before To.
	From, To time.Time
	// Newest turns the order around.
	Newest bool
}

// mayBe reports whether facts of a span of time can be of the time asked for.
func (f *FactFilter) mayBe(s auditSpan) bool {
	return (f.From.IsZero() || s.last >= f.From.UnixMicro()) && (f.To.IsZero() || s.first < f.To.UnixMicro())
}

// takes reports whether a fact is asked for. Whatever led to it, this decides; so nobody is shown a fact that says of
// itself that it is another organization's.
func (f *FactFilter) takes(r *RecordedFact) bool {
	of := r.Of
	switch {
	case f.Organizations != nil && !slices.Contains(f.Organizations, of.Organization),
		!f.Subscription.IsZero() && of.Subscription != f.Subscription,
		!f.Message.IsZero() && of.Message != f.Message,
		len(f.Types) > 0 && !slices.Contains(f.Types, r.FactType()),
		!f.From.IsZero() && r.Meta.At.Before(f.From),
		!f.To.IsZero() && !r.Meta.At.Before(f.To):
		return false
	case f.Delivery.IsZero() || of.Delivery == f.Delivery:
		return true
	}
	_, published := r.Fact.(*domain.MessagePublished)
	return published && !f.WithMessage.IsZero() && of.Message == f.WithMessage
}

// owner tells the cursors of different filters apart.
func (f *FactFilter) owner() (owner [idSize]byte) {
	h := sha256.New()
	fmt.Fprintf(h, "hooklog facts\x00%d\x00%t\x00%d\x00", auditVersion, f.Organizations == nil, len(f.Organizations))
	sorted := slices.Clone(f.Organizations)
	slices.SortFunc(sorted, compareIDs)
	for _, id := range sorted {
		h.Write(id[:])
	}
	types := slices.Clone(f.Types)
	slices.Sort(types)
	fmt.Fprintf(h, "%s\x00%s\x00%s\x00%s\x00%q\x00%d\x00%d\x00%t", f.Subscription, f.Message, f.Delivery, f.WithMessage,
		types, f.From.UnixMicro(), f.To.UnixMicro(), f.Newest)
	copy(owner[:], h.Sum(nil))
	return owner
}

// FactPlace is how far a reading of facts has come. Its zero value is the beginning.
type FactPlace struct {
	// last is the last fact that was looked at, zero before the first; bound the end of the log as it was when the
	// reading began: what was recorded later is not read.
	last, bound eventlog.Position
	// block is where to go on in the audit index, if begun.
	block uint64
	begun bool
}

// factPlaceSize is the length of a place's text.
const factPlaceSize = 16 + 16 + 8

// Bound is the end of the log as it was when the reading began.
func (p FactPlace) Bound() eventlog.Position { return p.bound }

func (p FactPlace) append(b []byte) []byte {
	b, _ = p.last.AppendBinary(b)
	b, _ = p.bound.AppendBinary(b)
	return binary.BigEndian.AppendUint64(b, p.block)
}

func parseFactPlace(b []byte) (p FactPlace, ok bool) {
	if len(b) != factPlaceSize {
		return p, false
	}
	p.begun, p.block = true, binary.BigEndian.Uint64(b[32:])
	return p, p.last.UnmarshalBinary(b[:16]) == nil && p.bound.UnmarshalBinary(b[16:32]) == nil
}

// FactCursor spells a place in the facts of a filter, with what the caller wants back; other callers with other
// purposes cannot take it for theirs.
func (f *FactFilter) FactCursor(purpose string, p FactPlace, more []byte) string {
	return f.list(purpose).cursor(append(p.append(nil), more...))
}

// ParseFactCursor reads what FactCursor spelled for the same filter and purpose. Anything else is refused with
// BadCursor. The empty cursor is the beginning.
func (f *FactFilter) ParseFactCursor(purpose, cursor string) (p FactPlace, more []byte, err error) {
	place, err := f.list(purpose).place(cursor)
	if err != nil || place == nil {
		return p, nil, err
	}
	if len(place) < factPlaceSize {
		return p, nil, errFactCursor
	}
	p, ok := parseFactPlace(place[:factPlaceSize])
	if !ok {
		return p, nil, errFactCursor
	}
	return p, place[factPlaceSize:], nil
}

var errFactCursor = domain.Refuse(domain.BadCursor, "the cursor is malformed or belongs to another list")

func (f *FactFilter) list(purpose string) list {
	l := list{kind: factList, owner: f.owner()}
	sum := sha256.Sum256(append(l.owner[:], purpose...))
	copy(l.owner[:], sum[:])
	return l
}

// FactReader reads the facts of a filter one after the other, as far as the log went when the reading began. It is not
// safe for concurrent use and holds nothing that must be released.
type FactReader struct {
	fold   *Fold
	filter FactFilter
	place  FactPlace
	source factSource
	// found are the next candidates.
	found []candidate
	// patience is how often, and looks how often still, the source may look without a fact coming of it.
	patience, looks int
	// Tests count what was read: look-ups of rows of the index, and of facts in the log.
	seeks, reads int
}

// factSource finds facts that may be asked for.
type factSource interface {
	// next returns some that follow the reader's place, in order; none with more true if the reader's looks were used
	// up, and none with more false at the end.
	next(ctx context.Context, r *FactReader) (found []candidate, more bool, err error)
}

// candidate is a fact that may be asked for, or where one is.
type candidate struct {
	at    eventlog.Position
	block uint64
	fact  *RecordedFact
}

// How often a reader looks without finding anything before it gives up: exports never do, and a page of a list after
// this many chunks of the index; it is then shorter than asked for, and its cursor goes on.
const (
	unlimited    = math.MaxInt
	pagePatience = 64
)

// ReadFacts begins to read the facts of a filter, or goes on from a place.
func (x *Fold) ReadFacts(f FactFilter, from FactPlace) *FactReader {
	if !from.begun {
		from = FactPlace{bound: x.Position()}
	}
	r := &FactReader{fold: x, filter: f, place: from, patience: unlimited, looks: unlimited}
	switch {
	case !f.Delivery.IsZero():
		r.source = &streamFacts{streams: f.deliveryStreams}
	case !f.Message.IsZero():
		r.source = &streamFacts{streams: func(ctx context.Context, x *Fold) ([]string, error) { return x.messageStreams(ctx, f.Message) }}
	default:
		r.source = &indexedFacts{}
	}
	return r
}

// Place is how far the reading has come: everything up to there was returned.
func (r *FactReader) Place() FactPlace { return r.place }

// Next returns the next fact; false at the end. It fails when ctx ends.
func (r *FactReader) Next(ctx context.Context) (RecordedFact, bool, error) {
	f, _, err := r.next(ctx)
	if err != nil || f == nil {
		return RecordedFact{}, false, err
	}
	return *f, true, nil
}

// next returns nil at the end, and with more true where the reader lost patience.
func (r *FactReader) next(ctx context.Context) (f *RecordedFact, more bool, err error) {
	for {
		c, more, err := r.candidate(ctx)
		if err != nil || c == nil {
			return nil, more, err
		}
		r.place.last, r.place.block, r.place.begun = c.at, c.block, true
		if c.fact == nil {
			r.reads++
			if c.fact, err = r.fold.factAt(ctx, c.at); err != nil {
				return nil, false, err
			}
		}
		if c.fact != nil && r.filter.takes(c.fact) {
			r.looks = r.patience
			return c.fact, false, nil
		}
	}
}

// candidate takes the next one from the source.
func (r *FactReader) candidate(ctx context.Context) (*candidate, bool, error) {
	if len(r.found) == 0 {
		found, more, err := r.source.next(ctx, r)
		if err != nil || len(found) == 0 {
			return nil, more, err
		}
		r.found = found
	}
	c := r.found[0]
	r.found = r.found[1:]
	return &c, false, nil
}

// passed reports whether a position is not asked for any more, or not yet: it was read, or came after the reading began.
func (r *FactReader) passed(at eventlog.Position) bool {
	if at.After(r.place.bound) {
		return true
	}
	if r.place.last.IsZero() {
		return false
	}
	if r.filter.Newest {
		return !r.place.last.After(at)
	}
	return !at.After(r.place.last)
}

// factAt reads one fact from the log; nil if what is there is none any more, as after a change of the keyset.
func (x *Fold) factAt(ctx context.Context, at eventlog.Position) (*RecordedFact, error) {
	e, err := x.Feed.ReadAt(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("read a fact: %w", err)
	}
	f, m, err := x.Codec.Decode(placeOf(&e), e.Type, e.Data, e.Metadata)
	if domain.Skippable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the fact at %s: %w", at, err)
	}
	r := x.recordedFact(placed{f, m, &e})
	return &r, nil
}

// recordedFact says of a fact what it is about. One on the stream of another delivery is about nothing.
func (x *Fold) recordedFact(p placed) RecordedFact {
	of := domain.SubjectOf(p.Stream, p.fact)
	if of.Misplaced() {
		of = domain.Subject{}
	}
	if of.Key != "" && of.Organization.IsZero() {
		of.Organization = x.now().audit.ownerOf(of.Key)
	}
	return RecordedFact{Fact: p.fact, Meta: p.meta, ID: p.ID, Stream: p.Stream, Revision: uint64(p.Revision), Position: p.Position,
		RecordedAt: p.RecordedAt, Of: of}
}

func (x *Fold) recordedFacts(all []placed) (shown []RecordedFact) {
	for _, p := range all {
		shown = append(shown, x.recordedFact(p))
	}
	return shown
}

// indexedFacts finds facts by the audit index.
type indexedFacts struct {
	index *auditIndex
	block uint64
	ended bool
}

// auditChunk is how many blocks are looked at before a rebuild is given the chance to switch.
const auditChunk = 256

// next returns the facts of the next block that has some.
func (s *indexedFacts) next(ctx context.Context, r *FactReader) ([]candidate, bool, error) {
	for !s.ended {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		if r.looks == 0 {
			r.place.block, r.place.begun = s.block, true
			return nil, true, nil
		}
		r.looks--
		found, err := s.look(r)
		if err != nil || len(found) > 0 {
			return found, false, err
		}
	}
	return nil, false, nil
}

// look looks for a block that has something.
func (s *indexedFacts) look(r *FactReader) (_ []candidate, err error) {
	m := r.fold.reading()
	defer m.done()
	q, err := m.auditQuery(&r.filter)
	if err != nil {
		return nil, err
	}
	defer func() { r.seeks += q.seeks; err = errors.Join(err, q.close()) }()
	if s.index != m.audit {
		if err := s.begin(q, r); err != nil {
			return nil, err
		}
	}
	if r.filter.Newest && s.block >= q.view.number {
		s.block = q.view.number
		return s.take(q.openPositions(), r), nil
	}
	return s.search(q, r)
}

// search looks at a chunk of blocks, or as many as it takes to find something.
func (s *indexedFacts) search(q *auditQuery, r *FactReader) (found []candidate, err error) {
	for budget := auditChunk; budget > 0 && len(found) == 0 && !s.ended; budget-- {
		at, full, more, err := q.next(s.block, budget)
		switch {
		case err != nil:
			return nil, err
		case more:
			s.block = at
			return nil, nil
		case full:
			s.block = at
			positions, err := q.positions(at)
			if err != nil {
				return nil, err
			}
			found = s.take(positions, r)
		case r.filter.Newest:
			s.ended = true
		default:
			s.block = q.view.number
			found = s.take(q.openPositions(), r)
			s.ended = true
		}
	}
	return found, nil
}

// take steps over a block and returns what of it the reader has not passed, in its order.
func (s *indexedFacts) take(positions []eventlog.Position, r *FactReader) []candidate {
	block := s.block
	switch {
	case !r.filter.Newest:
		s.block++
		s.ended = len(positions) > 0 && positions[0].After(r.place.bound)
	case block == 0:
		s.ended = true
	default:
		s.block--
	}
	found := make([]candidate, 0, len(positions))
	for _, at := range positions {
		if !r.passed(at) {
			found = append(found, candidate{at: at, block: block})
		}
	}
	if r.filter.Newest {
		slices.Reverse(found)
	}
	return found
}

// begin finds the block to begin with. The index may have been rebuilt since a cursor was given, with the same blocks.
func (s *indexedFacts) begin(q *auditQuery, r *FactReader) error {
	first := s.index == nil
	s.index = q.models.audit
	switch {
	case r.place.begun && first && r.place.block != noBlock:
		s.block = r.place.block
	case r.place.begun:
		block, err := q.blockOf(r.place.last)
		s.block = block
		return err
	case r.filter.Newest:
		s.block = q.view.number
	}
	return nil
}

// noBlock stands for a block that has to be found.
const noBlock = math.MaxUint64

// streamFacts finds facts in a few streams, which may be many where a message has many targets. It reads them again for
// each chunk of what it finds, so that memory does not grow with them.
type streamFacts struct {
	streams func(context.Context, *Fold) ([]string, error)
	names   []string
}

// streamChunk is how many facts of streams are held at once.
const streamChunk = 1000

func (s *streamFacts) next(ctx context.Context, r *FactReader) ([]candidate, bool, error) {
	if s.names == nil {
		names, err := s.streams(ctx, r.fold)
		if err != nil {
			return nil, false, err
		}
		s.names = names
	}
	var found []candidate
	for _, name := range s.names {
		err := r.fold.readFacts(ctx, name, func(p placed) bool {
			r.reads++
			if f := r.fold.recordedFact(p); !r.passed(p.Position) && r.filter.takes(&f) {
				found = append(found, candidate{at: p.Position, fact: &f})
			}
			return true
		})
		if err != nil {
			return nil, false, err
		}
		if len(found) > 2*streamChunk {
			found = r.first(found)
		}
	}
	return r.first(found), false, nil
}

// first puts candidates in the reader's order and keeps as many as a chunk has.
func (r *FactReader) first(found []candidate) []candidate {
	slices.SortFunc(found, func(a, b candidate) int {
		if r.filter.Newest {
			a, b = b, a
		}
		return a.at.Compare(b.at)
	})
	if len(found) > streamChunk {
		clear(found[streamChunk:])
		found = found[:streamChunk]
	}
	return found
}

// deliveryStreams names the stream of a delivery, and where it is asked for that of its message.
func (f *FactFilter) deliveryStreams(context.Context, *Fold) ([]string, error) {
	streams := []string{domain.DeliveryStream(f.Delivery)}
	if !f.WithMessage.IsZero() {
		streams = append(streams, domain.MessageStream(f.WithMessage))
	}
	return streams, nil
}

// messageStreams names the streams of a message and of every delivery that it ever had; none if there is no such
// message.
func (x *Fold) messageStreams(ctx context.Context, id domain.MessageID) ([]string, error) {
	m, err := x.loadMessage(ctx, id)
	if domain.CodeOf(err) == domain.NotFound {
		return []string{}, nil
	}
	if err != nil {
		return nil, err
	}
	right, _, _ := x.Correction(id)
	streams := []string{domain.MessageStream(id)}
	seen := map[domain.SubscriptionID]bool{}
	for _, t := range slices.Concat(m.targets, right) {
		if !seen[t.Subscription] {
			seen[t.Subscription] = true
			streams = append(streams, domain.DeliveryStream(domain.DeriveDeliveryID(id, t.Subscription)))
		}
	}
	return streams, nil
}

// Facts returns a page of the facts of a filter, as far as the log went when the first page was asked for: pages stay
// as they are while facts are recorded, and the last page comes. next is empty on it. A page may be shorter than limit,
// and even empty, where many facts had to be looked at. A cursor of another filter is refused with BadCursor.
func (x *Fold) Facts(ctx context.Context, f FactFilter, limit int, cursor string) (page []RecordedFact, next string, err error) {
	from, _, err := f.ParseFactCursor(PageCursor, cursor)
	if err != nil {
		return nil, "", err
	}
	return x.FactsFrom(ctx, f, limit, from)
}

// PageCursor is the purpose of the cursors of pages.
const PageCursor = "page"

// FactsFrom is Facts from a place in them.
func (x *Fold) FactsFrom(ctx context.Context, f FactFilter, limit int, from FactPlace) (page []RecordedFact, next string, err error) {
	return x.ReadFacts(f, from).Page(ctx, limit)
}

// Page returns the next facts, at most limit of them, and the cursor of what follows them; see Facts.
func (r *FactReader) Page(ctx context.Context, limit int) (page []RecordedFact, next string, err error) {
	r.patience, r.looks = pagePatience, pagePatience
	for len(page) < limit {
		fact, more, err := r.next(ctx)
		if err != nil {
			return nil, "", err
		}
		if fact == nil {
			if more {
				next = r.filter.FactCursor(PageCursor, r.place, nil)
			}
			return page, next, nil
		}
		page = append(page, *fact)
	}
	shown := r.place
	if another, more, err := r.next(ctx); err != nil || another == nil && !more {
		return page, "", err
	}
	return page, r.filter.FactCursor(PageCursor, shown, nil), nil
}

// SubscriptionFacts hands the facts of a subscription and of its deliveries that stand before a position (the zero
// position is the end of what is folded) to each, the newest first, until it returns false.
func (x *Fold) SubscriptionFacts(ctx context.Context, sub domain.SubscriptionID, before eventlog.Position, each func(RecordedFact) bool) error {
	var from FactPlace
	if !before.IsZero() {
		from = FactPlace{last: before, bound: x.Position(), block: noBlock, begun: true}
	}
	r := x.ReadFacts(FactFilter{Subscription: sub, Newest: true}, from)
	for {
		f, ok, err := r.Next(ctx)
		if err != nil || !ok || !each(f) {
			return err
		}
	}
}
