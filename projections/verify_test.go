package projections

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// everything writes a mix that gives every projection rows.
func everything(s *scribe, messages int) {
	busy(s, messages)
	org := s.organization("standard")
	s.write(domain.KeyStream("live_a"), &domain.KeyIssued{Mode: "live", SecretHash: "x", Organization: org})
	s.write(domain.EventTypeStream(org, "a.b"), &domain.EventTypeDefined{Organization: org, Name: "a.b"})
	sub, gone := s.subscription(org, "a.b"), s.subscription(org, "a.b")
	s.write(domain.RecoveryStream(domain.RecoveryID(s.id())), &domain.RecoveryRequested{Organization: org, Subscription: sub,
		From: s.now, To: s.now, States: []domain.DeliveryState{domain.Dead}})
	notices(s)
	strict := s.subscription(org, "c.d")
	s.write(domain.SubscriptionStream(strict), &domain.SubscriptionChanged{Organization: org,
		SubscriptionSettings: domain.SubscriptionSettings{URL: "https://example.com/hook", Events: []string{"c.d"}, Ordered: true}})
	for n := range 3 {
		id, of := s.publish(org, "c.d", 4, domain.Target{Subscription: strict, Revision: 1})
		if n == 0 {
			s.succeed(deliveryTo(id, of, strict), 1)
		}
	}
	s.deleteSubscription(org, gone)
	id, of := s.publish(org, "a.b", 1, domain.Target{Subscription: gone}) // had not seen everything
	s.fail(deliveryTo(id, of, sub), 1, time.Minute)
	s.publishAs(domain.MessageID(s.id()), &domain.MessagePublished{Organization: org, EventType: "e.f", Client: "spring", OccurredAt: s.now,
		Payload: []byte("sealed"), PayloadSHA256: []byte("sum")})
}

func verified(t *testing.T, x *Fold, name string) Verification {
	t.Helper()
	v, err := x.Verify(t.Context(), name, 100)
	if err != nil {
		t.Fatalf("verify %s: %v", name, err)
	}
	return v
}

func TestVerifyFindsNothingWhereNothingIsWrong(t *testing.T) {
	t.Parallel()
	log := logWith(t, 30)
	everything(log.scribe, 30)
	log.write(t)
	r := runWith(t, log.Log, vfs.NewMem(), func(*Config) {})
	defer closeFold(t, r.Fold)
	defer func() { _ = r.end() }()
	log.folded(t, r.Fold)
	for _, p := range table {
		v := verified(t, r.Fold, p.name)
		if len(v.Differences) != 0 || v.More != 0 || v.Rows == 0 || v.Facts != uint64(log.facts) || v.At != log.last || v.Name != p.name {
			t.Errorf("%s: %+v", p.name, v)
		}
	}
	if n := unserved(t, r.Fold); n != 0 {
		t.Errorf("%d rows are left of the verifications", n)
	}
	for name, n := range r.Mismatches() {
		if n != 0 {
			t.Errorf("%d mismatches of %s", n, name)
		}
	}
}

func TestVerifyFindsWrongMissingAndExtraRows(t *testing.T) {
	t.Parallel()
	for _, space := range everyPart().spaces() {
		log := logWith(t, 5)
		everything(log.scribe, 5)
		log.write(t)
		r := runWith(t, log.Log, vfs.NewMem(), func(*Config) {})
		log.folded(t, r.Fold)
		name := table[slices.IndexFunc(table, func(p projection) bool { return slices.Contains(p.spaces, space) })].name
		key := firstKey(t, r.Fold, space)
		value, _, err := r.store.value(key)
		if err != nil {
			t.Fatal(err)
		}
		value = append([]byte{}, value...) // a row may be empty, but it is there
		ghost := slices.Clone(key)
		ghost[len(ghost)-1] ^= 0xff
		for _, c := range []struct {
			what        string
			key, value  []byte
			live, again bool
		}{
			{"wrong", key, append(slices.Clone(value), 'x'), true, true},
			{"missing", key, nil, false, true},
			{"extra", ghost, value, true, false},
		} {
			corrupt(t, r.Fold, c.key, c.value)
			v := verified(t, r.Fold, name)
			if len(v.Differences) != 1 {
				t.Fatalf("keyspace %d, %s: %d differences: %+v", space, c.what, len(v.Differences), v.Differences)
			}
			d := v.Differences[0]
			if d.Projection != name || d.Key == "" || strings.Contains(d.Key, "keyspace") || (d.Live != nil) != c.live || (d.Again != nil) != c.again {
				t.Errorf("keyspace %d, %s: %s live %s, again %s", space, c.what, d.Key, d.Live, d.Again)
			}
			if string(d.Live) == string(d.Again) || strings.Contains(string(d.Again), "unreadable") {
				t.Errorf("keyspace %d, %s: %s is shown as %s and %s", space, c.what, d.Key, d.Live, d.Again)
			}
			corrupt(t, r.Fold, ghost, nil)
			corrupt(t, r.Fold, key, value)
		}
		if n := r.Mismatches()[name]; n != 3 {
			t.Errorf("%d mismatches of %s, want 3", n, name)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
		closeFold(t, r.Fold)
	}
}

func TestVerifyFindsWhatIsWrongInMemory(t *testing.T) {
	t.Parallel()
	spoil := map[string]func(m *models){
		"organizations": func(m *models) {
			for _, o := range m.directory.organizations {
				o.state.Name = "Mallory"
				return
			}
		},
		"subscriptions": func(m *models) {
			for _, s := range m.directory.subscriptions {
				s.health.Consecutive += 7
				return
			}
		},
		"keys":        func(m *models) { delete(m.keys.keys, "live_a") },
		"recoveries":  func(m *models) { clear(m.recoveries.open) },
		"catalogue":   func(m *models) { clear(m.types.types) },
		"corrections": func(m *models) { clear(m.directory.corrections) },
		"due":         func(m *models) { m.due.open.Add(1) },
		"audit": func(m *models) {
			view := *m.audit.view.Load()
			view.facts = view.facts[:len(view.facts)-1]
			m.audit.view.Store(&view)
		},
		"deliveries": func(m *models) {
			for id, r := range m.recent.young {
				other := *r
				other.Attempts++
				m.recent.young[id] = &other
				return
			}
		},
	}
	log := logWith(t, 5)
	everything(log.scribe, 5)
	log.write(t)
	for name, spoil := range spoil {
		r := runWith(t, log.Log, vfs.NewMem(), func(*Config) {})
		log.folded(t, r.Fold)
		r.folding.Lock()
		spoil(r.now())
		r.folding.Unlock()
		if v := verified(t, r.Fold, name); len(v.Differences) != 1 {
			t.Errorf("%s: %+v", name, v.Differences)
		}
		if _, err := r.Rebuild(name); err != nil {
			t.Fatal(err)
		}
		if p := rebuilt(t, r.Fold, name); p.State != RebuildSwitched {
			t.Errorf("%s: rebuilt as %+v", name, p)
		}
		r.shadowing()
		if v := verified(t, r.Fold, name); len(v.Differences) != 0 {
			t.Errorf("%s is not healed: %+v", name, v.Differences)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
		closeFold(t, r.Fold)
	}
}

func TestVerifyIsBoundedAndShowsNoSecret(t *testing.T) {
	t.Parallel()
	log := logWith(t, 5)
	s := log.scribe
	org := s.organization("standard")
	for i := range 5 {
		s.write(domain.KeyStream(domain.KeyID("live_"+string(rune('a'+i)))), &domain.KeyIssued{Mode: "live", SecretHash: "the-hash", Organization: org})
		s.subscription(org, "a.b")
	}
	log.write(t)
	r := runWith(t, log.Log, vfs.NewMem(), func(*Config) {})
	defer closeFold(t, r.Fold)
	defer func() { _ = r.end() }()
	log.folded(t, r.Fold)
	m := r.now()
	for _, space := range []byte{keySpace, subscriptionSpace} {
		first := m.in(space)
		if err := r.store.DeleteRange([]byte{first}, []byte{first + 1}, pebble.NoSync); err != nil {
			t.Fatal(err)
		}
	}
	v, err := r.Verify(t.Context(), "keys", 2)
	if err != nil || len(v.Differences) != 2 || v.More != 3 || r.Mismatches()["keys"] != 5 {
		t.Errorf("%d differences and %d more, error %v", len(v.Differences), v.More, err)
	}
	again := verified(t, r.Fold, "subscriptions")
	for _, d := range append(v.Differences, again.Differences...) {
		if text := string(d.Again); strings.Contains(text, "the-hash") || strings.Contains(text, "c2VhbGVk") {
			t.Errorf("a secret is shown: %s", text)
		}
	}
}

func TestVerifyRefusals(t *testing.T) {
	t.Parallel()
	log := logWith(t, 1)
	r := runWith(t, log.Log, vfs.NewMem(), func(*Config) {})
	defer closeFold(t, r.Fold)
	defer func() { _ = r.end() }()
	log.folded(t, r.Fold)
	if _, err := r.Verify(t.Context(), "moons", 1); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("an unknown name: %v", err)
	}
	release, err := r.claimShadow(t.Context(), "due")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(t.Context(), "keys", 1); domain.CodeOf(err) != domain.Conflict {
		t.Errorf("beside another verification: %v", err)
	}
	if _, err := r.Rebuild(); domain.CodeOf(err) != domain.Conflict {
		t.Errorf("a rebuild beside a verification: %v", err)
	}
	release()
	verified(t, r.Fold, "keys")
}

// While facts are appended both sides are compared at one place.
func TestVerifyWhileFactsAreAppended(t *testing.T) {
	t.Parallel()
	log := logWith(t, 100)
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
				busy(log.scribe, 1)
				log.write(t)
			}
		}
	}()
	var last eventlog.Position
	for range 5 {
		for _, name := range []string{"deliveries", "due", "failures", "subscriptions"} {
			v := verified(t, r.Fold, name)
			if len(v.Differences) != 0 || last.After(v.At) {
				t.Errorf("%s at %s: %+v", name, v.At, v.Differences)
			}
			last = v.At
		}
	}
	close(stop)
	<-stopped
}
