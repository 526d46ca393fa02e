package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Result tells what came of one attempt.
type Result struct {
	Status        int           // of the answer; 0 if none came
	Reason        string        // "" on 2xx; else http_<code>, timeout, http_error:<kind> or dns_resolved_to_private:<why>
	Refused       bool          // the guard refused the target; nothing was dialled
	Sent          bool          // bytes of the request may have reached the receiver
	Reused        bool          // the request went over a kept connection
	Address       string        // the address and port dialled; "" if no connection stood
	Body          []byte        // of an answer that is not 2xx: what came of it in time, at most MaxAnswerBody bytes
	RetryAfter    time.Duration // what a failed answer's Retry-After asks for, never negative
	HasRetryAfter bool          // there was a valid Retry-After
	Duration      time.Duration // from the call to the answer's headers, or to the failure
	Detail        string        // of a failure without answer: the error, for the log, at most maxDetail bytes of visible ASCII
}

// Succeeded reports whether the receiver answered 2xx.
func (r *Result) Succeeded() bool { return r.Status >= 200 && r.Status <= 299 }

// Kind is the closed set of ways in which an attempt can fail without an answer, beside running out of time; a
// Reason spells it after "http_error:".
type Kind string

// The kinds of failure.
const (
	KindDNS      Kind = "dns"       // the name did not resolve
	KindConnect  Kind = "connect"   // no connection: host or network unreachable
	KindRefused  Kind = "refused"   // the port is closed
	KindReset    Kind = "reset"     // the receiver broke the connection off
	KindClosed   Kind = "closed"    // the receiver closed the connection before a whole answer
	KindTLS      Kind = "tls"       // no common version, a certificate that does not verify, a broken record
	KindProtocol Kind = "protocol"  // the answer is not HTTP/1.x
	KindTooLarge Kind = "too_large" // the answer's headers exceed MaxAnswerHeader
	KindRequest  Kind = "request"   // a header of ours that must not be sent; nothing was
	KindLocal    Kind = "local"     // this machine's fault: out of files or ports, client closed
	KindCanceled Kind = "canceled"  // the caller's context was cancelled
)

const (
	reasonTimeout = "timeout"
	reasonRefused = "dns_resolved_to_private:"
	reasonError   = "http_error:"
	reasonHTTP    = "http_"
)

// maxDetail bounds Result.Detail, in bytes.
const maxDetail = 200

// stage is how far an attempt came; it gives errors their meaning.
type stage int

const (
	stageLocal stage = iota
	stageResolve
	stageConnect
	stageTLS
	stageExchange
)

// failure is an error with the kind it is reported as.
type failure struct {
	kind Kind
	text string
}

func (f *failure) Error() string { return f.text }

var (
	errHeaderTooLarge = &failure{KindTooLarge, "answer headers exceed the limit"}
	errTooManyInterim = &failure{KindProtocol, "too many 1xx answers"}
	errNotHTTP1       = &failure{KindProtocol, "answer is not HTTP/1.x"}
	errSwitched       = &failure{KindProtocol, "answer switches protocols"}
	errClientClosed   = &failure{KindLocal, "client is closed"}
)

// fail fills in a failure without answer.
func (r *Result) fail(ctx context.Context, at stage, err error) {
	r.Reason = reason(ctx, at, err)
	r.Detail = clip(err.Error())
	var refusal *Refusal
	r.Refused = errors.As(err, &refusal)
}

func reason(ctx context.Context, at stage, err error) string {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return reasonRefused + string(refusal.Why)
	}
	switch ctx.Err() {
	case context.Canceled:
		return reasonError + string(KindCanceled)
	case context.DeadlineExceeded:
		return reasonTimeout
	}
	kind, timeout := classify(at, err)
	if timeout {
		return reasonTimeout
	}
	return reasonError + string(kind)
}

// classify maps an error to its kind; the second result is true if it only says that time ran out. A look-up that took
// too long by itself, while the attempt had time left, is the name's failure.
func classify(at stage, err error) (Kind, bool) {
	if own := (*failure)(nil); errors.As(err, &own) {
		return own.kind, false
	}
	if at == stageResolve {
		return KindDNS, false
	}
	if isTimeout(err) {
		return "", true
	}
	if kind := classifyErrno(err); kind != "" {
		return kind, false
	}
	switch {
	case at == stageLocal:
		return KindLocal, false
	case at == stageConnect:
		return KindConnect, false
	case at == stageTLS || isTLS(err):
		return KindTLS, false
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
		return KindClosed, false
	}
	return KindProtocol, false
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &timeout) && timeout.Timeout()
}

func classifyErrno(err error) Kind {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return ""
	}
	switch errno {
	case syscall.ECONNREFUSED:
		return KindRefused
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED:
		return KindReset
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL:
		return KindLocal
	}
	return KindConnect
}

// isTLS reports whether an established TLS connection broke by an alert, of either side, or by a record that is none.
func isTLS(err error) bool {
	var alert *net.OpError
	var record tls.RecordHeaderError
	return errors.As(err, &record) || errors.As(err, &alert) && (alert.Op == "remote error" || alert.Op == "local error")
}

// answered fills in what an answer's status line says.
func (r *Result) answered(status int) {
	r.Status = status
	if !r.Succeeded() {
		r.Reason = reasonHTTP + strconv.Itoa(status)
	}
}

// clip makes text that a receiver may have written fit for a log line.
func clip(text string) string {
	if len(text) > maxDetail {
		text = text[:maxDetail]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}
