package http

import (
	"context"
	"net/http"
	"time"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
)

// Simulations replay what is recorded under another policy.
type Simulations interface {
	// Simulate reads the log and compares; it fails when ctx ends, and with a *domain.Error if the request breaks a rule.
	Simulate(ctx context.Context, r domain.SimulationRequest) (domain.SimulationReport, error)
}

// Bounds of simulations: each reads the whole log.
const (
	maxSimulation  = time.Hour
	maxSimulations = 2
)

// SimulationBody is a report of a simulation as the API shows it. The command of a stopped server shows the same.
type SimulationBody struct {
	Node         string                 `json:"node,omitempty"`
	From         timestamp              `json:"from"`
	To           timestamp              `json:"to"`
	Until        *timestamp             `json:"until"`
	Facts        uint64                 `json:"facts"`
	Schedule     []domain.Duration      `json:"retry_schedule"`
	DisableAfter *int                   `json:"disable_after"`
	Organization *domain.OrganizationID `json:"organization_id,omitempty"`
	Subscription *domain.SubscriptionID `json:"subscription_id,omitempty"`
	Total        comparisonBody         `json:"total"`
	Disabled     disabledBody           `json:"disabled"`
	Webhooks     []comparedBody         `json:"webhooks"`
	More         int                    `json:"more_webhooks"`
	Unlisted     uint64                 `json:"unlisted"`
	Assumptions  []string               `json:"assumptions"`
}

// comparisonBody compares what happened with what would have.
type comparisonBody struct {
	Deliveries uint64      `json:"deliveries"`
	Saved      foundedBody `json:"saved"`
	Lost       foundedBody `json:"lost"`
	Undecided  uint64      `json:"undecided"`
	Extra      int64       `json:"extra_attempts"`
	Results    foundedBody `json:"results"`
	Recorded   courseBody  `json:"recorded"`
	Simulated  courseBody  `json:"simulated"`
}

// foundedBody divides a count by how well it is founded.
type foundedBody struct {
	Known     uint64  `json:"known"`
	Estimated uint64  `json:"estimated"`
	Unknown   *uint64 `json:"unknown,omitempty"`
}

// courseBody is one of the two courses. The times are null where nothing was delivered.
type courseBody struct {
	Attempts  uint64   `json:"attempts"`
	Delivered uint64   `json:"delivered"`
	Dead      uint64   `json:"dead"`
	Cancelled uint64   `json:"cancelled"`
	Withheld  uint64   `json:"withheld"`
	Open      uint64   `json:"open"`
	Unknown   uint64   `json:"unknown"`
	Median    *float64 `json:"median_seconds_to_success"`
	P95       *float64 `json:"p95_seconds_to_success"`
}

// disabledBody counts webhooks that failures disabled.
type disabledBody struct {
	Recorded  uint64 `json:"recorded"`
	Simulated uint64 `json:"simulated"`
}

// comparedBody is the comparison of one webhook.
type comparedBody struct {
	ID           domain.SubscriptionID `json:"id"`
	Organization domain.OrganizationID `json:"organization_id"`
	comparisonBody
	RecordedDisabledAt  *timestamp `json:"recorded_disabled_at"`
	SimulatedDisabledAt *timestamp `json:"simulated_disabled_at"`
	DisabledEstimated   bool       `json:"disabled_estimated"`
}

// ShowSimulation words a report as the API does.
func ShowSimulation(r domain.SimulationReport) SimulationBody {
	q := r.Request
	body := SimulationBody{From: timestamp(q.From), To: timestamp(q.To), Until: when(r.Until), Facts: r.Facts, Schedule: q.Schedule,
		DisableAfter: q.DisableAfter, Total: showComparison(&r.Total), Disabled: disabledBody{r.RecordedDisabled, r.SimulatedDisabled},
		Webhooks: make([]comparedBody, len(r.Subscriptions)), More: r.More, Unlisted: r.Unlisted, Assumptions: r.Assumptions}
	if !q.Organization.IsZero() {
		body.Organization = &q.Organization
	}
	if !q.Subscription.IsZero() {
		body.Subscription = &q.Subscription
	}
	for i := range r.Subscriptions {
		s := &r.Subscriptions[i]
		body.Webhooks[i] = comparedBody{ID: s.Subscription, Organization: s.Organization, comparisonBody: showComparison(&s.SimulatedTotal),
			RecordedDisabledAt: when(s.RecordedDisabledAt), SimulatedDisabledAt: when(s.SimulatedDisabledAt), DisabledEstimated: s.DisabledEstimated}
	}
	return body
}

func showComparison(t *domain.SimulatedTotal) comparisonBody {
	unknown := t.Founded[domain.Unknown]
	return comparisonBody{Deliveries: t.Deliveries, Saved: foundedBody{Known: t.Saved - t.SavedEstimated, Estimated: t.SavedEstimated},
		Lost: foundedBody{Known: t.Lost - t.LostEstimated, Estimated: t.LostEstimated}, Undecided: t.Undecided, Extra: t.ExtraAttempts(),
		Results:  foundedBody{t.Founded[domain.Known], t.Founded[domain.Estimated], &unknown},
		Recorded: showCourse(&t.Recorded), Simulated: showCourse(&t.Simulated)}
}

func showCourse(c *domain.SimulatedCourse) courseBody {
	body := courseBody{Attempts: c.Attempts, Delivered: c.Ends[domain.EndSucceeded], Dead: c.Ends[domain.EndDead],
		Cancelled: c.Ends[domain.EndCancelled], Withheld: c.Ends[domain.EndWithheld], Open: c.Ends[domain.EndOpen], Unknown: c.Ends[domain.EndUnknown]}
	if body.Delivered > 0 {
		median, p95 := c.Median.Seconds(), c.P95.Seconds()
		body.Median, body.P95 = &median, &p95
	}
	return body
}

// simulate replays recorded attempts under another policy. It reads only.
func (x *exchange) simulate() error {
	r, err := x.simulationRequest()
	if err != nil {
		return err
	}
	select {
	case x.simulating <- struct{}{}:
		defer func() { <-x.simulating }()
	default:
		return refuseUntil(domain.Unavailable, 30*time.Second, "%d simulations are under way on this node; try again when one has ended", maxSimulations)
	}
	if err := x.mayTake(maxSimulation); err != nil {
		return err
	}
	ctx, release := x.whileServing()
	defer release()
	report, err := x.Fold.Simulate(ctx, r)
	if err != nil && x.Stopping() {
		return domain.Refuse(domain.Unavailable, "this node is stopping; ask another")
	}
	if err != nil {
		return err
	}
	body := ShowSimulation(report)
	body.Node = x.Node
	return x.reply(http.StatusOK, body)
}

// simulationRequest reads and checks what is to be simulated.
func (x *exchange) simulationRequest() (domain.SimulationRequest, error) {
	var r domain.SimulationRequest
	var organization, subscription noted[string]
	var after noted[int]
	err := x.decode(required("from", instant(&r.From)), required("to", instant(&r.To)),
		optional("retry_schedule", nullable(durations)(&r.Schedule)),
		optional("disable_after", orNull(note(&after, func(to *int) reader { return integer(to, 0) }))),
		optional("organization", note(&organization, text)), optional("subscription", note(&subscription, text)))
	if err != nil {
		return r, err
	}
	if after.given {
		r.DisableAfter = &after.value
	}
	if err := r.Check(); err != nil {
		return r, err
	}
	if organization.given && organization.value == "" {
		return r, domain.Refuse(domain.NotFound, "no such organization")
	}
	if subscription.given && subscription.value == "" {
		return r, domain.ErrNoSubscription
	}
	return LimitSimulation(x.context(), x.Commands, r, organization.value, subscription.value)
}

// LimitSimulation limits a request to an organization, by slug or id, and to a subscription, which may be deleted by now;
// what is empty does not limit. It fails with a *domain.Error (NotFound) if there is none.
func LimitSimulation(ctx context.Context, c *commands.Commands, r domain.SimulationRequest, organization, subscription string) (domain.SimulationRequest, error) {
	if organization != "" {
		o, err := c.ResolveOrganization(ctx, organization)
		if err != nil {
			return r, err
		}
		r.Organization = o.ID
	}
	if subscription == "" {
		return r, nil
	}
	id, err := domain.ParseSubscriptionID(subscription)
	if err != nil {
		return r, domain.ErrNoSubscription
	}
	s, err := c.LoadSubscription(ctx, id)
	if err != nil {
		return r, err
	}
	if !s.Exists() || !r.Organization.IsZero() && s.Organization != r.Organization {
		return r, domain.ErrNoSubscription
	}
	r.Subscription = id
	return r, nil
}

// stoppingLooked is how often a long request looks whether the node is stopping.
const stoppingLooked = 100 * time.Millisecond

// whileServing is the request's context, ended as well when the node stops. It must be released.
func (x *exchange) whileServing() (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(x.context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(stoppingLooked)
		defer tick.Stop()
		for !x.Stopping() {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
		cancel()
	}()
	return ctx, func() { cancel(); <-ended }
}
