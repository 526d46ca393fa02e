package projections

import "sync/atomic"

// models is one set of read models: where the rows of each keyspace are, and what is held in memory of them. The set
// that is served is replaced as a whole, never changed; what it points at is changed by whoever folds.
type models struct {
	store      *store
	colours    colours
	directory  *directory
	keys       *keyring
	types      *catalogue
	recent     *recent
	due        *dueIndex
	audit      *auditIndex
	recoveries *recoveries
	// readers counts who reads from the rows of this very set.
	readers *atomic.Int64
}

// newModels returns models that hold nothing yet.
func newModels(s *store, c colours) *models {
	return &models{store: s, colours: c, directory: newDirectory(), keys: newKeyring(), types: newCatalogue(),
		recent: newRecent(), due: newDueIndex(), audit: newAuditIndex(), recoveries: newRecoveries(), readers: new(atomic.Int64)}
}

// with returns models in which some parts are another set's and the others are the same.
func (m *models) with(parts partSet, from *models) *models {
	next := *m
	next.readers = new(atomic.Int64)
	for p, in := range parts {
		if take := partInfos[p].take; in && take != nil {
			take(&next, from)
		}
	}
	for _, space := range parts.spaces() {
		next.colours[space] = from.colours[space]
	}
	return &next
}

// in returns the first byte of a keyspace's keys.
func (m *models) in(space byte) byte { return space | m.colours[space] }

// colour tells the two places apart that the rows of a keyspace can be in: it is set in the first byte of their keys.
const green byte = 0x80

// colours says of each keyspace in which of its two places the rows are.
type colours [maxSpaces]byte

// other returns the colours of the other places.
func (c colours) other() colours {
	for space := range c {
		c[space] ^= green
	}
	return c
}

// reading returns the models that are served now. Their rows stay until done is called, even if the models are replaced
// meanwhile; whoever reads rows calls it, soon. What is in memory stays as long as it is pointed at.
func (x *Fold) reading() *models {
	for {
		m := x.current.Load()
		m.readers.Add(1)
		if x.current.Load() == m { // so whoever replaced it saw this reader
			return m
		}
		m.done()
	}
}

// done ends what reading began.
func (m *models) done() { m.readers.Add(-1) }

// now returns the models that are served now, for what they hold in memory.
func (x *Fold) now() *models { return x.current.Load() }
