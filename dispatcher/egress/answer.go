package egress

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// MaxAnswerHeader bounds status line and headers of an answer, the 1xx answers before it included, in bytes.
	MaxAnswerHeader = 64 << 10
	// MaxAnswerBody bounds what is read of an answer's body, in bytes. Of a longer one the connection is closed.
	MaxAnswerBody = 16 << 10
	// maxInterim bounds the 1xx answers before the final one.
	maxInterim = 5
	// failureBodyWait bounds the wait for the body of a failed answer, which is worth recording.
	failureBodyWait = time.Second
	// successBodyWait bounds the wait for the body of a 2xx, which is read only to keep the connection.
	successBodyWait = 100 * time.Millisecond
)

// postRequest tells http.ReadResponse which method it reads the answer of. It is never written to.
var postRequest = &http.Request{Method: http.MethodPost}

// readHeader reads up to the end of the final answer's headers, by the deadline already set.
func (c *conn) readHeader() (*http.Response, error) {
	c.limit.left = MaxAnswerHeader
	for range maxInterim + 1 {
		answer, err := http.ReadResponse(c.reader, postRequest)
		if err != nil {
			return nil, c.cause(err)
		}
		switch {
		case answer.ProtoMajor != 1 || answer.StatusCode < 100:
			return nil, errNotHTTP1
		case answer.StatusCode == http.StatusSwitchingProtocols:
			return nil, errSwitched
		case answer.StatusCode >= 200:
			return answer, nil
		}
	}
	return nil, errTooManyInterim
}

// cause is what stopped http.ReadResponse, which reports input that ends in the middle of a line, or is not waited for
// any longer, as a malformed last line.
func (c *conn) cause(err error) error {
	switch {
	case c.limit.left <= 0:
		return errHeaderTooLarge
	case c.limit.err == io.EOF:
		return io.ErrUnexpectedEOF
	case c.limit.err != nil:
		return c.limit.err
	}
	return err
}

var bodyBuffers = sync.Pool{New: func() any { return new([MaxAnswerBody]byte) }}

// readBody reads the answer's body within its bounds. It returns a copy of what came where keep is set, and whether
// the connection is at the end of the answer. The body is never closed: closing it would drain the receiver's rest.
func (c *conn) readBody(answer *http.Response, keep bool) (body []byte, whole bool) {
	if answer.Body == http.NoBody {
		return nil, true
	}
	buf := bodyBuffers.Get().(*[MaxAnswerBody]byte)
	defer bodyBuffers.Put(buf)
	c.limit.left = MaxAnswerHeader // of bytes on the wire: chunk lines and trailers included
	n := 0
	var err error
	for err == nil && n < len(buf) {
		var read int
		read, err = answer.Body.Read(buf[n:])
		n += read
	}
	if err == nil {
		var more [1]byte
		if n, extra := answer.Body.Read(more[:]); n == 0 {
			err = extra
		}
	}
	if keep && n > 0 {
		body = append([]byte(nil), buf[:n]...)
	}
	return body, err == io.EOF
}

// ready reports whether the answer's whole body has already come.
func (c *conn) ready(answer *http.Response) bool {
	return answer.ContentLength >= 0 && answer.ContentLength <= int64(c.reader.Buffered())
}

// keepAlive is how long the receiver lets an idle connection stand, less a second for the way there. Zero or less:
// not at all.
func keepAlive(header http.Header) time.Duration {
	for _, line := range header["Keep-Alive"] {
		for parameter := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
			if !strings.EqualFold(name, "timeout") {
				continue
			}
			if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				return time.Duration(seconds)*time.Second - time.Second
			}
		}
	}
	return defaultIdle
}
