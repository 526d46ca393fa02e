package http

import (
	"net/http"

	"github.com/hooklog/hooklog/domain"
)

// identityBody is what a key learns of itself. A key without an organization or a limit shows null.
type identityBody struct {
	PartnerOrg *string        `json:"partner_org"`
	KeyID      domain.KeyID   `json:"key_id"`
	Scopes     []domain.Scope `json:"scopes"`
	PerMinute  *int           `json:"rate_limit_per_minute"`
	RateLimit  *rateLimitBody `json:"rate_limit"`
}

type rateLimitBody struct {
	Limit     int `json:"limit"`
	Remaining int `json:"remaining"`
	Reset     int `json:"reset"`
}

// identity tells a key about itself. The rate limit is as the headers tell it.
func (x *exchange) identity() error {
	body := identityBody{KeyID: x.key.ID, Scopes: x.key.Scopes}
	if x.key.Partner() || x.key.Has(domain.ScopeOperator) {
		o, err := x.partner()
		if err != nil {
			return err
		}
		body.PartnerOrg = &o.Slug
	}
	if q := x.quota; q.limit > 0 {
		body.PerMinute, body.RateLimit = &q.limit, &rateLimitBody{q.limit, q.remaining, q.reset()}
	}
	return x.reply(http.StatusOK, body)
}
