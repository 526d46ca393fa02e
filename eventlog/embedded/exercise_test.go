package embedded_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/eventlog/eventlogtest"
	"github.com/hooklog/hooklog/waittest"
)

func TestMain(m *testing.M) {
	becomeChild()
	waittest.Main(m)
}

// openAt opens a log that is closed with the test.
func openAt(t testing.TB, dir string, opts embedded.Options) *embedded.Log {
	t.Helper()
	l, err := embedded.Open(dir, opts)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

// places remembers where the logs of a backend lie, so that they can be opened again.
type place struct {
	*embedded.Log
	dir  string
	opts embedded.Options
}

func backend(newPlace func(testing.TB) (string, embedded.Options)) eventlogtest.Backend {
	return eventlogtest.Backend{
		Open: func(t testing.TB) eventlog.Log {
			dir, opts := newPlace(t)
			return &place{openAt(t, dir, opts), dir, opts}
		},
		Reopen: func(t testing.TB, l eventlog.Log) eventlog.Log {
			t.Helper()
			p := l.(*place)
			if err := p.Close(); err != nil {
				t.Fatalf("close: %v", err)
			}
			return &place{openAt(t, p.dir, p.opts), p.dir, p.opts}
		},
		Features: eventlogtest.Features{Store: true},
	}
}

func TestLogInMemory(t *testing.T) {
	eventlogtest.Exercise(t, backend(func(testing.TB) (string, embedded.Options) {
		return "log", embedded.Options{FS: vfs.NewMem()}
	}))
}

func TestLogOnDisk(t *testing.T) {
	eventlogtest.Exercise(t, backend(func(t testing.TB) (string, embedded.Options) {
		return t.TempDir(), embedded.Options{}
	}))
}
