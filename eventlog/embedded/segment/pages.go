package segment

import (
	"container/list"
	"sync"
)

// maxPages is how many pages are kept in memory, 4 KiB each.
const maxPages = 512

// pages keeps pages of files that never change, those lately used: what is asked for again and again, as subscriptions
// are, costs no reading of the index, and neighbours in the log are found on one page.
type pages struct {
	mu      sync.Mutex
	byPlace map[pagePlace]*list.Element // of *page
	used    list.List                   // the lately used first
}

// pagePlace is where a page is: in the table of a span, or in the offsets of the segment that begins with first; then last
// is 0, with which no table ends.
type pagePlace struct {
	of     span
	number int
}

// page is what was read and found good. Nobody may change it.
type page struct {
	place pagePlace
	bytes [pageSize]byte
}

func newPages() *pages { return &pages{byPlace: map[pagePlace]*list.Element{}} }

// get returns a page, which read fills if it is not kept.
func (p *pages) get(place pagePlace, read func(*[pageSize]byte) error) (*[pageSize]byte, error) {
	if kept := p.kept(place); kept != nil {
		return &kept.bytes, nil
	}
	fresh := &page{place: place}
	if err := read(&fresh.bytes); err != nil {
		return nil, err
	}
	p.keep(fresh)
	return &fresh.bytes, nil
}

func (p *pages) kept(place pagePlace) *page {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.byPlace[place]
	if !ok {
		return nil
	}
	p.used.MoveToFront(e)
	return e.Value.(*page)
}

// keep takes in a page, which somebody may have taken in meanwhile, and lets the one go that was not used for longest.
func (p *pages) keep(fresh *page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.byPlace[fresh.place]; ok {
		return
	}
	p.byPlace[fresh.place] = p.used.PushFront(fresh)
	if p.used.Len() > maxPages {
		oldest := p.used.Remove(p.used.Back()).(*page)
		delete(p.byPlace, oldest.place)
	}
}
