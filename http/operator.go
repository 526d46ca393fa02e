package http

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// healthBody tells how this node stands.
type healthBody struct {
	Status string   `json:"status"`
	Live   *bool    `json:"live,omitempty"`
	Lag    *float64 `json:"lag_seconds,omitempty"`
}

// OperatorHandler serves the operator listener, without a key: /healthz is 200 while the process answers, /readyz while
// the node is not stopping and at most 10 s behind the log, /metrics shows the registry.
func (a *API) OperatorHandler() http.Handler {
	mux := http.NewServeMux()
	shown := promhttp.HandlerFor(a.Registry, promhttp.HandlerOpts{Registry: a.Registry})
	mux.Handle("GET /metrics", shown)
	mux.Handle("GET /healthz", a.serving(&route{method: "GET", path: "/healthz", handle: func(x *exchange) error {
		return x.reply(http.StatusOK, healthBody{Status: "ok"})
	}}))
	mux.Handle("GET /readyz", a.serving(&route{method: "GET", path: "/readyz", handle: (*exchange).ready}))
	return mux
}

func (x *exchange) ready() error {
	lag, live := x.Readiness.Lag(), x.Readiness.Live()
	seconds := lag.Seconds()
	switch {
	case x.Stopping():
		return x.reply(http.StatusServiceUnavailable, healthBody{"stopping", &live, &seconds})
	case x.behind():
		return x.reply(http.StatusServiceUnavailable, healthBody{"behind", &live, &seconds})
	}
	return x.reply(http.StatusOK, healthBody{"ready", &live, &seconds})
}
