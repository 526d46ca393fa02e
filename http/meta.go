package http

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/webhook"
)

// metaBody is what a receiver and a partner need to know before anything is sent.
type metaBody struct {
	Organization  domain.OrganizationID `json:"organization_id"`
	Slug          string                `json:"slug"`
	Profile       string                `json:"profile"`
	SourceRanges  []netip.Prefix        `json:"source_ranges"`
	RetrySchedule []domain.Duration     `json:"retry_schedule"`
	Timeout       domain.Duration       `json:"timeout"`
	Limits        limitsBody            `json:"limits"`
}

// limitsBody is what may be asked for. Null is without bound.
type limitsBody struct {
	Webhooks      *int            `json:"webhooks"`
	Events        int             `json:"events_per_webhook"`
	Clients       int             `json:"clients_per_webhook"`
	Headers       int             `json:"headers_per_webhook"`
	HeaderBytes   int             `json:"header_bytes"`
	Retries       int             `json:"retries"`
	MinDelay      domain.Duration `json:"min_delay"`
	MaxDelay      domain.Duration `json:"max_delay"`
	MinTimeout    domain.Duration `json:"min_timeout"`
	MaxTimeout    domain.Duration `json:"max_timeout"`
	MaxRate       int             `json:"max_rate"`
	DataBytes     int             `json:"data_bytes"`
	RequestMinute *int            `json:"requests_per_minute"`
}

// showMeta tells the profile, the limits and where requests to receivers come from.
func (x *exchange) showMeta() error {
	o, err := x.partner()
	if err != nil {
		return err
	}
	policy, ok := o.PolicyFor(domain.SubscriptionSettings{})
	if !ok {
		return domain.Refuse(codeFault, faultDetail)
	}
	body := metaBody{Organization: o.ID, Slug: o.Slug, Profile: o.Profile, SourceRanges: x.SourceRanges,
		RetrySchedule: spelled(policy.Schedule), Timeout: domain.Duration(policy.Timeout), Limits: limitsOf(policy.Profile)}
	if body.SourceRanges == nil {
		body.SourceRanges = []netip.Prefix{}
	}
	if x.quota.limit > 0 {
		body.Limits.RequestMinute = &x.quota.limit
	}
	return x.reply(http.StatusOK, body)
}

func limitsOf(p *webhook.Profile) limitsBody {
	l := limitsBody{Events: domain.MaxEvents, Clients: domain.MaxClients, Headers: domain.MaxHeaders, HeaderBytes: domain.MaxHeaderBytes,
		Retries: domain.MaxRetries, MinDelay: domain.MinDelay, MaxDelay: domain.MaxDelay, MinTimeout: domain.MinTimeout,
		MaxTimeout: domain.MaxTimeout, MaxRate: domain.MaxRate, DataBytes: domain.MaxData}
	if n := p.MaxSubscriptions(); n > 0 {
		l.Webhooks = &n
	}
	return l
}

func spelled(delays []time.Duration) []domain.Duration {
	all := make([]domain.Duration, len(delays))
	for i, d := range delays {
		all[i] = domain.Duration(d)
	}
	return all
}
