package main

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/projections"
)

// metric is a number that is asked for when somebody looks.
type metric struct {
	name   string
	kind   prometheus.ValueType
	help   string
	labels []string
}

const (
	gauge = prometheus.GaugeValue
	total = prometheus.CounterValue
)

// nodeTable lists what is asked of the parts of a node. docs/metrics.md tells of each.
var nodeTable = []metric{
	{"hooklog_lanes", gauge, "Subscriptions with attempts running or waiting on this node.", nil},
	{"hooklog_attempts_running", gauge, "Attempts on the wire.", nil},
	{"hooklog_attempts_waiting", gauge, "Attempts that wait for a slot.", nil},
	{"hooklog_attempts_left_to_clock", gauge, "Deliveries that this node left to the retry clock and still remembers.", nil},
	{"hooklog_group_unreadable_total", total, "Facts handed out by the group that could not be read.", nil},

	{"hooklog_projection_lag_seconds", gauge, "How far a projection is behind the log.", []string{"projection"}},
	{"hooklog_projection_skipped_total", total, "Events that were passed over since the start, by reason.", []string{"reason"}},
	{"hooklog_projection_mismatches_total", total, "Rows of the read models found to be other than the log says, since the start.", []string{"projection"}},
	{"hooklog_projection_rebuilding", gauge, "1 while a projection is folded again beside the one that serves.", []string{"projection"}},
	{"hooklog_projection_rebuild_ratio", gauge, "How much of the log the rebuild that runs has folded again, 0 to 1; 0 if none runs.", []string{"projection"}},
	{"hooklog_projection_rebuild_facts_per_second", gauge, "How fast the rebuild that runs folds; 0 if none runs.", []string{"projection"}},
	{"hooklog_due", gauge, "Deliveries without an end: all that wait for an attempt, now or later.", nil},
	{"hooklog_due_oldest_seconds", gauge, "How long the delivery that is due the longest has been due; 0 if none is.", nil},
	{"hooklog_unsent", gauge, "Deliveries that wait for their first attempt.", nil},
	{"hooklog_unsent_limit", gauge, "Number of unsent deliveries past which publishing is refused; 0 for none.", nil},

	{"hooklog_log_appends_total", total, "Appends accepted by the log since the start.", nil},
	{"hooklog_log_events_total", total, "Facts appended since the start.", nil},
	{"hooklog_log_syncs_total", total, "Syncs of the log since the start.", nil},
	{"hooklog_log_bytes_total", total, "Bytes of facts appended since the start.", nil},
	{"hooklog_log_facts", gauge, "Facts that the log holds; not told on EventStoreDB.", nil},
	{"hooklog_log_connections_total", total, "Connections made to EventStoreDB since the start.", nil},
	{"hooklog_log_repeats_total", total, "Appends sent to EventStoreDB again because it was unknown whether they had happened.", nil},
	{"hooklog_clock_distance_seconds", gauge, "This node's clock minus the log's time, as of the newest fact, or on EventStoreDB of this node's own.", nil},

	{"hooklog_group_in_flight", gauge, "Facts handed out by a consumer group and not yet finished.", []string{"group"}},
	{"hooklog_group_parked", gauge, "Facts that a consumer group set aside.", []string{"group"}},
	{"hooklog_group_consumers", gauge, "Consumers of a group.", []string{"group"}},
	{"hooklog_group_behind", gauge, "Facts in the log after a group's checkpoint, which is stored once a second.", []string{"group"}},

	{"hooklog_disk_free_bytes", gauge, "Free space of the log's disk.", nil},
	{"hooklog_disk_reserve_bytes", gauge, "Free space below which publishing is refused.", nil},
	{"hooklog_data_bytes", gauge, "Size of a part of the data directory, looked at once a minute at most.", []string{"part"}},
	{"hooklog_backups_total", total, "Backups since the start, by result.", []string{"result"}},
	{"hooklog_backup_last_timestamp_seconds", gauge, "When the last whole backup began, in Unix time; 0 if there was none.", nil},
	{"hooklog_backup_last_seconds", gauge, "How long the last backup since the start took.", nil},

	{"hooklog_build_info", gauge, "Always 1; says which build runs.", []string{"version", "revision", "go"}},
}

// nodeMetrics asks the parts of the node how they stand.
type nodeMetrics struct {
	node  *node
	descs map[string]*prometheus.Desc
	kinds map[string]prometheus.ValueType
	sizes dataSizes
}

func newNodeMetrics(n *node) *nodeMetrics {
	m := &nodeMetrics{node: n, descs: map[string]*prometheus.Desc{}, kinds: map[string]prometheus.ValueType{}}
	for _, row := range nodeTable {
		m.descs[row.name] = prometheus.NewDesc(row.name, row.help, row.labels, nil)
		m.kinds[row.name] = row.kind
	}
	return m
}

// Describe names every metric.
func (m *nodeMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range m.descs {
		out <- d
	}
}

// setter tells a number under a name of the table.
type setter func(name string, value float64, labels ...string)

// Collect asks every part. What cannot be told is left out.
func (m *nodeMetrics) Collect(out chan<- prometheus.Metric) {
	set := func(name string, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(m.descs[name], m.kinds[name], value, labels...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	m.collectDispatcher(set)
	m.collectLog(ctx, set)
	m.collectGroups(ctx, set)
	m.collectDisk(set)
	m.collectBackups(set)
	m.collectFold(set)
	b := thisBuild()
	set("hooklog_build_info", 1, b.Version, b.Revision, b.Go)
}

// collectTimeout bounds what one look at the log may take.
const collectTimeout = time.Second

func (m *nodeMetrics) collectDispatcher(set setter) {
	s := m.node.dispatcher.Stats()
	set("hooklog_lanes", float64(s.Lanes))
	set("hooklog_attempts_running", float64(s.Running))
	set("hooklog_attempts_waiting", float64(s.Waiting))
	set("hooklog_attempts_left_to_clock", float64(s.Left))
	set("hooklog_group_unreadable_total", float64(s.Refused))
}

func (m *nodeMetrics) collectLog(ctx context.Context, set setter) {
	m.node.log.measure(set)
	if head, err := m.node.log.Head(ctx); err == nil {
		if facts, ok := m.node.log.between(eventlog.Position{}, head); ok {
			set("hooklog_log_facts", float64(facts))
		}
	}
	if c := m.node.log.clock(); c != nil {
		if distance, known := c.distance(); known {
			set("hooklog_clock_distance_seconds", distance.Seconds())
		}
	} else if distance, err := clockDistance(ctx, m.node.log, time.Now()); err == nil {
		set("hooklog_clock_distance_seconds", distance.Seconds())
	}
}

func (m *nodeMetrics) collectGroups(ctx context.Context, set setter) {
	groups, err := groupsOf{m.node.log}.Groups(ctx)
	if err != nil {
		m.node.logger.Warn().Err(err).Msg("the consumer groups cannot be measured")
		return
	}
	for _, g := range groups {
		set("hooklog_group_in_flight", float64(g.InFlight), g.Name)
		set("hooklog_group_parked", float64(g.Parked), g.Name)
		set("hooklog_group_consumers", float64(g.Consumers), g.Name)
		if g.Behind != nil {
			set("hooklog_group_behind", float64(*g.Behind), g.Name)
		}
	}
}

func (m *nodeMetrics) collectDisk(set setter) {
	if free, err := m.node.log.FreeSpace(); err == nil {
		set("hooklog_disk_free_bytes", float64(free))
	}
	set("hooklog_disk_reserve_bytes", float64(m.node.settings.minFree))
	for part, size := range m.sizes.look(m.node.settings, time.Now()) {
		set("hooklog_data_bytes", float64(size), part)
	}
}

func (m *nodeMetrics) collectBackups(set setter) {
	c := &m.node.backups.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	set("hooklog_backups_total", float64(c.made), "made")
	set("hooklog_backups_total", float64(c.failed), "failed")
	last := 0.0
	if !c.lastAt.IsZero() {
		last = float64(c.lastAt.Unix())
	}
	set("hooklog_backup_last_timestamp_seconds", last)
	set("hooklog_backup_last_seconds", c.lastTook.Seconds())
}

// skipReasons are told from the start on, so that the first event that is skipped shows as a rise.
var skipReasons = []string{"foreign", "forged", "malformed", "misplaced"}

func (m *nodeMetrics) collectFold(set setter) {
	fold, now := m.node.fold, time.Now()
	for _, p := range fold.State() {
		set("hooklog_projection_lag_seconds", p.Lag.Seconds(), p.Name)
		rebuilding, share, rate := 0.0, 0.0, 0.0
		if r := p.Rebuild; r != nil && r.State == projections.RebuildRunning {
			rebuilding, share, rate = 1, r.Share, r.FactsPerSecond
		}
		set("hooklog_projection_rebuilding", rebuilding, p.Name)
		set("hooklog_projection_rebuild_ratio", share, p.Name)
		set("hooklog_projection_rebuild_facts_per_second", rate, p.Name)
	}
	for name, n := range fold.Mismatches() {
		set("hooklog_projection_mismatches_total", float64(n), name)
	}
	skipped := fold.Skipped()
	for _, reason := range skipReasons {
		set("hooklog_projection_skipped_total", float64(skipped[reason]), reason)
	}
	set("hooklog_due", float64(fold.OpenDeliveries()))
	set("hooklog_due_oldest_seconds", dueSince(fold, now).Seconds())
	set("hooklog_unsent", float64(fold.UnsentDeliveries()))
	set("hooklog_unsent_limit", float64(m.node.settings.maxBacklog))
}

// dueFold is what tells of due deliveries.
type dueFold interface {
	DueSubscriptions(now time.Time, yield func(id domain.SubscriptionID, earliest time.Time) bool)
}

// dueSince is how long the delivery that is due the longest has been due.
func dueSince(fold dueFold, now time.Time) (longest time.Duration) {
	fold.DueSubscriptions(now, func(_ domain.SubscriptionID, earliest time.Time) bool {
		longest = max(longest, now.Sub(earliest))
		return false
	})
	return longest
}

// sizesInterval is how long the sizes of the data directory stay good: looking costs a system call a file.
const sizesInterval = time.Minute

// dataSizes remembers how large the parts of the data directory are.
type dataSizes struct {
	mu    sync.Mutex
	at    time.Time
	parts map[string]int64
}

func (d *dataSizes) look(s *settings, now time.Time) map[string]int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.parts != nil && now.Sub(d.at) < sizesInterval {
		return d.parts
	}
	parts := map[string]int64{}
	for part, dir := range map[string]string{"log": s.logDir(), "projections": s.projectionsDir(), "backups": s.backupsDir()} {
		if size, err := sizeOf(dir); err == nil {
			parts[part] = size
		}
	}
	d.at, d.parts = now, parts
	return parts
}

// measure adds the node's own metrics to its registry.
func (n *node) measure(context.Context) error { return n.registry.Register(newNodeMetrics(n)) }
