package projections

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Flushes and merges come in bursts: one of them takes a core for a tenth of a second, or for a whole one, and on few cores
// whatever is published or delivered meanwhile stands behind it. So they rest between small pieces of work, and take a
// quarter of a core, as long as the store does not fall behind by that and hardly anybody looks for rows: to who does, as
// everybody does who works off a backlog of retries, each merge is worth more than its time.
const (
	// piece is how much work is done before there is a rest, restShare how much longer than the work that is.
	piece     = time.Millisecond
	restShare = 3
	maxRest   = 10 * time.Millisecond
	// judgeEvery is how often it is asked whether there is time to rest.
	judgeEvery = 50 * time.Millisecond
	// restedTables and restedRuns are how many memtables and runs there may be while there is: one memtable that is written
	// and one that is flushed, the runs that are merged and two that come meanwhile.
	restedTables = 2
	restedRuns   = gatheredRuns + 2
	// restedLookups is how often a second rows may be looked for while there is: more often than where one attempt in twenty
	// fails, at the rates of one machine, and less often than a backlog is worked off.
	restedLookups = 1000
)

// pacing tells whoever writes the store's tables whether there is time to rest.
type pacing struct {
	db      atomic.Pointer[pebble.DB] // nil until it is open
	held    *atomic.Bool              // merges are held back, as they are while the past is folded
	sought  *atomic.Int64             // how often rows were looked for
	leaving atomic.Bool

	mu sync.Mutex
	// hurry is what was judged last, at judged, when sought was counted.
	hurry   bool
	judged  time.Time
	counted int64
}

// hurried reports whether there is no time, as it was judged a moment ago.
func (p *pacing) hurried() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, sought := time.Now(), p.sought.Load()
	if since := now.Sub(p.judged); since >= judgeEvery {
		p.hurry = p.behind() || manyLookups(sought-p.counted, since)
		p.judged, p.counted = now, sought
	}
	return p.hurry
}

// behind reports whether the store is behind, or the past is folded, or everything is to end.
func (p *pacing) behind() bool {
	db := p.db.Load()
	if db == nil || p.leaving.Load() || p.held.Load() {
		return true
	}
	m := db.Metrics()
	return m.MemTable.Count > restedTables || m.Levels[0].Sublevels > restedRuns
}

// manyLookups reports whether so many look-ups in a time are more than there may be while there is time to rest.
func manyLookups(lookups int64, in time.Duration) bool {
	return float64(lookups) > restedLookups*in.Seconds()
}

// pacedFS is a file system on which tables are written with rests.
type pacedFS struct {
	vfs.FS
	pacing *pacing
}

// Create implements [vfs.FS].
func (f pacedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, category)
	if err != nil || !isTable(name) {
		return file, err
	}
	return &pacedFile{File: file, hurried: f.pacing.hurried, resumed: time.Now()}, nil
}

func isTable(name string) bool { return strings.HasSuffix(name, ".sst") }

// Unwrap implements [vfs.FS].
func (f pacedFS) Unwrap() vfs.FS { return f.FS }

// pacedFile is a table that is being written. What passes between two writes is the work of whoever writes.
type pacedFile struct {
	vfs.File
	hurried func() bool
	resumed time.Time
}

// Write implements [vfs.File].
func (f *pacedFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	now := time.Now()
	work := now.Sub(f.resumed)
	if work < piece {
		return n, err
	}
	if !f.hurried() {
		time.Sleep(min(restShare*work, maxRest))
	}
	f.resumed = time.Now()
	return n, err
}
