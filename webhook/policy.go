package webhook

import (
	"slices"
	"time"
)

// policy is everything of a contract that is not bytes on the wire.
type policy struct {
	timeout          time.Duration
	schedule         []time.Duration
	permanent        statusRule
	disable          disable
	unhealthyAt      int
	warnings         []int
	notices          []Notice
	maxSubscriptions int
}

type disable struct {
	rule     DisableRule
	onStatus statusRule
}

// DisableRule says which run of failures disables a subscription. A zero member never does.
type DisableRule struct {
	// ConsecutiveFailures disables at that many failed attempts in a row, in log order.
	ConsecutiveFailures int
	// FailingFor disables at a failed attempt when the first failure since the last success is that old.
	FailingFor time.Duration
}

// Success tells whether status is the only kind of answer that ends a delivery well, 2xx. A redirect is a failure.
func Success(status int) bool { return successes.has(status) }

var (
	successes  = statusRule{ranges: []statusRange{{200, 299}}}
	retryAfter = statusRule{ranges: []statusRange{{429, 429}, {503, 503}}}
)

// statusRule is a set of HTTP statuses. The zero rule is empty.
type statusRule struct {
	ranges []statusRange
	except []int
}

// statusRange holds its two ends.
type statusRange struct{ first, last int }

func (r statusRule) has(status int) bool {
	return !slices.Contains(r.except, status) && slices.ContainsFunc(r.ranges, func(s statusRange) bool {
		return s.first <= status && status <= s.last
	})
}
