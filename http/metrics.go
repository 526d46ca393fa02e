package http

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hooklog/hooklog/domain"
)

// metrics counts requests by route and class of status, and published messages by result. No label holds anything that
// a caller chose.
type metrics struct {
	requests                  *prometheus.CounterVec
	seconds                   *prometheus.HistogramVec
	accepted, refused, failed prometheus.Counter
}

// statusClasses label the counters of a route; the first is for requests that got no answer.
var statusClasses = [6]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hooklog_http_requests_total",
			Help: "Requests answered, by route and class of status."}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "hooklog_http_request_seconds",
			Help:    "Time from a request's headers to the end of its answer, in seconds.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10}}, []string{"method", "route"}),
	}
	published := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hooklog_published_total",
		Help: "Messages that platforms asked to publish, by result; repetitions count as accepted."}, []string{"result"})
	m.accepted, m.refused, m.failed = published.WithLabelValues("accepted"), published.WithLabelValues("refused"), published.WithLabelValues("failed")
	for _, c := range []prometheus.Collector{m.requests, m.seconds, published} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register the counters of requests: %w", err)
		}
	}
	return m, nil
}

// measure gives a route its counters.
func (m *metrics) measure(rt *route) {
	for i, class := range statusClasses {
		rt.counters[i] = m.requests.WithLabelValues(rt.method, rt.path, class)
	}
	rt.seconds = m.seconds.WithLabelValues(rt.method, rt.path)
}

func (m *metrics) count(rt *route, status int, took time.Duration) {
	rt.counters[min(status/100, 5)].Inc()
	rt.seconds.Observe(took.Seconds())
}

func (m *metrics) published(err error) {
	switch code := domain.CodeOf(err); {
	case err == nil:
		m.accepted.Inc()
	case code != 0 && code != domain.Unavailable:
		m.refused.Inc()
	default:
		m.failed.Inc()
	}
}
