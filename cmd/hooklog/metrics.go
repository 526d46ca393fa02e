package main

import (
	"strings"
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
	failures                        map[string]prometheus.Counter
	took, delay                     prometheus.Histogram
}

// failureClasses are the reasons of failed attempts without their details, so that no receiver makes up a label.
var failureClasses = []string{"http_1xx", "http_3xx", "http_4xx", "http_5xx", "timeout", "http_error", "dns_resolved_to_private", "other"}

func newAttemptMetrics(r *prometheus.Registry) *attemptMetrics {
	attempts := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hooklog_attempts_total",
		Help: "Recorded attempts by outcome: succeeded, failed (to be retried), dead (failed for good), late (recorded after the delivery had ended)."},
		[]string{"outcome"})
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hooklog_attempt_failures_total",
		Help: "Recorded attempts that failed, by reason: the class of the status, timeout, http_error (no connection, no answer) or dns_resolved_to_private."},
		[]string{"reason"})
	m := &attemptMetrics{
		succeeded: attempts.WithLabelValues("succeeded"), retried: attempts.WithLabelValues("failed"),
		dead: attempts.WithLabelValues("dead"), extra: attempts.WithLabelValues("late"),
		failures: map[string]prometheus.Counter{},
		took: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "hooklog_attempt_seconds",
			Help: "Duration of the HTTP requests to receivers.", Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 13)}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "hooklog_first_attempt_delay_seconds",
			Help: "Time from the acceptance of a message to the recorded end of a delivery's first attempt.", Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 15)}),
	}
	for _, class := range failureClasses {
		m.failures[class] = failures.WithLabelValues(class)
	}
	r.MustRegister(attempts, failures, m.took, m.delay)
	return m
}

// observe is called by the dispatcher; it never blocks.
func (m *attemptMetrics) observe(o dispatcher.Observation) {
	switch f := o.Fact.(type) {
	case *domain.AttemptSucceeded:
		pick(f.Extra, m.extra, m.succeeded).Inc()
	case *domain.AttemptFailed:
		pick(f.Extra, m.extra, pick(f.Dead, m.dead, m.retried)).Inc()
		m.failures[failureClass(f.Reason)].Inc()
	}
	m.took.Observe(o.Took.Seconds())
	if o.First {
		m.delay.Observe(time.Since(o.Accepted).Seconds())
	}
}

// failureClass is one of failureClasses.
func failureClass(reason string) string {
	kind, _, _ := strings.Cut(reason, ":")
	if status, ok := strings.CutPrefix(kind, "http_"); ok && len(status) == 3 {
		kind = "http_" + status[:1] + "xx"
	}
	for _, class := range failureClasses {
		if kind == class {
			return class
		}
	}
	return "other"
}

func pick(yes bool, a, b prometheus.Counter) prometheus.Counter {
	if yes {
		return a
	}
	return b
}
