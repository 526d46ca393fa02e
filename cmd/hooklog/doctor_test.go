package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/dispatcher"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/projections"
	"github.com/hooklog/hooklog/sealing"
)

// patient is a data directory that something is made wrong with.
type patient struct {
	testing.TB
	data string
}

// newPatient is healthy: a stopped server that has delivered something.
func newPatient(t testing.TB) *patient {
	t.Helper()
	p := &patient{TB: t, data: filepath.Join(t.TempDir(), "data")}
	n := p.node()
	if err := n.close(); err != nil {
		t.Fatal(err)
	}
	return p
}

// settings are the defaults but for the data directory and the listeners.
func (p *patient) settings() *settings {
	cfg := &configuration{}
	cfg.table()
	cfg.data, cfg.listen, cfg.operatorListen = p.data, "127.0.0.1:0", "127.0.0.1:0"
	return &cfg.settings
}

func (p *patient) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// node opens the patient as a server that does not run.
func (p *patient) node() *node {
	p.Helper()
	n, err := openNode(p.Context(), p.settings(), zerolog.Nop())
	p.must(err)
	return n
}

// log opens the patient's log; close it.
func (p *patient) log() *embedded.Log {
	p.Helper()
	log, err := embedded.Open(filepath.Join(p.data, "log"), embedded.Options{ErrIfMissing: true})
	p.must(err)
	return log
}

func newID() (id eventlog.ID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// append writes a fact past everything that would refuse it; its MAC is good if there are keys.
func (p *patient) append(log *embedded.Log, codec *domain.Codec, stream string, f domain.Fact) {
	p.Helper()
	id := newID()
	e, err := codec.Encode(domain.Place{Stream: stream, ID: id}, f, domain.Meta{At: time.Now(), Actor: "cli"})
	p.must(err)
	_, err = log.Append(p.Context(), stream, eventlog.NoStream, eventlog.Event{ID: id, Type: e.Type, Data: e.Data, Metadata: e.Metadata})
	p.must(err)
}

func (p *patient) codec() *domain.Codec {
	p.Helper()
	keys, err := sealing.ReadKeyset(filepath.Join(p.data, "keyset.json"))
	p.must(err)
	return domain.NewCodec(keys)
}

// stopped examines the patient's log at a time.
func (p *patient) stopped(deep bool, now time.Time, change ...func(*settings)) findings {
	p.Helper()
	s := p.settings()
	for _, c := range change {
		c(s)
	}
	log, err := openStopped(s, zerolog.Nop(), true)
	p.must(err)
	defer log.Close()
	return examineStopped(p.Context(), s, log, deep, now).diagnose()
}

// provocation makes something wrong and returns what is found then.
type provocation struct {
	check string
	severity
	says string
	make func(p *patient) findings
}

func soon() time.Time { return time.Now().Add(time.Hour) }

func withSettings(change func(*settings)) func(p *patient) findings {
	return func(p *patient) findings { return p.stopped(false, time.Now(), change) }
}

// told decodes what the command found, whatever its exit code.
func toldBy(p *patient, env []string, args ...string) findings {
	p.Helper()
	var out, complaint buffer
	run(p.Context(), append([]string{"doctor", "--json"}, args...), env, strings.NewReader(""), &out, &complaint)
	var d diagnosis
	if err := json.Unmarshal([]byte(out.String()), &d); err != nil {
		p.Fatalf("doctor: %v\n%s%s", err, out.String(), complaint.String())
	}
	var all findings
	for _, f := range d.Findings {
		all = append(all, finding{f.Check, parseSeverity(f.Severity), f.Found, f.Do})
	}
	return all
}

var provocations = []provocation{
	{"settings.valid", critical, "HOOKLOG_MAX_IN_FLIGHT", func(p *patient) findings {
		return toldBy(p, []string{"HOOKLOG_MAX_IN_FLIGHT=0"}, "--data", p.data)
	}},
	{"settings.unknown", warning, "HOOKLOG_DTA", func(p *patient) findings { return toldBy(p, []string{"HOOKLOG_DTA=x"}, "--data", p.data) }},
	{"settings.insecure-targets", warning, "10.0.0.0/8", func(p *patient) findings {
		return toldBy(p, nil, "--data", p.data, "--allow-insecure-targets", "10.0.0.0/8")
	}},
	{"settings.listen", note, ":8080", withSettings(func(s *settings) { s.listen = ":8080" })},
	{"settings.operator-listen", warning, "without a key", withSettings(func(s *settings) { s.operatorListen = "0.0.0.0:8081" })},
	{"settings.operator-listen", critical, "profiles", withSettings(func(s *settings) { s.operatorListen, s.pprof = "192.0.2.1:8081", true })},
	{"settings.log-level", warning, "debug", withSettings(func(s *settings) { s.logLevel = "debug" })},
	{"settings.log-level", note, "error", withSettings(func(s *settings) { s.logLevel = "error" })},
	{"settings.min-free", warning, "1.0 MiB", withSettings(func(s *settings) { s.minFree = 1 << 20 })},
	{"settings.max-backlog", note, "never refused", withSettings(func(s *settings) { s.maxBacklog = 0 })},
	{"keyset.present", critical, "missing", func(p *patient) findings {
		p.must(os.Remove(filepath.Join(p.data, "keyset.json")))
		return p.stopped(false, time.Now())
	}},
	{"keyset.present", critical, "group or others", func(p *patient) findings {
		p.must(os.Chmod(filepath.Join(p.data, "keyset.json"), 0o640))
		return p.stopped(false, time.Now())
	}},
	{"keyset.present", critical, "cannot be read", func(p *patient) findings {
		p.must(os.WriteFile(filepath.Join(p.data, "keyset.json"), []byte("{}"), 0o600))
		return p.stopped(false, time.Now())
	}},
	{"keyset.opens", critical, "does not open", func(p *patient) findings {
		other := filepath.Join(p.TempDir(), "other.json")
		keys, err := sealing.NewKeyset()
		p.must(err)
		p.must(keys.Write(other))
		return p.stopped(false, time.Now(), func(s *settings) { s.keyset = other })
	}},
	{"files.private", critical, "operator.key has mode 0644", func(p *patient) findings {
		p.must(os.Chmod(filepath.Join(p.data, "operator.key"), 0o644))
		return p.stopped(false, time.Now())
	}},
	{"files.private", warning, "0755", func(p *patient) findings {
		p.must(os.Chmod(p.data, 0o755))
		return p.stopped(false, time.Now())
	}},
	{"files.leftovers", note, ".new-1", func(p *patient) findings {
		p.must(os.WriteFile(filepath.Join(p.data, ".new-1"), nil, 0o600))
		return p.stopped(false, time.Now())
	}},
	{"log.readable", critical, "backups", func(p *patient) findings {
		p.must(os.WriteFile(filepath.Join(p.data, "backups"), nil, 0o600))
		return p.stopped(false, time.Now())
	}},
	{"log.opens", critical, "cannot be opened", func(p *patient) findings {
		p.must(os.WriteFile(filepath.Join(p.data, "log", "FORMAT"), []byte("hooklog-log 99\n"), 0o600))
		return toldBy(p, nil, "--data", p.data)
	}},
	{"server.answers", critical, "open in another process", func(p *patient) findings {
		log := p.log()
		defer log.Close()
		return toldBy(p, nil, "--data", p.data)
	}},
	{"disk.free", critical, "are free", withSettings(func(s *settings) { s.minFree = 1 << 60 })},
	{"disk.free", warning, "are free", func(p *patient) findings {
		return (&examination{settings: p.settings(), free: 300 << 20, freeKnown: true}).diagnose()
	}},
	{"disk.growth", critical, "1.0 GiB a day", func(p *patient) findings {
		return (&examination{settings: p.settings(), free: 2 << 30, freeKnown: true, growth: 1 << 30}).diagnose()
	}},
	{"disk.growth", warning, "9.8 days", func(p *patient) findings {
		return (&examination{settings: p.settings(), free: 10 << 30, freeKnown: true, growth: 1 << 30}).diagnose()
	}},
	{"clock.distance", critical, "is -", func(p *patient) findings { return p.stopped(false, time.Now().Add(-time.Hour)) }},
	{"clock.distance", warning, "-2s", func(p *patient) findings {
		return (&examination{settings: p.settings(), distance: -2 * time.Second}).diagnose()
	}},
	{"backups.age", note, "never", func(p *patient) findings { return p.stopped(false, time.Now()) }},
	{"backups.age", warning, "10 days", func(p *patient) findings {
		succeed(p.TB.(*testing.T), nil, "log", "backup", filepath.Join(p.TempDir(), "copy"), "--data", p.data)
		return p.stopped(false, time.Now().Add(10*day))
	}},
	{"backups.left", warning, "20260102T030405.000006Z", func(p *patient) findings {
		p.must(os.MkdirAll(filepath.Join(p.data, "backups", "20260102T030405.000006Z"), 0o700))
		return p.stopped(false, time.Now())
	}},
	{"groups.parked", warning, "1 facts are parked", func(p *patient) findings {
		p.park()
		return p.stopped(false, time.Now())
	}},
	{"groups.behind", note, "has waited", func(p *patient) findings {
		p.jam()
		return p.stopped(false, soon())
	}},
	{"groups.behind", warning, "has waited", func(p *patient) findings {
		p.jam()
		return p.asNode(soon())
	}},
	{"groups.consumers", critical, "Nobody consumes", func(p *patient) findings {
		p.jam()
		return p.asNode(time.Now())
	}},
	{"groups.consumers", note, "older release", func(p *patient) findings {
		p.consume(eventlog.Group{Name: "hooklog-dispatcher-v0", TypePrefixes: []string{""}, MessageTimeout: time.Minute}, eventlog.Ack, 0)
		return p.asNode(time.Now())
	}},
	{"orphans.slugs", warning, "half-way: half.", func(p *patient) findings {
		log := p.log()
		p.append(log, p.codec(), domain.SlugStream("half"), &domain.SlugReserved{Organization: domain.OrganizationID(newID()), Slug: "half"})
		p.must(log.Close())
		if early := p.stopped(false, time.Now()); slices.ContainsFunc(early, func(f finding) bool { return f.check == "orphans.slugs" }) {
			p.Error("a slug that was reserved a moment ago is told as an orphan")
		}
		return p.stopped(false, soon())
	}},
	{"orphans.messages", warning, "evt_", func(p *patient) findings {
		p.unfinished()
		if shallow := p.stopped(false, soon()); slices.ContainsFunc(shallow, func(f finding) bool { return f.check == "orphans.messages" }) {
			p.Error("messages are looked for without being asked")
		}
		return p.stopped(true, soon())
	}},
	{"fold.lag", critical, "behind the log", func(p *patient) findings { return p.asNode(time.Now()) }},
	{"fold.lag", warning, "3s behind", func(p *patient) findings {
		return (&examination{settings: p.settings(), live: &liveCondition{lag: 3 * time.Second, live: true}}).diagnose()
	}},
	{"fold.skipped", critical, "forged", func(p *patient) findings {
		keys, err := sealing.NewKeyset()
		p.must(err)
		log := p.log()
		p.append(log, domain.NewCodec(keys), domain.SlugStream("forged"), &domain.SlugReserved{Organization: domain.OrganizationID(newID()), Slug: "forged"})
		p.must(log.Close())
		return p.folded(time.Now())
	}},
	{"fold.skipped", note, "1 events of other programs", func(p *patient) findings {
		log := p.log()
		_, err := log.Append(p.Context(), "orders-1", eventlog.NoStream, eventlog.Event{ID: newID(), Type: "OrderPlaced", Data: []byte("{}"), Metadata: []byte("{}")})
		p.must(err)
		p.must(log.Close())
		return p.folded(time.Now())
	}},
	{"projections.differ", critical, "2 rows of failures", func(p *patient) findings {
		return (&examination{settings: p.settings(), live: &liveCondition{live: true, mismatches: map[string]uint64{"failures": 2, "due": 0}}}).diagnose()
	}},
	{"projections.rebuild", note, "failures, due are being rebuilt", func(p *patient) findings {
		return p.rebuilding(projections.RebuildProgress{Names: []string{"failures", "due"}, State: projections.RebuildRunning, Why: projections.WhyVersion})
	}},
	{"projections.rebuild", warning, "the disk is full", func(p *patient) findings {
		return p.rebuilding(projections.RebuildProgress{Names: []string{"due"}, State: projections.RebuildFailed, Error: "the disk is full"})
	}},
	{"projections.leftovers", note, "failures", func(p *patient) findings {
		return (&examination{settings: p.settings(), live: &liveCondition{live: true, leftovers: []string{"failures"}}}).diagnose()
	}},
	{"deliveries.overdue", warning, "has been due for", func(p *patient) findings {
		p.publishUnattended()
		return p.folded(soon())
	}},
	{"deliveries.backlog", warning, "1 deliveries wait", func(p *patient) findings {
		return (&examination{settings: &settings{maxBacklog: 1}, live: &liveCondition{live: true, unsent: 1}}).diagnose()
	}},
	{"deliveries.backlog", critical, "2 deliveries wait", func(p *patient) findings {
		return (&examination{settings: &settings{maxBacklog: 1}, live: &liveCondition{live: true, unsent: 2}}).diagnose()
	}},
}

// rebuilding examines a node with a rebuild, which two projections tell of and which is found once.
func (p *patient) rebuilding(r projections.RebuildProgress) findings {
	p.Helper()
	all := (&examination{settings: p.settings(), live: &liveCondition{live: true, projections: []projections.ProjectionState{
		{Name: "failures", Rebuild: &r}, {Name: "due", Rebuild: &r}}}}).diagnose()
	if len(all) != 1 {
		p.Errorf("one rebuild is told %d times", len(all))
	}
	return all
}

// consume lets a group take n facts and answers with a verdict.
func (p *patient) consume(g eventlog.Group, v eventlog.Verdict, n int) {
	p.Helper()
	log := p.log()
	ctx, leave := context.WithTimeout(p.Context(), patience)
	took := make(chan struct{}, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- log.Consume(ctx, g, 10, func(context.Context, eventlog.Handed) eventlog.Verdict { took <- struct{}{}; return v })
	}()
	p.untilConsumed(log, g.Name)
	if n > 0 {
		p.append(log, p.codec(), domain.SlugStream("consumed"), &domain.SlugReserved{Organization: domain.OrganizationID(newID()), Slug: "consumed"})
	}
	for range n {
		<-took
	}
	leave()
	<-ended
	p.must(log.Close())
}

// untilConsumed waits until a group has a consumer.
func (p *patient) untilConsumed(log *embedded.Log, name string) {
	p.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if s, err := log.Stats(p.Context(), name); err == nil && s.Consumers > 0 {
			return
		}
	}
	p.Fatalf("nobody consumes %s", name)
}

func (p *patient) park() {
	p.consume(eventlog.Group{Name: "work-v1", TypePrefixes: []string{"hooklog.SlugReserved."}, MessageTimeout: time.Minute}, eventlog.Park, 1)
}

// jam makes the dispatchers' group and then a fact that nobody takes.
func (p *patient) jam() {
	p.consume(dispatcher.Group, eventlog.Ack, 0)
	log := p.log()
	p.append(log, p.codec(), domain.SlugStream("jam"), &domain.SlugReserved{Organization: domain.OrganizationID(newID()), Slug: "jam"})
	p.must(log.Close())
}

// unfinished publishes a message that says it has more targets than are recorded.
func (p *patient) unfinished() {
	log := p.log()
	id := domain.MessageID(newID())
	f := &domain.MessagePublished{Organization: domain.OrganizationID(newID()), EventType: "order.paid", OccurredAt: time.Now(),
		Payload: []byte("sealed"), PayloadSHA256: make([]byte, 32), Targets: []domain.Target{}, Total: domain.MaxTargets + 1}
	p.append(log, p.codec(), domain.MessageStream(id), f)
	p.must(log.Close())
}

// publishUnattended publishes to a subscription while no dispatcher runs.
func (p *patient) publishUnattended() {
	p.Helper()
	log := p.log()
	sub, message := domain.SubscriptionID(newID()), domain.MessageID(newID())
	org := domain.OrganizationID(newID())
	p.append(log, p.codec(), domain.OrganizationStream(org), &domain.OrganizationRegistered{Slug: "acme", Profile: "vantageclaw", OrganizationSettings: domain.OrganizationSettings{Name: "Acme"}})
	p.append(log, p.codec(), domain.SubscriptionStream(sub), &domain.SubscriptionCreated{Organization: org, Secret: []byte("sealed"),
		SubscriptionSettings: domain.SubscriptionSettings{URL: "https://example.com/", Events: []string{"*"}}})
	p.append(log, p.codec(), domain.MessageStream(message), &domain.MessagePublished{Organization: org, EventType: "order.paid", OccurredAt: time.Now(),
		Payload: []byte("sealed"), PayloadSHA256: make([]byte, 32), Targets: []domain.Target{{Subscription: sub}}, Total: 1, Seen: 1})
	p.must(log.Close())
}

// asNode examines the patient as a server that was opened and does not run.
func (p *patient) asNode(now time.Time) findings {
	p.Helper()
	n := p.node()
	defer func() { p.must(n.close()) }()
	return n.examine(p.Context(), false, now).diagnose()
}

// folded examines the patient as a server whose read side alone runs.
func (p *patient) folded(now time.Time) findings {
	p.Helper()
	n := p.node()
	ctx, stop := context.WithCancel(p.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.fold.Run(ctx) }()
	head, err := n.log.Head(p.Context())
	p.must(err)
	p.must(n.fold.WaitFor(p.Context(), head))
	found := n.examine(p.Context(), false, now).diagnose()
	stop()
	p.must(<-ended)
	p.must(n.close())
	return found
}

func TestEveryCheckFindsWhatItLooksFor(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	for i, c := range provocations {
		tried[c.check] = true
		t.Run(fmt.Sprintf("%s/%s/%d", c.check, c.severity, i), func(t *testing.T) {
			t.Parallel()
			all := c.make(newPatient(t))
			i := slices.IndexFunc(all, func(f finding) bool { return f.check == c.check && f.severity == c.severity })
			if i < 0 || !strings.Contains(all[i].found, c.says) || all[i].do == "" {
				t.Errorf("no %s of %s that says %q among %q", c.severity, c.check, c.says, fmt.Sprint(all.told()))
			}
		})
	}
	for _, c := range checks {
		if !tried[c.name] {
			t.Errorf("%s is not provoked", c.name)
		}
	}
}

func TestDoctorFindsNothingWrongWithAHealthyServer(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--allow-insecure-targets", "", "--log-level", "info")
	if err := os.Chmod(s.data, 0o700); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the dispatcher joins", func() bool { return strings.Contains(succeed(t, s.env(), "groups", "list"), "  1\n") })
	o := hooklog(t, s.env(), "doctor", "--deep")
	if o.code != exitOK || !strings.Contains(o.out, "Examined node:") {
		t.Errorf("doctor of a healthy server: exit code %d\n%s%s", o.code, o.out, o.err)
	}
	if o := hooklog(t, nil, "doctor", "--data", s.data, "--url", s.url); o.code != exitOK {
		t.Errorf("doctor of a server by its URL: exit code %d\n%s%s", o.code, o.out, o.err)
	}
	s.stop()
	if o := hooklog(t, nil, "doctor", "--data", s.data); o.code != exitOK || !strings.Contains(o.out, s.data) {
		t.Errorf("doctor of a stopped server: exit code %d\n%s%s", o.code, o.out, o.err)
	}
	if err := os.Remove(filepath.Join(s.data, "keyset.json")); err != nil {
		t.Fatal(err)
	}
	o = hooklog(t, nil, "doctor", "--data", s.data, "--log-level", "debug")
	if o.code != exitCritical || !strings.HasPrefix(o.out, "critical  keyset.present") || !strings.Contains(o.out, "warning   settings.log-level") || !strings.Contains(o.out, "→ Put your copy") {
		t.Errorf("doctor of a data directory without keyset: exit code %d\n%s%s", o.code, o.out, o.err)
	}
}

func TestGrowthIsMeasuredOverTheLastDay(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	log := p.log()
	defer log.Close()
	head, err := log.Head(t.Context())
	p.must(err)
	_, facts := head.Halves()
	dir := filepath.Join(p.data, "log")
	size := func() float64 { // grows while the log fills its file ahead
		size, err := sizeOf(dir)
		p.must(err)
		return float64(size)
	}
	for _, c := range []struct {
		after time.Duration
		times float64 // the size of everything
	}{{time.Minute, 0}, {12 * time.Hour, 2}, {48 * time.Hour, 0}} {
		least := size()
		got, err := growthPerDay(t.Context(), log, dir, facts, time.Now().Add(c.after))
		most := size()
		if err != nil || got < c.times*least*0.99 || got > c.times*most*1.01 {
			t.Errorf("growth %v after everything was written: %v, %v; want about %v times %v to %v", c.after, got, err, c.times, least, most)
		}
	}
	if n, err := factsBefore(t.Context(), log, facts, time.Now()); err != nil || n != facts {
		t.Errorf("facts before now: %d, %v; want %d", n, err, facts)
	}
}
