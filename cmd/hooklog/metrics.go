package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/hooklog/hooklog/dispatcher"
	"github.com/hooklog/hooklog/domain"
)

// newRegistry makes the registry of a node with what Go says of the process.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// attemptMetrics are fed by every recorded attempt.
type attemptMetrics struct {
	succeeded, retried, dead, extra prometheus.Counter
	took, delay                     prometheus.Histogram
}

func newAttemptMetrics(r *prometheus.Registry) *attemptMetrics {
	attempts := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hooklog_attempts_total",
		Help: "Recorded attempts by outcome: succeeded, failed (to be retried), dead (failed for good), late (recorded after the delivery had ended)."},
		[]string{"outcome"})
	m := &attemptMetrics{
		succeeded: attempts.WithLabelValues("succeeded"), retried: attempts.WithLabelValues("failed"),
		dead: attempts.WithLabelValues("dead"), extra: attempts.WithLabelValues("late"),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "hooklog_attempt_seconds",
			Help: "Duration of the HTTP requests to receivers.", Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 13)}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "hooklog_first_attempt_delay_seconds",
			Help: "Time from the acceptance of a message to the recorded end of a delivery's first attempt.", Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 15)}),
	}
	r.MustRegister(attempts, m.took, m.delay)
	return m
}

// observe is called by the dispatcher; it never blocks.
func (m *attemptMetrics) observe(o dispatcher.Observation) {
	switch f := o.Fact.(type) {
	case *domain.AttemptSucceeded:
		pick(f.Extra, m.extra, m.succeeded).Inc()
	case *domain.AttemptFailed:
		pick(f.Extra, m.extra, pick(f.Dead, m.dead, m.retried)).Inc()
	}
	m.took.Observe(o.Took.Seconds())
	if o.First {
		m.delay.Observe(time.Since(o.Accepted).Seconds())
	}
}

func pick(yes bool, a, b prometheus.Counter) prometheus.Counter {
	if yes {
		return a
	}
	return b
}

// gauge is a number that is asked for when somebody looks.
type gauge struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func newGauge(name, help string, labels ...string) gauge {
	return gauge{prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue}
}

func newTotal(name, help string, labels ...string) gauge {
	return gauge{prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue}
}

// nodeMetrics asks the parts of the node how they stand.
type nodeMetrics struct {
	node *node

	lanes, running, waiting, left gauge
	refused                       gauge
	lag, skipped, open, unsent    gauge
	appends, events, syncs, bytes gauge
	inFlight, parked, consumers   gauge
	free                          gauge
	build                         gauge
}

func newNodeMetrics(n *node) *nodeMetrics {
	return &nodeMetrics{
		node:      n,
		lanes:     newGauge("hooklog_lanes", "Subscriptions with attempts running or waiting on this node."),
		running:   newGauge("hooklog_attempts_running", "Attempts on the wire."),
		waiting:   newGauge("hooklog_attempts_waiting", "Attempts that wait for a slot."),
		left:      newGauge("hooklog_attempts_left_to_clock", "Deliveries that this node left to the retry clock and still remembers."),
		refused:   newTotal("hooklog_group_unreadable_total", "Facts handed out by the group that could not be read."),
		lag:       newGauge("hooklog_projection_lag_seconds", "How far a projection is behind the log.", "projection"),
		skipped:   newTotal("hooklog_projection_skipped_total", "Events that were passed over, by reason.", "reason"),
		open:      newGauge("hooklog_due", "Deliveries without an end: all that wait for an attempt, now or later."),
		unsent:    newGauge("hooklog_unsent", "Deliveries that wait for their first attempt."),
		appends:   newTotal("hooklog_log_appends_total", "Appends accepted by the log since the start."),
		events:    newTotal("hooklog_log_events_total", "Facts appended since the start."),
		syncs:     newTotal("hooklog_log_syncs_total", "Syncs of the log since the start."),
		bytes:     newTotal("hooklog_log_bytes_total", "Bytes of facts appended since the start."),
		inFlight:  newGauge("hooklog_group_in_flight", "Facts handed out by the consumer group and not yet finished.", "group"),
		parked:    newGauge("hooklog_group_parked", "Facts that the consumer group set aside.", "group"),
		consumers: newGauge("hooklog_group_consumers", "Consumers of the group.", "group"),
		free:      newGauge("hooklog_disk_free_bytes", "Free space of the log's disk."),
		build:     newGauge("hooklog_build_info", "Always 1; says which build runs.", "version", "revision", "go"),
	}
}

// Describe names every metric.
func (m *nodeMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, g := range []gauge{m.lanes, m.running, m.waiting, m.left, m.refused, m.lag, m.skipped, m.open, m.unsent, m.appends, m.events,
		m.syncs, m.bytes, m.inFlight, m.parked, m.consumers, m.free, m.build} {
		out <- g.desc
	}
}

// Collect asks every part. What cannot be told is left out.
func (m *nodeMetrics) Collect(out chan<- prometheus.Metric) {
	set := func(g gauge, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(g.desc, g.kind, value, labels...)
	}
	m.collectDispatcher(set)
	m.collectLog(set)
	m.collectFold(set)
	b := thisBuild()
	set(m.build, 1, b.Version, b.Revision, b.Go)
}

func (m *nodeMetrics) collectDispatcher(set func(gauge, float64, ...string)) {
	s := m.node.dispatcher.Stats()
	set(m.lanes, float64(s.Lanes))
	set(m.running, float64(s.Running))
	set(m.waiting, float64(s.Waiting))
	set(m.left, float64(s.Left))
	set(m.refused, float64(s.Refused))
}

func (m *nodeMetrics) collectLog(set func(gauge, float64, ...string)) {
	l := m.node.log.Metrics()
	set(m.appends, float64(l.Appends))
	set(m.events, float64(l.Events))
	set(m.syncs, float64(l.Syncs))
	set(m.bytes, float64(l.Bytes))
	if free, err := m.node.log.FreeSpace(); err == nil {
		set(m.free, float64(free))
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	g, err := m.node.log.Stats(ctx, dispatcher.Group.Name)
	if err != nil { // there is no group before the dispatcher has first run
		return
	}
	set(m.inFlight, float64(g.InFlight), g.Name)
	set(m.parked, float64(g.Parked), g.Name)
	set(m.consumers, float64(g.Consumers), g.Name)
}

func (m *nodeMetrics) collectFold(set func(gauge, float64, ...string)) {
	for _, p := range m.node.fold.State() {
		set(m.lag, p.Lag.Seconds(), p.Name)
	}
	for reason, n := range m.node.fold.Skipped() {
		set(m.skipped, float64(n), reason)
	}
	set(m.open, float64(m.node.fold.OpenDeliveries()))
	set(m.unsent, float64(m.node.fold.UnsentDeliveries()))
}

// measure adds the node's own metrics to its registry.
func (n *node) measure(context.Context) error { return n.registry.Register(newNodeMetrics(n)) }
