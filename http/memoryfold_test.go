package http_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	httpd "github.com/hooklog/hooklog/http"
)

type fold struct {
	mu      sync.Mutex
	changed chan struct{}
	at      eventlog.Position
	keys    map[domain.KeyID]domain.Key
	orgs    map[domain.OrganizationID]domain.Organization
	subs    map[domain.SubscriptionID]domain.Subscription
	types   map[string]domain.EventType
	match   map[domain.OrganizationID]*domain.Subscribers
	lag     time.Duration
	cancel  context.CancelFunc
	done    chan error
}

func openFold(t testing.TB, log eventlog.Feed, codec *domain.Codec) *fold {
	ctx, cancel := context.WithCancel(context.Background())
	f := &fold{changed: make(chan struct{}), keys: map[domain.KeyID]domain.Key{}, orgs: map[domain.OrganizationID]domain.Organization{}, subs: map[domain.SubscriptionID]domain.Subscription{}, types: map[string]domain.EventType{}, match: map[domain.OrganizationID]*domain.Subscribers{}, cancel: cancel, done: make(chan error, 1)}
	go func() {
		f.done <- log.Subscribe(ctx, eventlog.Position{}, func(_ context.Context, b eventlog.Batch) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			for _, e := range b.Events {
				f.apply(codec, e)
			}
			close(f.changed)
			f.changed = make(chan struct{})
			return nil
		})
	}()
	return f
}

func (f *fold) stop() { f.cancel(); f.done <- <-f.done }

func (f *fold) apply(codec *domain.Codec, e eventlog.Recorded) {
	fact, m, err := codec.Decode(e.Stream, e.ID, e.Type, e.Data, e.Metadata)
	f.at = e.Position
	if err != nil {
		return
	}
	if id, ok := domain.KeyOfStream(e.Stream); ok {
		k := f.keys[id]
		k.ID = id
		f.keys[id] = k.Apply(fact, m)
	}
	if id, ok := domain.OrganizationOfStream(e.Stream); ok {
		o := f.orgs[id]
		o.ID = id
		f.orgs[id] = o.Apply(fact, m)
	}
	if id, ok := domain.SubscriptionOfStream(e.Stream); ok {
		s := f.subs[id]
		s.ID = id
		s = s.Apply(fact, m, uint64(e.Revision))
		f.subs[id] = s
		if f.match[s.Organization] == nil {
			f.match[s.Organization] = domain.NewSubscribers()
		}
		f.match[s.Organization].Put(&s)
		f.match[s.Organization].Seen++
	}
	switch t := fact.(type) {
	case *domain.EventTypeDefined:
		f.types[t.Organization.String()+t.Name] = f.types[t.Organization.String()+t.Name].Apply(fact, m)
	case *domain.EventTypeRetired:
		f.types[t.Organization.String()+t.Name] = f.types[t.Organization.String()+t.Name].Apply(fact, m)
	}
}

func (f *fold) WaitFor(ctx context.Context, at eventlog.Position) error {
	for {
		f.mu.Lock()
		reached, changed := !at.After(f.at), f.changed
		f.mu.Unlock()
		if reached {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
func (f *fold) Lag() time.Duration     { f.mu.Lock(); defer f.mu.Unlock(); return f.lag }
func (f *fold) Live() bool             { return true }
func (f *fold) setLag(l time.Duration) { f.mu.Lock(); defer f.mu.Unlock(); f.lag = l }
func (f *fold) Key(id domain.KeyID) (domain.Key, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k, ok := f.keys[id]
	return k, ok
}
func (f *fold) Keys(org domain.OrganizationID, limit int, cursor string) (p []domain.Key, next string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.keys {
		if k.Organization == org {
			p = append(p, k)
		}
	}
	return p, "", nil
}
func (f *fold) Organization(id domain.OrganizationID) (domain.Organization, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k, ok := f.orgs[id]
	return k, ok
}
func (f *fold) OrganizationBySlug(slug string) (domain.Organization, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.orgs {
		if o.Slug == slug {
			return o, true
		}
	}
	return domain.Organization{}, false
}
func (f *fold) Organizations(limit int, cursor string) (p []domain.Organization, next string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.orgs {
		p = append(p, o)
	}
	return p, "", nil
}
func (f *fold) EventType(org domain.OrganizationID, name string) (domain.EventType, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, ok := f.types[org.String()+name]
	return e, ok
}
func (f *fold) EventTypes(org domain.OrganizationID, limit int, cursor string) (p []domain.EventType, next string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.types {
		if e.Organization == org {
			p = append(p, e)
		}
	}
	return p, "", nil
}
func (f *fold) Subscription(id domain.SubscriptionID) (domain.Subscription, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.subs[id]
	return s, ok
}
func (f *fold) Subscriptions(org domain.OrganizationID, limit int, cursor string) (p []httpd.SubscriptionRow, next string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.subs {
		if s.Organization == org && !s.Deleted {
			p = append(p, httpd.SubscriptionRow{Subscription: s})
		}
	}
	slices.SortFunc(p, func(a, b httpd.SubscriptionRow) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return p, "", nil
}
func (f *fold) Failures(org domain.OrganizationID, sub domain.SubscriptionID, limit int, cursor string) (p []httpd.Failure, next string, err error) {
	if cursor != "" {
		return nil, "", domain.Refuse(domain.BadCursor, "bad cursor")
	}
	return nil, "", nil
}
func (f *fold) WhoGets(ctx context.Context, org domain.OrganizationID, id domain.MessageID) (httpd.Explanation, error) {
	return httpd.Explanation{}, domain.Refuse(domain.NotFound, "no such event")
}
func (f *fold) DeliveryByID(ctx context.Context, id domain.DeliveryID) (httpd.History, error) {
	return httpd.History{}, domain.Refuse(domain.NotFound, "no such delivery")
}
func (f *fold) Match(org domain.OrganizationID, eventType, client string) (domain.Matching, uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.match[org]
	if x == nil {
		return domain.Matching{}, 0
	}
	return x.Match(eventType, client), x.Seen
}
