package egress

import (
	"context"
	"net/http"
	"time"

	"github.com/hooklog/hooklog/scratch"
)

// exchange is one attempt: a request on one connection.
type exchange struct {
	client   *Client
	request  []byte
	start    time.Time
	deadline time.Time
	result   Result
}

// post encodes the request and sends it over a kept connection or a fresh one.
func (x *exchange) post(ctx context.Context, req *Request) {
	if err := ctx.Err(); err != nil {
		x.result.fail(ctx, stageLocal, err)
		return
	}
	to, refusal := x.client.routes.find(req.URL)
	if refusal != nil {
		x.result.fail(ctx, stageResolve, refusal)
		return
	}
	buf := scratch.Borrow()
	defer scratch.Return(buf)
	var err error
	if *buf, err = appendRequest(*buf, to.prefix, req); err != nil {
		x.result.fail(ctx, stageLocal, err)
		return
	}
	x.request = *buf
	if kept := x.client.idle.take(ctx, to.target.key(), x.start); kept != nil {
		x.result.Reused = true
		if x.run(ctx, kept) {
			return
		}
		x.result = Result{} // not one byte went out on the kept connection: a fresh one may be tried
		x.client.idle.open(to.target.key())
	}
	x.runFresh(ctx, to.target)
}

func (x *exchange) runFresh(ctx context.Context, t target) {
	defer x.client.idle.opened(t.key())
	dialing, cancel := context.WithDeadline(ctx, x.deadline)
	fresh, at, err := x.client.dial(dialing, t)
	if err != nil {
		x.result.fail(dialing, at, err)
		cancel()
		return
	}
	cancel()
	x.run(ctx, fresh)
}

// run sends the request, reads the answer and keeps or closes the connection. It returns false if the attempt failed
// before a byte went out.
func (x *exchange) run(ctx context.Context, c *conn) bool {
	x.result.Address = c.remote
	if err := c.SetDeadline(x.deadline); err != nil {
		return x.broken(ctx, c, err)
	}
	stop := func() bool { return true }
	if ctx.Done() != nil {
		stop = context.AfterFunc(ctx, c.interrupt)
	}
	n, writeErr := c.Write(x.request)
	x.result.Sent = n > 0
	if writeErr != nil && n == 0 {
		stop()
		return x.broken(ctx, c, writeErr)
	}
	// A receiver may answer without reading the whole request, and close: its answer is worth more than our error.
	answer, err := c.readHeader()
	if err != nil {
		stop()
		if writeErr != nil {
			err = writeErr
		}
		return x.broken(ctx, c, err)
	}
	x.result.Duration = time.Since(x.start)
	x.record(answer)
	whole := x.finish(ctx, c, answer)
	if !stop() || !whole || writeErr != nil || answer.Close || c.reader.Buffered() > 0 {
		c.discard()
		return true
	}
	x.client.idle.put(c, time.Now(), keepAlive(answer.Header))
	return true
}

// broken records a failure without answer and reports whether the attempt is over.
func (x *exchange) broken(ctx context.Context, c *conn, err error) bool {
	c.discard()
	x.result.fail(ctx, stageExchange, err)
	return x.result.Sent || ctx.Err() != nil || isTimeout(err)
}

func (x *exchange) record(answer *http.Response) {
	x.result.answered(answer.StatusCode)
	if x.result.Succeeded() {
		return
	}
	if after := answer.Header["Retry-After"]; len(after) > 0 {
		x.result.RetryAfter, x.result.HasRetryAfter = ParseRetryAfter(after[0], answer.Header.Get("Date"), time.Now())
	}
}

// finish reads the body as far as it is wanted and reports whether the connection stands at the answer's end.
func (x *exchange) finish(ctx context.Context, c *conn, answer *http.Response) bool {
	wait := failureBodyWait
	if x.result.Succeeded() {
		if wait = successBodyWait; answer.Close || answer.ContentLength > MaxAnswerBody {
			return false
		}
	}
	if !c.ready(answer) {
		if end := time.Now().Add(wait); end.Before(x.deadline) {
			_ = c.SetReadDeadline(end) // fails where the receiver is gone: what it left is read without waiting
		}
		if ctx.Err() != nil { // checked after the deadline was moved, which may have undone the interrupt
			return false
		}
	}
	body, whole := c.readBody(answer, !x.result.Succeeded())
	x.result.Body = body
	return whole
}
