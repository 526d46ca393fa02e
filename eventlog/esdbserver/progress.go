package esdbserver

// nowhere is the place before the first event.
const nowhere = -1

// progress knows how far a group is through: the place up to which everything is finished. A place is a revision in a
// group's stream, or a position in $all.
type progress struct {
	slots []*slot // from the first unfinished one on
	// done is the place up to which everything is finished, count how many events were passed on the way.
	done  int64
	count int
}

// slot is an event on its way, with those after it that need no work.
type slot struct {
	place    int64
	passed   int // events that stand for this slot
	finished bool
}

// begin adds an event that has to be finished.
func (p *progress) begin(place int64) *slot {
	s := &slot{place: place, passed: 1}
	p.slots = append(p.slots, s)
	return s
}

// pass adds an event that nobody has to handle.
func (p *progress) pass(place int64) {
	if len(p.slots) == 0 {
		p.done = place
		p.count++
		return
	}
	last := p.slots[len(p.slots)-1]
	if !last.finished {
		last = p.begin(place)
		last.finished, last.passed = true, 0
	}
	last.place = place
	last.passed++
}

func (p *progress) finish(s *slot) {
	s.finished = true
	for len(p.slots) > 0 && p.slots[0].finished {
		p.done = p.slots[0].place
		p.count += p.slots[0].passed
		p.slots[0] = nil
		p.slots = p.slots[1:]
	}
}
