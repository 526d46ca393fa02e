package projections

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/sealing"
)

// scribeStreams reads what a scribe wrote; the first failures readings fail.
type scribeStreams struct {
	eventlog.Streams
	*scribe
	failures int
}

func (s *scribeStreams) Read(_ context.Context, stream string, _ eventlog.Revision) iter.Seq2[eventlog.Recorded, error] {
	return func(yield func(eventlog.Recorded, error) bool) {
		if s.failures > 0 {
			s.failures--
			yield(eventlog.Recorded{}, errors.New("the log is away"))
			return
		}
		for _, e := range s.events {
			if e.Stream == stream && !yield(e, nil) {
				return
			}
		}
	}
}

// filtering is an organization whose publisher had not seen that two subscriptions had filters: one admits the data of
// the message, one does not.
type filtering struct {
	*scribe
	keys           *sealing.Keyset
	id             domain.MessageID
	of             domain.MessageOf
	admits, denies domain.SubscriptionID
}

func newFiltering(t *testing.T) filtering {
	t.Helper()
	keys, err := sealing.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	s := newScribe(t)
	org := s.organization("vantageclaw")
	wrapped, key, err := keys.NewDataKey(org.String())
	if err != nil {
		t.Fatal(err)
	}
	s.write(domain.DataKeyStream(org), &domain.DataKeyMade{Organization: org, Wrapped: wrapped})
	x := filtering{scribe: s, keys: keys, admits: s.subscription(org, "a.b"), denies: s.subscription(org, "a.b")}
	for id, text := range map[domain.SubscriptionID]string{x.admits: `{"path":"n","equals":1}`, x.denies: `{"path":"n","equals":2}`} {
		filter, bad := domain.ParseFilter("filter", []byte(text))
		if len(bad) > 0 {
			t.Fatal(bad)
		}
		s.write(domain.SubscriptionStream(id), &domain.SubscriptionChanged{Organization: org,
			SubscriptionSettings: domain.SubscriptionSettings{URL: "https://example.com/hook", Events: []string{"a.b"}, Filter: filter}})
	}
	x.id = domain.MessageID(s.id())
	payload, err := key.Seal([]byte(`{"n":1}`), []byte(x.id.String()))
	if err != nil {
		t.Fatal(err)
	}
	x.of = s.publishAs(x.id, &domain.MessagePublished{Organization: org, EventType: "a.b", OccurredAt: s.now, Payload: payload,
		Targets: []domain.Target{{Subscription: x.admits}, {Subscription: x.denies}}, Total: 2, Seen: 2})
	return x
}

// fold folds it all with the given keys.
func (f filtering) fold(t *testing.T, keys DataKeys, streams *scribeStreams) *Fold {
	t.Helper()
	x := openOn(t, vfs.NewMem())
	t.Cleanup(func() { closeFold(t, x) })
	x.contents.keys, x.contents.streams = keys, streams
	foldOn(t, x, f.scribe)
	return x
}

func TestAMessageMatchedAgainIsFilteredByItsData(t *testing.T) {
	t.Parallel()
	f := newFiltering(t)
	x := f.fold(t, f.keys, &scribeStreams{scribe: f.scribe})
	if got := begun(t, x, f.id, f.of, f.admits, f.denies); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("begun to %v", got)
	}
	if right, _, pending := x.Correction(f.id); !pending || len(right) != 1 || right[0].Subscription != f.admits {
		t.Errorf("correction %v, pending %t", right, pending)
	}
}

// Who reads facts in outline only, as a rebuild does, reads such a message whole.
func TestAnOutlineIsReadWholeForAFilter(t *testing.T) {
	t.Parallel()
	f := newFiltering(t)
	x := openOn(t, vfs.NewMem())
	defer closeFold(t, x)
	x.contents.keys, x.contents.streams, x.projector.outlines = f.keys, &scribeStreams{scribe: f.scribe}, true
	if err := x.receive(t.Context(), eventlog.Batch{Events: f.events, Live: true}); err != nil {
		t.Fatal(err)
	}
	if got := begun(t, x, f.id, f.of, f.admits, f.denies); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("begun to %v", got)
	}
}

func TestAnOutageOfTheLogOnlyDelaysTheFilter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFiltering(t)
		x := f.fold(t, f.keys, &scribeStreams{scribe: f.scribe, failures: 5})
		if got := begun(t, x, f.id, f.of, f.admits, f.denies); !slices.Equal(got, []bool{true, false}) {
			t.Errorf("begun to %v", got)
		}
	})
}

func TestALongOutageOfTheLogEndsTheFold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFiltering(t)
		x := openOn(t, vfs.NewMem())
		defer closeFold(t, x)
		x.contents.keys, x.contents.streams = f.keys, &scribeStreams{scribe: f.scribe, failures: 1 << 20}
		err := x.receive(t.Context(), eventlog.Batch{Events: f.events, Live: true})
		if !errors.Is(err, errContent) {
			t.Errorf("got %v", err)
		}
		if _, at := x.Position().Halves(); int(at) != len(f.events)-1 {
			t.Errorf("folded %d of %d facts before", at, len(f.events))
		}
	})
}

// Whose key is gone, what was recorded stands: the targets first, and then what somebody corrected who had the key.
func TestADataKeyThatIsGoneLeavesWhatIsRecorded(t *testing.T) {
	t.Parallel()
	other, err := sealing.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	for name, keys := range map[string]DataKeys{"none": nil, "another": other} {
		f := newFiltering(t)
		x := f.fold(t, keys, &scribeStreams{scribe: f.scribe})
		if got := begun(t, x, f.id, f.of, f.admits, f.denies); !slices.Equal(got, []bool{true, true}) {
			t.Errorf("%s: begun to %v", name, got)
		}
		if _, _, pending := x.Correction(f.id); pending {
			t.Errorf("%s: a correction is pending", name)
		}
		f.write(domain.MessageStream(f.id), &domain.TargetsCorrected{MessageOf: f.of, Removed: []domain.SubscriptionID{f.denies}, Seen: 4})
		foldOn(t, x, f.scribe)
		if got := begun(t, x, f.id, f.of, f.admits, f.denies); !slices.Equal(got, []bool{true, false}) {
			t.Errorf("%s: after the correction begun to %v", name, got)
		}
	}
}
