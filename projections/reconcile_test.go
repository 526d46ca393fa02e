package projections

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"
)

// reconciled walks over the whole log once, on this goroutine.
func reconciled(t *testing.T, x *Fold) map[string]uint64 {
	t.Helper()
	r := x.newReconciler(fast)
	for {
		more, err := r.step(t.Context())
		if err != nil {
			t.Fatalf("reconcile: %v", err)
		}
		if !more {
			return x.Mismatches()
		}
	}
}

func total(counts map[string]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// fromOneStream are the keyspaces whose rows follow from one stream each.
var fromOneStream = []byte{organizationSpace, keySpace, eventTypeSpace, subscriptionSpace, memberSpace, deliverySpace, messageSpace,
	failureSpace, dueSpace, clientSpace}

func TestReconcileFindsWrongAndMissingRows(t *testing.T) {
	t.Parallel()
	log := logWith(t, 1)
	everything(log.scribe, 2)
	log.write(t)
	r := runWith(t, log.Log, vfs.NewMem(), func(*Config) {})
	defer closeFold(t, r.Fold)
	defer func() { _ = r.end() }()
	log.folded(t, r.Fold)
	if found := reconciled(t, r.Fold); total(found) != 0 {
		t.Fatalf("mismatches where nothing is wrong: %v", found)
	}
	for _, p := range table {
		for _, space := range p.spaces {
			if !slices.Contains(fromOneStream, space) {
				continue // for Verify
			}
			key := firstKey(t, r.Fold, space)
			value, _, err := r.store.value(key)
			if err != nil {
				t.Fatal(err)
			}
			value = append([]byte{}, value...)
			for what, spoilt := range map[string][]byte{"wrong": append(slices.Clone(value), 'x'), "missing": nil} {
				before := r.Mismatches()[p.name]
				r.projector.recent.forget()
				corrupt(t, r.Fold, key, spoilt)
				if found := reconciled(t, r.Fold); found[p.name] == before {
					t.Errorf("a %s row of keyspace %d (%s) was not found", what, space, showKey(space, key[1:]))
				}
				corrupt(t, r.Fold, key, value)
			}
			before := total(r.Mismatches())
			if found := reconciled(t, r.Fold); total(found) != before {
				t.Fatalf("mismatches of what is healed: %v", found)
			}
		}
	}
}

// forget empties the rows in memory, which would hide a spoilt one in the store.
func (x *recent) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	clear(x.young)
	clear(x.old)
}

// What is folded while it is looked at is no mismatch.
func TestReconcileBelievesWhatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	log := logWith(t, 20)
	r := runWith(t, log.Log, vfs.NewMem(), func(*Config) {})
	defer closeFold(t, r.Fold)
	defer func() { _ = r.end() }()
	log.folded(t, r.Fold)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				everything(log.scribe, 2)
				log.write(t)
			}
		}
	}()
	for range 10 {
		if found := reconciled(t, r.Fold); total(found) != 0 {
			t.Errorf("mismatches where nothing is wrong: %v", found)
			break
		}
	}
	close(stop)
	<-stopped
}

// In a running server a spoilt row is found within a round, and told of once in a while.
func TestTheServerReconcilesByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := logWith(t, 10)
		var told strings.Builder
		r := runWith(t, log.Log, vfs.NewMem(), func(c *Config) {
			c.ReconcileRate, c.Logger = 0, zerolog.New(zerolog.SyncWriter(&told))
		})
		defer closeFold(t, r.Fold)
		log.folded(t, r.Fold)
		corrupt(t, r.Fold, firstKey(t, r.Fold, failureSpace), nil)
		time.Sleep(2*reconcileRest + time.Duration(log.facts)*time.Second/defaultReconcileRate)
		if n := r.Mismatches()["failures"]; n == 0 {
			t.Error("the missing row was not found")
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
		if !strings.Contains(told.String(), "says something else than the log") {
			t.Errorf("the log does not tell:\n%s", told.String())
		}
		if at, ok, err := r.store.value(walkKey); err != nil || !ok || len(at) != 16 {
			t.Errorf("the place is not kept: %x, error %v", at, err)
		}
	})
}
