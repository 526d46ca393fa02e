package http

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gorilla/mux"
	"github.com/oklog/ulid/v2"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
)

// exchange is one request and its answer.
type exchange struct {
	*API
	route *route
	w     answer
	r     *http.Request
	// path are the named parts of the path.
	path map[string]string
	// id is the request id.
	id string
	// key is the caller's; the zero Key on routes without one.
	key domain.Key
	// session is what the key was exchanged for; nil on surfaces that take keys themselves.
	session *commands.Session
	// quota is how the key's rate limit stands after this request.
	quota quota
	// values are those of the answer's headers, for which there is room in the exchange.
	values []string
	room   [4]string
}

// answer remembers the status that was sent.
type answer struct {
	http.ResponseWriter
	status int
}

// WriteHeader sends the status.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write sends a part of the body.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// handler is an http.Handler that can be given the named parts of the path, for which mux would copy the request twice.
type handler func(w http.ResponseWriter, r *http.Request, path map[string]string)

// ServeHTTP implements [http.Handler].
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h(w, r, mux.Vars(r)) }

// serving makes the handler of a route: the same for all of them.
func (a *API) serving(rt *route) handler {
	a.metrics.measure(rt)
	if rt.surface == nil {
		rt.surface = ownSurface
	}
	if rt.prove == nil {
		rt.prove = rt.surface.prove
	}
	return func(w http.ResponseWriter, r *http.Request, path map[string]string) {
		x := &exchange{API: a, route: rt, w: answer{ResponseWriter: w}, r: r, path: path, id: requestID(r)}
		x.values = x.room[:0]
		x.header("X-Request-Id", x.id)
		defer x.finish(time.Now())
		if err := x.admit(); err != nil {
			x.refuse(err)
		} else if err := rt.handle(x); err != nil {
			x.fail(err)
		}
	}
}

// admit decides whether a request is handled at all, in the order in which docs/contract.md lists the refusals.
func (x *exchange) admit() error {
	if x.route.scopes == nil {
		return nil
	}
	behind := !x.route.operatorOnly() && x.behind() // asked before the key is looked up, which may be revoked in what is not folded
	if err := x.authenticate(); err != nil {
		return err
	}
	if err := x.spend(); err != nil {
		return err
	}
	if behind {
		return refuseUntil(domain.Unavailable, 5*time.Second, "this node is behind the log; try again or ask another")
	}
	if err := x.authorize(); err != nil {
		return err
	}
	if x.route.surface.admit != nil {
		if err := x.route.surface.admit(x); err != nil {
			return err
		}
	}
	return x.catchUp()
}

// fail answers with a refusal, unless an answer was begun: then the connection is cut, so that nobody takes the half for
// the whole.
func (x *exchange) fail(err error) {
	if x.w.status == 0 {
		x.refuse(err)
		return
	}
	x.Logger.Warn().Err(err).Str("request", x.id).Str("route", x.route.path).Msg("answer cut off")
	panic(http.ErrAbortHandler)
}

// finish counts the exchange. A handler that panicked is answered 500 and logged.
func (x *exchange) finish(started time.Time) {
	cause := recover()
	if cause != nil && cause != http.ErrAbortHandler {
		x.Logger.Error().Interface("panic", cause).Bytes("stack", debug.Stack()).Str("request", x.id).
			Str("route", x.route.path).Msg("handler panicked")
		if x.w.status == 0 {
			x.show(domain.Refuse(codeFault, faultDetail), 0)
			cause = nil
		}
	}
	x.metrics.count(x.route, x.w.status, time.Since(started))
	if e := x.Logger.Debug(); e.Enabled() {
		e.Str("request", x.id).Str("method", x.r.Method).Str("route", x.route.path).Int("status", x.w.status).
			Str("key", string(x.key.ID)).Dur("took", time.Since(started)).Msg("request answered")
	}
	if cause != nil {
		panic(http.ErrAbortHandler)
	}
}

// caught turns a panic on a goroutine of the request into an error.
func (x *exchange) caught(err *error) {
	if cause := recover(); cause != nil {
		x.Logger.Error().Interface("panic", cause).Bytes("stack", debug.Stack()).Str("request", x.id).
			Str("route", x.route.path).Msg("handler panicked")
		*err = domain.Refuse(codeFault, faultDetail)
	}
}

// header sets a header of the answer, named in its canonical spelling, to one value.
func (x *exchange) header(name, value string) {
	x.values = append(x.values, value)
	last := len(x.values) - 1
	x.w.Header()[name] = x.values[last : last+1 : last+1]
}

func (x *exchange) context() context.Context { return x.r.Context() }

// by says on whose behalf the request's commands run.
func (x *exchange) by() commands.By {
	return commands.By{Actor: "key:" + string(x.key.ID), Request: x.id}
}

// variable returns a part of the path.
func (x *exchange) variable(name string) string { return x.path[name] }

// maxRequestID is the most characters of a caller's own request id.
const maxRequestID = 128

// requestID takes over the caller's request id if it is sane: 1 to 128 letters, digits and . _ : - only; else it makes
// one.
func requestID(r *http.Request) string {
	if given := r.Header["X-Request-Id"]; len(given) == 1 && saneRequestID(given[0]) {
		return given[0]
	}
	var random [10]byte
	rand.Read(random[:]) // never fails
	var id ulid.ULID
	if err := errors.Join(id.SetTime(ulid.Now()), id.SetEntropy(random[:])); err != nil {
		panic(err) // a bug: a time and ten bytes fit
	}
	return id.String()
}

func saneRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == ':', c == '-':
		default:
			return false
		}
	}
	return true
}
