package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// projection is what the server says of a read model.
type projection struct {
	Name    string `json:"name"`
	State   string `json:"state"`
	Rebuild *struct {
		State     string  `json:"state"`
		StartedAt string  `json:"started_at"`
		Facts     uint64  `json:"facts"`
		Share     float64 `json:"share"`
		Error     string  `json:"error"`
	} `json:"rebuild"`
}

// operate runs a command of the program against the server; it must succeed.
func (s *server) operate(t *testing.T, args ...string) string {
	t.Helper()
	out, complaint, code := run(t, append(args, "--url", "http://"+s.listen, "--data", s.data)...)
	if code != 0 {
		t.Fatalf("hooklog %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, complaint)
	}
	return out
}

func (s *server) projections(t *testing.T) []projection {
	t.Helper()
	var list []projection
	if err := json.Unmarshal([]byte(s.operate(t, "projections", "list", "--json")), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// rebuilding tells of the rebuild of all projections, which began at a time: whether it still runs. It must be known.
func (s *server) rebuilding(t *testing.T, startedAt string) bool {
	t.Helper()
	for _, p := range s.projections(t) {
		if p.Rebuild == nil {
			t.Fatalf("%s has forgotten its rebuild", p.Name)
		}
		if p.Rebuild.StartedAt != startedAt {
			t.Fatalf("%s: a rebuild of %s, want the one of %s", p.Name, p.Rebuild.StartedAt, startedAt)
		}
		switch p.Rebuild.State {
		case "running":
			return true
		case "switched":
		default:
			t.Fatalf("the rebuild of %s %s: %s", p.Name, p.Rebuild.State, p.Rebuild.Error)
		}
	}
	return false
}

// A rebuild of everything goes on after every kill, ends, and gives what a fresh fold gives; nothing is lost or sent
// again meanwhile.
func TestARebuildUnderLoadSurvivesKills(t *testing.T) {
	t.Parallel()
	c := newCrash(t, "rebuilt")
	c.args = []string{"--rebuild-rate", "5"} // with what is there already, slow enough on any machine for every kill to meet it
	c.round(t, nil)
	c.publishUnasked(t, 3_000)
	var begun struct {
		StartedAt string `json:"started_at"`
	}
	if err := json.Unmarshal([]byte(c.operate(t, "projections", "rebuild", "--all", "--wait=false", "--json")), &begun); err != nil {
		t.Fatal(err)
	}
	for range rounds(2, 12) {
		if !c.rebuilding(t, begun.StartedAt) {
			t.Fatal("the rebuild was over before it could be killed")
		}
		c.round(t, nil)
	}
	c.kill(t)
	c.kills++
	c.takeStock(t) // what the kill before cut off is attempted at once, and may be cut off again
	c.args = []string{"--rebuild-rate", "1000000"}
	c.start(t)
	eventually(t, "the rebuild ends", func() bool { return !c.rebuilding(t, begun.StartedAt) })
	c.finish(t)
	c.start(t)
	c.verifyAll(t)
	c.sameAfterFoldingAnew(t)
}

// publishUnasked publishes events that nobody gets: each is a fact to fold and no more.
func (c *crash) publishUnasked(t *testing.T, n int) {
	t.Helper()
	const unasked = "thing.unasked"
	c.must(t, http.StatusCreated, "POST", c.path("/event-types"), map[string]any{"name": unasked}, nil)
	for range n / 1000 {
		batch := "[" + strings.TrimSuffix(strings.Repeat(`{"type":"`+unasked+`","data":{}},`, 1000), ",") + "]"
		c.mustAs(t, c.platform, http.StatusOK, "POST", c.path("/events"), batch, nil)
	}
}

// verifyAll demands that no row of any projection differs from what folding again gives.
func (s *server) verifyAll(t *testing.T) {
	t.Helper()
	for _, p := range s.projections(t) {
		if out := s.operate(t, "projections", "verify", p.Name); !strings.Contains(out, " 0 differ.") {
			t.Errorf("projections verify %s:\n%s", p.Name, out)
		}
	}
}

// sameAfterFoldingAnew throws the read models away and compares the lists before and after.
func (c *crash) sameAfterFoldingAnew(t *testing.T) {
	t.Helper()
	rows, _ := c.failures(t, c.webhook.ID, 200, "")
	before := c.organization.webhook(t, c.webhook.ID)
	c.stop(t)
	if err := os.RemoveAll(filepath.Join(c.data, "projections")); err != nil {
		t.Fatal(err)
	}
	c.start(t)
	again, _ := c.failures(t, c.webhook.ID, 200, "")
	if !reflect.DeepEqual(rows, again) || len(rows) == 0 {
		t.Errorf("%d failures are listed after the rebuild, %d after folding anew, and they are not the same", len(rows), len(again))
	}
	if after := c.organization.webhook(t, c.webhook.ID); !reflect.DeepEqual(before, after) {
		t.Errorf("the webhook is %+v after the rebuild, %+v after folding anew", before, after)
	}
}
