package projections

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"
)

// counted counts the tables that are open for reading.
type counted struct {
	vfs.FS
	open, opened atomic.Int64
	closed       chan struct{} // capacity 1: one was closed
}

func (c *counted) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := c.FS.Open(name, o...)
	if err != nil || !isTable(name) {
		return f, err
	}
	c.open.Add(1)
	c.opened.Add(1)
	return &countedFile{File: f, of: c}, nil
}

type countedFile struct {
	vfs.File
	of *counted
}

func (f *countedFile) Close() error {
	f.of.open.Add(-1)
	select {
	case f.of.closed <- struct{}{}:
	default:
	}
	return f.File.Close()
}

// noise writes rows that do not become smaller, about so many bytes of them, and merges them.
func noise(t *testing.T, db *pebble.DB, bytes int) (rows uint64) {
	t.Helper()
	value := make([]byte, 8<<10)
	random := rand.NewChaCha8([32]byte{})
	for ; bytes > 0; bytes -= len(value) {
		if _, err := random.Read(value); err != nil {
			t.Fatal(err)
		}
		if err := db.Set(binary.BigEndian.AppendUint64(nil, rows), value, pebble.NoSync); err != nil {
			t.Fatal(err)
		}
		rows++
	}
	if err := db.Compact(t.Context(), []byte{0}, []byte{1}, false); err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestTablesAreLarge writes what makes two tables and a half.
func TestTablesAreLarge(t *testing.T) {
	t.Parallel()
	db, err := pebble.Open("projections", storeOptions(vfs.NewMem(), zerolog.Nop()))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	noise(t, db, tableSize*5/2)
	if n := tables(db); n < 2 || n > 4 {
		t.Errorf("%d tables, want 3", n)
	}
}

// TestAsManyTablesAreOpenAsMayBe reads a store of far more tables than are kept open, which are small here.
func TestAsManyTablesAreOpenAsMayBe(t *testing.T) {
	t.Parallel()
	fs := &counted{FS: vfs.NewMem(), closed: make(chan struct{}, 1)}
	o := storeOptions(fs, zerolog.Nop())
	for i := range o.TargetFileSizes {
		o.TargetFileSizes[i] = 32 << 10
	}
	db, err := pebble.Open("projections", o)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows := noise(t, db, 400*32<<10)
	if n := tables(db); n < 4*maxTables {
		t.Fatalf("there are only %d tables", n)
	}
	for row := range rows {
		_, closer, err := db.Get(binary.BigEndian.AppendUint64(nil, row))
		if err != nil {
			t.Fatal(err)
		}
		if err := closer.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n := fs.opened.Load(); n < 4*maxTables {
		t.Errorf("only %d tables were opened", n)
	}
	// Pebble closes what it puts out on a goroutine of its own.
	for fs.open.Load() > maxTables {
		select {
		case <-fs.closed:
		case <-time.After(time.Minute):
			t.Fatalf("%d tables are open, want %d at most", fs.open.Load(), maxTables)
		}
	}
}

func tables(db *pebble.DB) (n int) {
	m := db.Metrics()
	for _, level := range m.Levels {
		n += int(level.TablesCount)
	}
	return n
}
