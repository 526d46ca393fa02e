package http

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
)

// lineTimeout is how long a stream of lines may stand still, in either direction.
const lineTimeout = 60 * time.Second

// publishLines publishes a stream of lines with one message each, of any length, and answers with one line each, in
// order, while it reads. Empty lines are passed over. A caller must read while it sends.
func (x *exchange) publishLines(org domain.OrganizationID) error {
	connection := http.NewResponseController(&x.w)
	if err := connection.EnableFullDuplex(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("answer while reading: %w", err)
	}
	body := &patient{body: x.r.Body, connection: connection}
	l := lines{bufio.NewReaderSize(body, 64<<10)}
	if err := l.begin(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(x.context())
	defer cancel()
	b := x.newBatch(org)
	reading := make(chan error, 1)
	go func() {
		defer close(b.queue)
		reading <- b.readLines(ctx, l)
	}()
	err := x.writeResults(b, connection)
	if err != nil {
		cancel()
		body.stop()
		for i := range b.queue {
			b.finish(i)
		}
	}
	if err = errors.Join(err, <-reading); err != nil {
		body.stop() // or the server would wait for the rest before it closes the connection
	}
	return err
}

// writeResults writes results as they come, and the position of the last message as a trailer.
func (x *exchange) writeResults(b *batch, connection *http.ResponseController) error {
	h := x.w.Header()
	h["Content-Type"] = []string{"application/x-ndjson"}
	h["Trailer"] = []string{positionHeader}
	x.w.WriteHeader(http.StatusOK)
	out := make([]byte, 0, 16<<10)
	last := commands.Published{}
	for i := range b.queue {
		b.finish(i)
		out = append(x.appendResult(out, i), '\n')
		last = lastOf(last, i.published)
		b.finished(i)
		if len(b.queue) > 0 && len(out) < 8<<10 {
			continue
		}
		if err := x.flush(out, connection); err != nil {
			return err
		}
		out = out[:0]
	}
	if !last.Position.IsZero() {
		h[positionHeader] = []string{last.Position.String()}
	}
	return x.flush(out, connection)
}

func (x *exchange) flush(out []byte, connection *http.ResponseController) error {
	err := connection.SetWriteDeadline(time.Now().Add(lineTimeout))
	if errors.Is(err, http.ErrNotSupported) {
		err = nil
	}
	if err == nil {
		_, err = x.w.Write(out)
	}
	if err == nil {
		err = connection.Flush()
	}
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// errStopping cuts a stream off: the rest can be sent to another node.
var errStopping = errors.New("the node is stopping")

// readLines adds a message for each line until the body ends.
func (b *batch) readLines(ctx context.Context, l lines) error {
	for {
		if b.x.Stopping() {
			return errStopping
		}
		line, refused, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read lines: %w", err)
		}
		if err := b.add(ctx, line, refused); err != nil {
			return err
		}
	}
}

// lines cuts a body into lines that are not empty.
type lines struct{ in *bufio.Reader }

// begin waits for the body to begin, so that a caller who asks first (Expect: 100-continue) is told to go on before the
// answer begins.
func (l lines) begin() error {
	if _, err := l.in.Peek(1); err != nil && !errors.Is(err, io.EOF) {
		return badBody("could not be read")
	}
	return nil
}

// next returns the next line, which the caller owns; or the refusal of one that is too long; io.EOF after the last. A
// body that breaks off has no last line.
func (l lines) next() (line []byte, refused, err error) {
	for {
		part, err := l.in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(line) <= maxMessage:
			continue
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, tooLarge(maxMessage), l.skip()
		case err != nil && !errors.Is(err, io.EOF):
			return nil, nil, err
		}
		line = bytes.TrimSpace(line)
		switch {
		case len(line) > maxMessage:
			return nil, tooLarge(maxMessage), nil
		case len(line) > 0:
			return line, nil, nil
		case err != nil:
			return nil, nil, err
		}
	}
}

// skip reads to the end of a line, or of the body.
func (l lines) skip() error {
	for {
		_, err := l.in.ReadSlice('\n')
		switch {
		case err == nil, errors.Is(err, io.EOF):
			return nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// patient is a body that may take its time, as long as something comes.
type patient struct {
	body       io.Reader
	connection *http.ResponseController

	mu       sync.Mutex
	extended time.Time
	stopped  bool
}

// Read reads what is there, waiting at most about lineTimeout.
func (p *patient) Read(b []byte) (int, error) {
	if err := p.extend(); err != nil {
		return 0, err
	}
	return p.body.Read(b)
}

// extend moves the deadline on, at most once a second.
func (p *patient) extend() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.stopped || now.Sub(p.extended) < time.Second {
		return nil
	}
	p.extended = now
	err := p.connection.SetReadDeadline(now.Add(lineTimeout))
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// stop ends a Read that waits, and every one that follows: the deadline is in the past from now on.
func (p *patient) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	_ = p.connection.SetReadDeadline(time.Unix(1, 0)) // a connection without deadlines is a test's
}
