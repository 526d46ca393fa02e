package e2e_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// The log's format as eventlog/embedded documents it: 'g' name holds a group's settings and checkpoint, 'p' and 'r' its
// parked events. The names of groups sort after 'g' as they are.
const (
	groupSpace, parkedSpace, replaySpace = 'g', 'p', 'r'
	checkpointAt                         = 1
)

// openStore opens the store of a stopped server's log.
func (s *server) openStore(t *testing.T) *pebble.DB {
	t.Helper()
	db, err := pebble.Open(filepath.Join(s.data, "log"), &pebble.Options{ErrorIfNotExists: true,
		FormatMajorVersion: pebble.FormatTableFormatV6, Logger: quiet{t}})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

type quiet struct{ t *testing.T }

func (quiet) Infof(string, ...any)                {}
func (q quiet) Errorf(format string, args ...any) { q.t.Errorf(format, args...) }
func (q quiet) Fatalf(format string, args ...any) { q.t.Fatalf(format, args...) }

// forgetGroups deletes everything the log keeps about its consumer groups.
func (s *server) forgetGroups(t *testing.T) {
	t.Helper()
	db := s.openStore(t)
	found := len(groups(t, db))
	for _, space := range []byte{groupSpace, parkedSpace, replaySpace} {
		if err := db.DeleteRange([]byte{space}, []byte{space + 1}, pebble.Sync); err != nil {
			t.Fatal(err)
		}
	}
	if left := len(groups(t, db)); found == 0 || left != 0 {
		t.Fatalf("%d groups before, %d after", found, left)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// rewindGroups puts the checkpoints of all groups back to the start of the log, where a server that was killed early may
// have left them.
func (s *server) rewindGroups(t *testing.T) {
	t.Helper()
	s.rewound(t)
}

// rewindFarGroups does the same and fails if nothing is handed out again by it.
func (s *server) rewindFarGroups(t *testing.T) {
	t.Helper()
	if s.rewound(t) == 0 {
		t.Fatal("the checkpoint of every group stands at the start already")
	}
}

// rewound rewinds all groups and counts those that stood past the start.
func (s *server) rewound(t *testing.T) (moved int) {
	t.Helper()
	db := s.openStore(t)
	found := groups(t, db)
	if len(found) == 0 {
		t.Fatal("the log has no group")
	}
	for key, value := range found {
		content := value[:len(value)-4]
		if crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(value[len(content):]) {
			t.Fatalf("the record of group %s is not as documented", key[1:])
		}
		if binary.BigEndian.Uint64(content[checkpointAt:]) > 0 {
			moved++
		}
		binary.BigEndian.PutUint64(content[checkpointAt:], 0)
		value = binary.BigEndian.AppendUint32(content, crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli)))
		if err := db.Set([]byte(key), value, pebble.Sync); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return moved
}

// groups reads the records of all groups.
func groups(t *testing.T, db *pebble.DB) map[string][]byte {
	t.Helper()
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{groupSpace}, UpperBound: []byte{groupSpace + 1}})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]byte{}
	for ok := it.First(); ok; ok = it.Next() {
		found[string(it.Key())] = append([]byte(nil), it.Value()...)
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		t.Fatal(err)
	}
	return found
}
