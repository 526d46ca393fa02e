package http

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/commands"
)

// Positions lets a request wait until this node has folded what another request wrote.
type Positions interface {
	// WaitForPosition returns nil once the position is folded, ctx's error if that ends first, and a *domain.Error
	// if position is not spelled like one.
	WaitForPosition(ctx context.Context, position string) error
}

// Readiness tells how far this node's fold is behind the log.
type Readiness interface {
	// Lag is 0 while the fold is at the head, else the age of what it has not folded or of its lost connection.
	Lag() time.Duration
	// Live reports whether the fold follows the head.
	Live() bool
}

// Pressure refuses publishing before anything is recorded: because too many first attempts wait or the disk is short.
type Pressure interface {
	Refuse() (reason string, retryAfter time.Duration, refuse bool)
}

// Config is what New needs. Commands, Fold, Positions, Readiness, Groups, Backups and Doctor must be given.
type Config struct {
	Commands  *commands.Commands
	Fold      Fold
	Positions Positions
	Readiness Readiness
	Groups    Groups
	Backups   Backups
	Doctor    Doctor
	// Node is this node's name, which answers about the node itself carry.
	Node string
	// SourceRanges are where requests to receivers come from, as they are published; none if that is not known.
	SourceRanges []netip.Prefix
	// Pressure is asked before every message; nil never refuses.
	Pressure Pressure
	// Stopping tells that the node takes its leave, so that /readyz says so and streams of lines end; nil never does.
	Stopping func() bool
	// Unavailable tells which faults are the log's and may pass: they are answered 503 instead of 500.
	Unavailable func(error) bool
	// Registry gets the counters and is what /metrics shows; nil makes one.
	Registry *prometheus.Registry
	Logger   zerolog.Logger
	// Now is the clock of keys and limits; nil is time.Now.
	Now func() time.Time
	// RateLimit is how many requests a minute the partner keys of an organization have together; 0 means 600.
	RateLimit int
	// FailedAuthentications is how many failures in a row an address has before it is slowed to one a second; 0 means 60.
	FailedAuthentications int
	// InFlight is how many messages of one batch are published at once; 0 means 100.
	InFlight int
}

// Defaults and bounds that docs/contract.md sets.
const (
	defaultRateLimit = 600
	defaultFailures  = 60
	defaultInFlight  = 100
	maxWait          = 2 * time.Second
	maxBehind        = 10 * time.Second
)

// API serves the public listener. It is safe for concurrent use and starts no goroutine that outlives a request.
type API struct {
	Config
	router   *mux.Router
	windows  *windows
	throttle *throttle
	metrics  *metrics
	// simulating holds a token for each simulation under way.
	simulating chan struct{}
}

// New joins the handlers. It fails if something they need is missing or the registry holds their counters already.
func New(c Config) (*API, error) {
	if c.Commands == nil || c.Fold == nil || c.Positions == nil || c.Readiness == nil || c.Groups == nil || c.Backups == nil || c.Doctor == nil {
		return nil, errors.New("http: Commands, Fold, Positions, Readiness, Groups, Backups and Doctor are needed")
	}
	a := &API{Config: c.withDefaults(), simulating: make(chan struct{}, maxSimulations)}
	var err error
	if a.metrics, err = newMetrics(a.Registry); err != nil {
		return nil, err
	}
	a.windows, a.throttle = newWindows(a.Now), newThrottle(a.FailedAuthentications, a.Now)
	a.router = a.routed()
	return a, nil
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	if c.Stopping == nil {
		c.Stopping = func() bool { return false }
	}
	if c.Unavailable == nil {
		c.Unavailable = func(error) bool { return false }
	}
	if c.RateLimit == 0 {
		c.RateLimit = defaultRateLimit
	}
	if c.FailedAuthentications == 0 {
		c.FailedAuthentications = defaultFailures
	}
	if c.InFlight == 0 {
		c.InFlight = defaultInFlight
	}
	return c
}

// ServeHTTP answers one request of the public listener.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var match mux.RouteMatch
	a.router.Match(r, &match) // finds what answers where nothing fits, too
	match.Handler.(handler)(w, r, match.Vars)
}
