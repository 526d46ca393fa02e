package projections

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/sealing"
)

// keyset is shared by the tests that command: making one takes a while.
var keyset = sync.OnceValue(func() *sealing.Keyset {
	keys, err := sealing.NewKeyset()
	if err != nil {
		panic(err)
	}
	return keys
})

// anyURL lets every subscription's URL pass.
type anyURL struct{}

func (anyURL) CheckURL(context.Context, string) error { return nil }

var somebody = commands.By{Actor: "key:live_test", Request: "req-1"}

// commander draws commands and gives them to a real write side on a log in memory. The write side asks a fold that
// follows only now and then, as on a node that lags.
type commander struct {
	*commands.Commands
	t         *rapid.T
	ctx       context.Context
	log       *embedded.Log
	codec     *domain.Codec
	directory *Fold
	now       time.Time
	orgs      []domain.OrganizationID
	subs      []owned
	keys      []domain.KeyID
	messages  []domain.MessageID
	known     map[domain.DeliveryID]domain.Delivery
}

func newCommander(t *testing.T, rt *rapid.T) *commander {
	c := &commander{t: rt, ctx: t.Context(), codec: domain.NewCodec(keyset()), known: map[domain.DeliveryID]domain.Delivery{},
		now: time.Date(2026, 5, 23, 12, 0, 0, 0, time.UTC)}
	log, err := embedded.Open("log", embedded.Options{FS: vfs.NewMem()})
	c.must(err)
	c.log = log
	c.directory = c.open(vfs.NewMem(), log, c.codec) // which remembers what the commands wrote
	c.Commands, err = commands.New(commands.Config{Log: log, Keys: keyset(), Codec: c.codec, Directory: c.directory, URLs: anyURL{},
		Now: func() time.Time { return c.now }})
	c.must(err)
	return c
}

func (c *commander) open(fs vfs.FS, feed eventlog.Feed, codec *domain.Codec) *Fold {
	x, err := Open(Config{Dir: "projections", FS: fs, Feed: feed, Streams: c.log, Codec: codec, Logger: zerolog.Nop(), RebuildRate: fast})
	c.must(err)
	return x
}

func (c *commander) close() {
	c.must(c.directory.Close())
	c.must(c.log.Close())
}

func (c *commander) must(err error) {
	if err != nil {
		c.t.Fatalf("%v", err)
	}
}

// may passes a command that was done or refused.
func (c *commander) may(err error) bool {
	if err != nil && domain.CodeOf(err) == 0 {
		c.t.Fatalf("%v", err)
	}
	return err == nil
}

func oneOf[T any](c *commander, all []T) (one T, ok bool) {
	if len(all) == 0 {
		return one, false
	}
	return all[rapid.IntRange(0, len(all)-1).Draw(c.t, "which")], true
}

// follow folds everything into the fold that the write side asks.
func (c *commander) follow() {
	c.must(c.directory.receive(c.ctx, eventlog.Batch{Events: c.after(c.directory.Position()), Live: true}))
}

// after is what the log holds after a position.
func (c *commander) after(p eventlog.Position) (events []eventlog.Recorded) {
	for r, err := range c.log.ReadAll(c.ctx, p) {
		c.must(err)
		events = append(events, r)
	}
	return events
}

// command gives some commands.
func (c *commander) command() {
	steps := map[string]func(){"organize": c.organize, "subscribe": c.subscribe, "toggle": c.toggle, "key": c.key,
		"type": c.eventType, "publish": c.publish, "publish more": c.publish, "attempt": c.attempt, "attempt again": c.attempt,
		"attempt more": c.attempt, "offer": c.offer, "correct": c.correct, "disable": c.disableFailing, "follow": c.follow, "wait": c.wait}
	names := slices.Sorted(maps.Keys(steps))
	c.organize()
	c.follow()
	c.subscribe()
	for range rapid.IntRange(1, 50).Draw(c.t, "commands") {
		steps[rapid.SampledFrom(names).Draw(c.t, "command")]()
		c.now = c.now.Add(time.Millisecond)
	}
}

func (c *commander) wait() {
	c.now = c.now.Add(time.Duration(rapid.IntRange(1, 600).Draw(c.t, "seconds")) * time.Second)
}

func (c *commander) organize() {
	org, ok := oneOf(c, c.orgs)
	switch n := rapid.IntRange(0, 9).Draw(c.t, "organize"); {
	case !ok || n < 2 && len(c.orgs) < 3:
		profile := rapid.SampledFrom([]string{"vantageclaw", "standard"}).Draw(c.t, "profile")
		o, _, err := c.RegisterOrganization(c.ctx, somebody, fmt.Sprintf("org-%d", len(c.orgs)), profile, domain.OrganizationSettings{Name: "Acme"})
		if c.may(err) {
			c.orgs = append(c.orgs, o.ID)
		}
	case n == 9:
		_, err := c.CloseOrganization(c.ctx, somebody, org)
		c.may(err)
	default:
		_, _, err := c.ChangeOrganization(c.ctx, somebody, org, func(s domain.OrganizationSettings) domain.OrganizationSettings {
			s.Name = fmt.Sprint("Acme ", n)
			return s
		})
		c.may(err)
	}
}

func (c *commander) subscribe() {
	org, _ := oneOf(c, c.orgs)
	events := rapid.SampledFrom([][]string{{"*"}, {"vc.*"}, {"order.paid"}, {}}).Draw(c.t, "events")
	s, _, _, err := c.CreateSubscription(c.ctx, somebody, org, commands.NewSubscription{URL: "https://example.com/hook", Events: events})
	if c.may(err) {
		c.subs = append(c.subs, owned{s.ID, org})
	}
}

func (c *commander) toggle() {
	o, ok := oneOf(c, c.subs)
	if !ok {
		return
	}
	var err error
	switch rapid.IntRange(0, 5).Draw(c.t, "toggle") {
	case 0, 1:
		_, err = c.DisableSubscription(c.ctx, somebody, o.org, o.id, domain.ByOwner, "so")
	case 2, 3:
		_, err = c.EnableSubscription(c.ctx, somebody, o.org, o.id)
	case 4:
		_, err = c.DeleteSubscription(c.ctx, somebody, o.org, o.id)
	case 5:
		var id domain.MessageID
		if id, _, err = c.TestSubscription(c.ctx, somebody, o.org, o.id, nil); err == nil {
			c.messages = append(c.messages, id)
		}
	}
	c.may(err)
}

func (c *commander) key() {
	id, ok := oneOf(c, c.keys)
	var err error
	switch n := rapid.IntRange(0, 3).Draw(c.t, "key"); {
	case !ok || n < 2:
		org, _ := oneOf(c, c.orgs)
		var k commands.IssuedKey
		if k, _, err = c.IssueKey(c.ctx, somebody, domain.KeyRequest{Organization: org, Mode: "test"}); err == nil {
			c.keys = append(c.keys, k.ID)
		}
	case n == 2:
		_, _, err = c.RotateKey(c.ctx, somebody, id, time.Hour)
	case n == 3:
		_, err = c.RevokeKey(c.ctx, somebody, id)
	}
	c.may(err)
}

func (c *commander) eventType() {
	org, _ := oneOf(c, c.orgs)
	var err error
	if rapid.IntRange(0, 3).Draw(c.t, "type") > 0 {
		_, _, err = c.DefineEventType(c.ctx, somebody, org, "order.paid", domain.EventTypeSettings{Description: "paid"})
	} else {
		_, err = c.RetireEventType(c.ctx, somebody, org, "order.paid")
	}
	c.may(err)
}

func (c *commander) publish() {
	org, _ := oneOf(c, c.orgs)
	eventType := rapid.SampledFrom([]string{"order.paid", "vc.test.ping"}).Draw(c.t, "event type")
	p, err := c.Publish(c.ctx, somebody, domain.Publication{Organization: org, EventType: eventType, Data: []byte(`{"a":1}`)})
	if c.may(err) {
		c.messages = append(c.messages, p.Message)
	}
}

// delivery is one of those that the lagging fold knows, or knew.
func (c *commander) delivery() (d domain.Delivery, ok bool) {
	c.directory.DueSubscriptions(c.now.Add(240*time.Hour), func(sub domain.SubscriptionID, _ time.Time) bool {
		due, err := c.directory.Due(sub, c.now.Add(240*time.Hour), 100, nil)
		c.must(err)
		for _, w := range due {
			c.known[w.Of.ID()] = w.Delivery
		}
		return true
	})
	ids := slices.SortedFunc(maps.Keys(c.known), compareIDs)
	id, ok := oneOf(c, ids)
	return c.known[id], ok
}

func (c *commander) attempt() {
	d, ok := c.delivery()
	if !ok {
		return
	}
	policy, ok := c.directory.Policy(d.Of.Subscription)
	if !ok {
		return
	}
	o := domain.Outcome{StartedAt: c.now, Took: 1234567, Status: 200, Address: "192.0.2.1:443", BodySHA256: []byte("sum")}
	switch rapid.IntRange(0, 3).Draw(c.t, "outcome") {
	case 1:
		o.Status, o.Reason = 500, "http_500"
	case 2:
		o.Status, o.Reason = 410, "http_410"
	case 3:
		o.Status, o.Reason, o.Refused = 0, "dns_resolved_to_private:loopback", true
	}
	_, _, err := c.RecordOutcome(c.ctx, commands.By{Actor: "node:a"}, d, o, policy, eventlog.ID{})
	c.must(err)
}

func (c *commander) offer() {
	if d, ok := c.delivery(); ok {
		_, err := c.OfferDelivery(c.ctx, commands.By{Actor: "node:b"}, d, 3*time.Second)
		c.must(err)
	}
}

func (c *commander) correct() {
	for _, id := range c.directory.PendingCorrections(3) {
		right, seen, _ := c.directory.Correction(id)
		c.must(c.CorrectTargets(c.ctx, commands.By{Actor: "node:a"}, id, right, seen))
	}
}

func (c *commander) disableFailing() {
	for _, l := range c.directory.AtLimit() {
		c.must(c.DisableFailing(c.ctx, commands.By{Actor: "node:a"}, l.ID, l.Lifecycle, l.Limit))
	}
}

// interrupted is a feed that cuts batches anew, and ends a context after some of them.
type interrupted struct {
	eventlog.Feed
	size, after int
	stop        context.CancelFunc
}

func (f *interrupted) Subscribe(ctx context.Context, after eventlog.Position, receive func(context.Context, eventlog.Batch) error) error {
	return f.Feed.Subscribe(ctx, after, func(ctx context.Context, b eventlog.Batch) error {
		for part := range slices.Chunk(b.Events, f.size) {
			if f.after--; f.after == 0 {
				f.stop()
				return ctx.Err()
			}
			if err := receive(ctx, eventlog.Batch{Events: part}); err != nil {
				return err
			}
		}
		return receive(ctx, eventlog.Batch{Live: b.Live})
	})
}

// patchwork folds a log in parts, with restarts, crashes and rebuilds between them, some of which are interrupted.
type patchwork struct {
	*commander
	disk *vfs.MemFS
	feed *interrupted
	*Fold
}

func (p *patchwork) restart(killed bool) {
	next := p.disk
	if killed {
		next = p.disk.CrashClone(vfs.CrashCloneCfg{})
	}
	p.must(p.Fold.Close())
	p.disk = next
	p.Fold = p.commander.open(next, p.feed, p.commander.codec)
	p.rebuilds.near = uint64(rapid.IntRange(0, 20).Draw(p.t, "near"))
	p.gather = rapid.IntRange(1, 200).Draw(p.t, "gather")
}

// rebuildSome goes on with a rebuild, or begins one, and lets it end or not.
func (p *patchwork) rebuildSome() {
	if p.rebuilds.job == nil {
		var names []string
		if rapid.Bool().Draw(p.t, "one") {
			names = []string{rapid.SampledFrom(table).Draw(p.t, "name").name}
		}
		_, err := p.Fold.Rebuild(names...)
		p.must(err)
	}
	ctx, stop := context.WithCancel(p.ctx)
	defer stop()
	p.feed.size, p.feed.after, p.feed.stop = rapid.IntRange(1, 30).Draw(p.t, "size"), rapid.IntRange(0, 6).Draw(p.t, "after"), stop
	p.Fold.rebuild(ctx)
	p.feed.after = 0
	if rapid.IntRange(0, 4).Draw(p.t, "cancel") == 0 && p.rebuilds.job != nil {
		p.must(p.CancelRebuild(p.rebuilds.job.record.Names[0]))
	}
}

func (p *patchwork) fold() {
	kills := 0
	for {
		events := p.commander.after(p.Position())
		if len(events) == 0 {
			return
		}
		n := min(len(events), rapid.IntRange(1, 40).Draw(p.t, "batch"))
		p.must(p.receive(p.ctx, eventlog.Batch{Events: events[:n]}))
		switch rapid.IntRange(0, 7).Draw(p.t, "then") {
		case 0:
			p.restart(false)
		case 1:
			if kills++; kills < 6 { // each may take everything back to the start
				p.restart(true)
			}
		case 2:
			p.must(p.store.Flush())
		case 3, 4:
			p.rebuildSome()
		}
	}
}

// Whatever was commanded, folding it once and folding it in any parts, with restarts, crashes and rebuilds in between,
// give the same read models, row by row, in the store and in memory.
func TestAnyCommandsFoldedAnyWayGiveTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		c := newCommander(t, rt)
		defer c.close()
		c.command()
		whole := c.open(vfs.NewMem(), c.log, domain.NewCodec(keyset())) // which remembers nothing
		defer func() { c.must(whole.Close()) }()
		c.must(whole.receive(c.ctx, eventlog.Batch{Events: c.after(eventlog.Position{}), Live: true}))

		p := &patchwork{commander: c, disk: vfs.NewCrashableMem(), feed: &interrupted{Feed: c.log, size: 1}}
		p.Fold = c.open(p.disk, p.feed, c.codec)
		p.fold()
		defer func() { c.must(p.Fold.Close()) }()
		if p.rebuilds.job != nil {
			p.Fold.rebuild(c.ctx)
		}
		sameStore(rt, "in parts", served(rt, p.Fold), served(rt, whole))
		if n := unserved(rt, p.Fold); n != 0 {
			rt.Fatalf("%d rows are left in the other colours", n)
		}
		for range 2 {
			name := rapid.SampledFrom(table).Draw(rt, "verified").name
			v, err := p.Verify(c.ctx, name, 10)
			if err != nil || len(v.Differences) != 0 {
				rt.Fatalf("%s: %v, error %v", name, shown(v.Differences), err)
			}
		}
		c.must(p.receive(c.ctx, eventlog.Batch{Live: true}))
		if found := reconciled(t, p.Fold); total(found) != 0 {
			rt.Fatalf("the reconcile finds %v", found)
		}
	})
}

func shown(all []Difference) (out string) {
	for _, d := range all {
		out += fmt.Sprintf("\n%s: live %s, again %s", d.Key, d.Live, d.Again)
	}
	return out
}
