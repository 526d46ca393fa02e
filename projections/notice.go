package projections

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hooklog/hooklog/domain"
)

// noticeBatch is what a batch changes of notices: each fact's rows are written as it comes, and what was written is kept
// for the facts after it.
type noticeBatch struct {
	open      map[domain.NoticeID]*domain.Notice // nil for one that has ended
	summaries map[domain.NoticeID]domain.Summary
	// changed says that there is something to see to.
	changed bool
}

func newNoticeBatch() noticeBatch {
	return noticeBatch{open: map[domain.NoticeID]*domain.Notice{}, summaries: map[domain.NoticeID]domain.Summary{}}
}

func (b *noticeBatch) reset() {
	clear(b.open)
	clear(b.summaries)
	b.changed = false
}

// foldNotice folds a fact of a notice's stream.
func (x *projector) foldNotice(p placed) error {
	id, ok := domain.NoticeOfStream(p.Stream)
	if !ok {
		return fmt.Errorf("%w: not a notice's stream", errMisplaced)
	}
	before, err := x.openNotice(id)
	if err != nil {
		return err
	}
	decided, begins := p.fact.(*domain.NoticeDecided)
	if begins == (before != nil) || begins != (p.Revision == 0) || begins && decided.Notice() != id {
		return fmt.Errorf("%w: the notice was decided before, not yet, or has ended", errMisplaced)
	}
	next := domain.Notice{ID: id}
	if before != nil {
		next = *before
		if err := x.batch.delete(noticeDueKey(x.in(noticeDueSpace), next)); err != nil {
			return err
		}
	}
	next = next.Apply(p.fact, p.meta, uint64(p.Revision))
	if begins {
		if err := x.batch.delete(turnKey(x.in(turnSpace), decided.Turn)); err != nil {
			return err
		}
	}
	if sent, ok := p.fact.(*domain.NoticeSent); ok && sent.Told != nil && !sent.Summary.IsZero() {
		if err := x.addToSummary(sent.Summary, *sent.Told); err != nil {
			return err
		}
	}
	return x.writeNotice(next)
}

// openNotice returns an open notice, or nil.
func (x *projector) openNotice(id domain.NoticeID) (*domain.Notice, error) {
	if n, ok := x.batch.notices.open[id]; ok {
		return n, nil
	}
	var n *domain.Notice
	if err := x.store.document(noticeKey(x.in(noticeSpace), id), &n); err != nil {
		return nil, fmt.Errorf("%w: %w", errStore, err)
	}
	return n, nil
}

func (x *projector) writeNotice(n domain.Notice) error {
	key := noticeKey(x.in(noticeSpace), n.ID)
	if !n.Open() {
		x.batch.notices.open[n.ID] = nil
		return x.batch.delete(key)
	}
	x.batch.notices.open[n.ID] = &n
	x.batch.notices.changed = true
	text, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("%w: encode a row: %w", errStore, err)
	}
	if err := x.batch.set(key, text); err != nil {
		return err
	}
	return x.batch.set(noticeDueKey(x.in(noticeDueSpace), n), nil)
}

func (x *projector) addToSummary(id domain.NoticeID, t domain.Turn) error {
	key := noticeKey(x.in(summarySpace), id)
	s, ok := x.batch.notices.summaries[id]
	if !ok {
		if err := x.store.document(key, &s); err != nil {
			return fmt.Errorf("%w: %w", errStore, err)
		}
	}
	s = s.Add(t)
	x.batch.notices.summaries[id] = s
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("%w: encode a row: %w", errStore, err)
	}
	return x.batch.set(key, text)
}

func noticeKey(space byte, id domain.NoticeID) []byte { return append([]byte{space}, id[:]...) }

// noticeDueKey lays open notices out in the order in which they may be handed out.
func noticeDueKey(space byte, n domain.Notice) []byte {
	b := binary.BigEndian.AppendUint64([]byte{space}, sortable(domain.Time(n.Eligible()).UnixMicro()))
	return append(b, n.ID[:]...)
}

func showNoticeKey(what string) func([]byte) string {
	return func(rest []byte) string {
		if len(rest) != idSize {
			return ""
		}
		return what + " " + domain.NoticeID(rest).String()
	}
}

func showNoticeDueKey(rest []byte) string {
	if len(rest) != 8+idSize {
		return ""
	}
	return "due " + domain.NoticeID(rest[8:]).String()
}

// OpenNotices returns up to limit notices that the clock may hand out at the given time, the earliest first.
func (x *Fold) OpenNotices(now time.Time, limit int) (open []domain.Notice, err error) {
	m := x.reading()
	defer m.done()
	space := m.in(noticeDueSpace)
	end := binary.BigEndian.AppendUint64([]byte{space}, sortable(now.UnixMicro()+1))
	err = m.store.scan([]byte{space}, end, func(key, _ []byte) (bool, error) {
		if len(key) != 1+8+idSize {
			return false, errRow
		}
		var n *domain.Notice
		if err := m.store.document(noticeKey(m.in(noticeSpace), domain.NoticeID(key[9:])), &n); err != nil {
			return false, err
		}
		if n != nil && n.Open() && !n.Eligible().After(now) {
			open = append(open, *n)
		}
		return len(open) < limit, nil
	})
	return open, err
}

// Summary returns what a summary tells together, as far as it is folded.
func (x *Fold) Summary(id domain.NoticeID) (s domain.Summary, err error) {
	m := x.reading()
	defer m.done()
	return s, m.store.document(noticeKey(m.in(summarySpace), id), &s)
}
