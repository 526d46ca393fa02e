package http

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// Projections tells how this node's read models stand, and folds them again. *projections.Fold is one.
type Projections interface {
	State() []projections.ProjectionState
	// Rebuild begins to fold projections again, all of them without names. It is refused with NotFound for an unknown
	// name and with Conflict while a rebuild or a verification runs.
	Rebuild(names ...string) (projections.RebuildProgress, error)
	// CancelRebuild ends the rebuild that includes a projection; NotFound if none does.
	CancelRebuild(name string) error
	// Verify folds a projection again and compares it with what is served, which can take minutes.
	Verify(ctx context.Context, name string, limit int) (projections.Verification, error)
	// Mismatches counts the differences found since the start, by projection.
	Mismatches() map[string]uint64
}

// projectionBody is a read model of this node.
type projectionBody struct {
	Name       string       `json:"name"`
	Version    int          `json:"version"`
	State      string       `json:"state"`
	Lag        float64      `json:"lag_seconds"`
	Mismatches uint64       `json:"mismatches"`
	With       []string     `json:"with"`
	Rebuild    *rebuildBody `json:"rebuild"`
}

// rebuildBody is a rebuild that runs or ran last.
type rebuildBody struct {
	Projections    []string   `json:"projections"`
	Why            string     `json:"why"`
	State          string     `json:"state"`
	StartedAt      timestamp  `json:"started_at"`
	EndedAt        *timestamp `json:"ended_at"`
	Facts          uint64     `json:"facts"`
	Position       string     `json:"position"`
	Head           string     `json:"head"`
	Share          float64    `json:"share"`
	FactsPerSecond float64    `json:"facts_per_second"`
	ETA            *float64   `json:"eta_seconds"`
	Error          string     `json:"error,omitempty"`
}

func showRebuild(p projections.RebuildProgress) rebuildBody {
	body := rebuildBody{Projections: p.Names, Why: p.Why, State: p.State, StartedAt: timestamp(p.StartedAt), EndedAt: when(p.EndedAt),
		Facts: p.Facts, Position: p.Position.String(), Head: p.Head.String(), Share: p.Share, FactsPerSecond: p.FactsPerSecond, Error: p.Error}
	if p.State == projections.RebuildRunning && p.FactsPerSecond > 0 {
		eta := p.ETA.Seconds()
		body.ETA = &eta
	}
	return body
}

func (x *exchange) listProjections() error {
	mismatches := x.Fold.Mismatches()
	return replyOfNode(x, x.Fold.State(), func(s projections.ProjectionState) projectionBody {
		body := projectionBody{Name: s.Name, Version: s.Version, State: s.State, Lag: s.Lag.Seconds(), Mismatches: mismatches[s.Name],
			With: append([]string{}, s.With...)}
		if s.Rebuild != nil {
			shown := showRebuild(*s.Rebuild)
			body.Rebuild = &shown
		}
		return body
	})
}

// rebuildingBody is a rebuild that has begun on this node.
type rebuildingBody struct {
	Node string `json:"node"`
	rebuildBody
}

func (x *exchange) rebuildAll() error { return x.rebuild() }

func (x *exchange) rebuildProjection() error { return x.rebuild(x.variable("projection")) }

func (x *exchange) rebuild(names ...string) error {
	if err := x.decodeOptional(); err != nil {
		return err
	}
	p, err := x.Fold.Rebuild(names...)
	if err != nil {
		return err
	}
	x.Logger.Info().Strs("projections", p.Names).Str("key", string(x.key.ID)).Str("request", x.id).Msg("a rebuild was asked for")
	return x.reply(http.StatusAccepted, rebuildingBody{x.Node, showRebuild(p)})
}

func (x *exchange) cancelRebuild() error {
	name := x.variable("projection")
	if err := x.Fold.CancelRebuild(name); err != nil {
		return err
	}
	x.Logger.Info().Str("projection", name).Str("key", string(x.key.ID)).Str("request", x.id).Msg("a rebuild was cancelled")
	return x.empty()
}

// verificationBody is what came of comparing a projection.
type verificationBody struct {
	Node        string           `json:"node"`
	Name        string           `json:"name"`
	Position    string           `json:"position"`
	Facts       uint64           `json:"facts"`
	Rows        uint64           `json:"rows"`
	Differences []differenceBody `json:"differences"`
	More        uint64           `json:"more"`
	TookMS      int64            `json:"took_ms"`
}

// differenceBody is a row that differs; null where there is none.
type differenceBody struct {
	Projection string          `json:"projection"`
	Key        string          `json:"key"`
	Live       json.RawMessage `json:"live"`
	Again      json.RawMessage `json:"again"`
}

// maxVerification is how long a verification may take.
const maxVerification = 6 * time.Hour

func (x *exchange) verifyProjection() error {
	limit, err := x.limit()
	if err != nil {
		return err
	}
	if err := x.decodeOptional(); err != nil {
		return err
	}
	if err := x.mayTake(maxVerification); err != nil {
		return err
	}
	v, err := x.Fold.Verify(x.context(), x.variable("projection"), limit)
	if err != nil {
		if x.Stopping() && domain.CodeOf(err) == 0 {
			return domain.Refuse(domain.Unavailable, "this node stops")
		}
		return err
	}
	body := verificationBody{Node: x.Node, Name: v.Name, Position: v.At.String(), Facts: v.Facts, Rows: v.Rows,
		Differences: make([]differenceBody, len(v.Differences)), More: v.More, TookMS: v.Took.Milliseconds()}
	for i, d := range v.Differences {
		body.Differences[i] = differenceBody(d)
	}
	return x.reply(http.StatusOK, body)
}
