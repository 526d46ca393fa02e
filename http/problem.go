package http

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/hooklog/hooklog/domain"
)

// Refusals of HTTP itself, beside the domain's.
const (
	codeMethod    domain.Code = 100 + iota // a method that the path does not take
	codeMediaType                          // a body of a kind that is not read here
	codeTooMany                            // too many requests
	codeFault                              // not the caller's fault
)

// faultDetail is all that a caller learns of a fault.
const faultDetail = "something went wrong here; the request id helps us to find it"

// kind is how one sort of refusal is shown.
type kind struct {
	status int
	name   string
}

// kinds maps every refusal to its answer. There is no other place that chooses a status for a refusal.
var kinds = map[domain.Code]kind{
	domain.Invalid:         {http.StatusUnprocessableEntity, "invalid"},
	domain.Unauthenticated: {http.StatusUnauthorized, "unauthenticated"},
	domain.Forbidden:       {http.StatusForbidden, "forbidden"},
	domain.NotFound:        {http.StatusNotFound, "not-found"},
	domain.Conflict:        {http.StatusConflict, "conflict"},
	domain.TooLarge:        {http.StatusRequestEntityTooLarge, "too-large"},
	domain.BadCursor:       {http.StatusBadRequest, "bad-cursor"},
	domain.Unavailable:     {http.StatusServiceUnavailable, "unavailable"},
	codeMethod:             {http.StatusMethodNotAllowed, "method-not-allowed"},
	codeMediaType:          {http.StatusUnsupportedMediaType, "unsupported-media-type"},
	codeTooMany:            {http.StatusTooManyRequests, "too-many-requests"},
	codeFault:              {http.StatusInternalServerError, "internal-error"},
}

// problem is the body of a refusal on Hooklog's own surface, as RFC 9457 has it.
type problem struct {
	Type      string              `json:"type"`
	Title     string              `json:"title"`
	Status    int                 `json:"status"`
	Detail    string              `json:"detail"`
	RequestID string              `json:"request_id"`
	Errors    []domain.FieldError `json:"errors,omitzero"`
}

// later is a refusal that may pass with time.
type later struct {
	refusal *domain.Error
	after   time.Duration
}

func (l later) Error() string { return l.refusal.Error() }

// Unwrap returns the refusal itself.
func (l later) Unwrap() error { return l.refusal }

// refuseUntil refuses with a hint when to come again.
func refuseUntil(code domain.Code, after time.Duration, format string, args ...any) error {
	return later{domain.Refuse(code, format, args...), after}
}

// refuse answers with what err is. Faults are logged; the caller learns of them only the request id.
func (x *exchange) refuse(err error) { x.show(x.refusal(err)) }

// show writes a refusal. after is when to come again, where that makes sense.
func (x *exchange) show(e *domain.Error, after time.Duration) {
	k := kinds[e.Code]
	h := x.w.Header()
	switch e.Code {
	case domain.Unauthenticated:
		h.Set("WWW-Authenticate", "Bearer")
	case domain.Unavailable, codeTooMany:
		h.Set("Retry-After", strconv.Itoa(wholeSeconds(after)))
	}
	x.route.surface.show(x, e, k)
}

// showProblem writes a refusal as RFC 9457 has it.
func (x *exchange) showProblem(e *domain.Error, k kind) {
	p := problem{Type: "urn:hooklog:problem:" + k.name, Title: http.StatusText(k.status), Status: k.status,
		Detail: e.Detail, RequestID: x.id, Errors: e.Fields}
	if e.Code == domain.Invalid && p.Errors == nil {
		p.Errors = []domain.FieldError{}
	}
	x.write("application/problem+json", k.status, p)
}

// refusal finds the refusal in err, or makes one of a fault.
func (x *exchange) refusal(err error) (e *domain.Error, after time.Duration) {
	after = time.Second
	var l later
	if errors.As(err, &l) {
		after = l.after
	}
	if errors.As(err, &e) {
		if _, known := kinds[e.Code]; known {
			return e, after
		}
	}
	if x.r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		x.Logger.Debug().Str("request", x.id).Msg("the caller went away")
		return domain.Refuse(domain.Unavailable, "the request was given up"), after
	}
	if x.Unavailable(err) {
		x.Logger.Warn().Err(err).Str("request", x.id).Str("route", x.route.path).Msg("request refused: the log is not available")
		return domain.Refuse(domain.Unavailable, "the service cannot do this now; try again"), 5 * time.Second
	}
	x.Logger.Error().Err(err).Str("request", x.id).Str("route", x.route.path).Msg("request failed")
	return domain.Refuse(codeFault, faultDetail), after
}

// wholeSeconds rounds up; at least 1.
func wholeSeconds(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }

// onMember says which member a refusal without one is about.
func onMember(err error, field string) error {
	var e *domain.Error
	if errors.As(err, &e) && e.Code == domain.Invalid && e.Fields == nil {
		return &domain.Error{Code: e.Code, Detail: e.Detail, Fields: []domain.FieldError{{Field: field, Message: e.Detail}}}
	}
	return err
}

// renamed calls a member that a refusal names by another name.
func renamed(err error, from, to string) error {
	var e *domain.Error
	if !errors.As(err, &e) || e.Fields == nil {
		return err
	}
	again := &domain.Error{Code: e.Code, Detail: e.Detail, Fields: slices.Clone(e.Fields)}
	for i := range again.Fields {
		if again.Fields[i].Field == from {
			again.Fields[i].Field = to
		}
	}
	return again
}

// refuseMember refuses one member of a request.
func refuseMember(field, message string) error {
	return domain.RefuseFields(domain.FieldError{Field: field, Message: message})
}
