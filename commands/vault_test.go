package commands

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/sealing"
)

func TestOneDataKeyAnOrganization(t *testing.T) {
	w := newWorld(t)
	org := domain.OrganizationID{1}
	nodes := make([]*Commands, 8)
	keys := make([]*sealing.DataKey, len(nodes))
	var race sync.WaitGroup
	for i := range nodes {
		nodes[i] = w.another(w.log)
		race.Go(func() {
			var err error
			if keys[i], err = nodes[i].DataKey(w.ctx, org); err != nil {
				t.Error(err)
			}
		})
	}
	race.Wait()
	w.holds(domain.DataKeyStream(org), 1)
	sealed, err := keys[0].Seal([]byte("text"), []byte("owner"))
	w.must(err)
	for i, k := range keys {
		if got, err := k.Open(sealed, []byte("owner")); err != nil || string(got) != "text" {
			t.Errorf("node %d has another key: %v", i, err)
		}
	}
	if again, err := nodes[0].DataKey(w.ctx, org); err != nil || again != keys[0] {
		t.Errorf("the key is not kept: %v", err)
	}
	other, err := w.DataKey(w.ctx, domain.OrganizationID{2})
	w.must(err)
	if _, err := other.Open(sealed, []byte("owner")); err == nil {
		t.Error("two organizations share a key")
	}
}

func TestADataKeyThatCannotBeHad(t *testing.T) {
	w := newWorld(t)
	_, err := w.DataKey(w.ctx, domain.OrganizationID{1})
	w.must(err)
	foreign := *w
	if foreign.keys, err = sealing.NewKeyset(); err != nil {
		t.Fatal(err)
	}
	// To a foreign keyset the recorded key is a forgery, and the stream cannot be begun again.
	if _, err := foreign.another(w.log).DataKey(w.ctx, domain.OrganizationID{1}); err == nil || strings.Contains(err.Error(), "conflict") {
		t.Errorf("got %v", err)
	}
	full := w.another(troubled{Streams: w.log, before: func(string, []eventlog.Event) error { return eventlog.ErrNoSpace }})
	if _, err := full.DataKey(w.ctx, domain.OrganizationID{2}); !errors.Is(err, eventlog.ErrNoSpace) {
		t.Errorf("got %v", err)
	}
	if _, err := full.DataKey(w.ctx, domain.OrganizationID{1}); err != nil {
		t.Errorf("one that is there needs no append: %v", err)
	}
}
