package http

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hooklog/hooklog/domain"
)

// timestamp is a time as every answer spells it: RFC 3339 in UTC with microseconds.
type timestamp time.Time

// MarshalText spells the time.
func (t timestamp) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(make([]byte, 0, 27), "2006-01-02T15:04:05.000000Z"), nil
}

// when returns nil, shown as null, for no time.
func when(t time.Time) *timestamp {
	if t.IsZero() {
		return nil
	}
	return (*timestamp)(&t)
}

// page is a part of a list.
type page[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next_cursor"`
}

// pageOf shows each row of a page; there is a next one unless next is empty.
func pageOf[R, T any](rows []R, next string, show func(R) T) page[T] {
	p := page[T]{Items: make([]T, len(rows))}
	for i, row := range rows {
		p.Items[i] = show(row)
	}
	if next != "" {
		p.Next = &next
	}
	return p
}

// reply sends a JSON document. <, > and & are not escaped.
func (x *exchange) reply(status int, document any) error {
	x.write("application/json", status, document)
	return nil
}

// empty sends an answer without a body.
func (x *exchange) empty() error {
	x.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (x *exchange) write(mediaType string, status int, document any) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(document); err != nil {
		panic(err) // a bug: every document is made of plain values
	}
	x.send(mediaType, status, b.Bytes())
}

// send sends bytes. That they do not arrive is the caller's loss: nothing here depends on it.
func (x *exchange) send(mediaType string, status int, body []byte) {
	x.header("Content-Type", mediaType)
	x.header("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(status)
	if _, err := x.w.Write(body); err != nil {
		x.Logger.Debug().Err(err).Str("request", x.id).Msg("the answer did not reach the caller")
	}
}

// html sends a page for people. policy is its Content-Security-Policy.
func (x *exchange) html(text []byte, policy string) {
	h := x.w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy)
	x.send("text/html; charset=utf-8", http.StatusOK, text)
}

// Limits of a page.
const (
	maxPage     = 200
	defaultPage = 50
)

// limit reads how many rows are asked for: 1 to 200, by default 50.
func (x *exchange) limit() (int, error) {
	values, given := x.r.URL.Query()["limit"]
	if !given {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(values[0])
	if len(values) != 1 || err != nil || n < 1 || n > maxPage {
		return 0, refuseMember("limit", "must be a whole number from 1 to 200")
	}
	return n, nil
}

// cursor reads where a page begins; empty at the beginning.
func (x *exchange) cursor() (string, error) {
	values := x.r.URL.Query()["cursor"]
	if len(values) > 1 {
		return "", domain.Refuse(domain.BadCursor, "the cursor was given more than once")
	}
	return strings.Join(values, ""), nil
}

// page reads which part of a list is asked for.
func (x *exchange) page() (limit int, cursor string, err error) {
	if cursor, err = x.cursor(); err == nil {
		limit, err = x.limit()
	}
	return limit, cursor, err
}

// replyPage answers with the page of a list that the query asks for.
func replyPage[R, T any](x *exchange, find func(limit int, cursor string) ([]R, string, error), show func(R) T) error {
	limit, cursor, err := x.page()
	if err != nil {
		return err
	}
	rows, next, err := find(limit, cursor)
	if err != nil {
		return err
	}
	return x.reply(http.StatusOK, pageOf(rows, next, show))
}

// plainJSON writes a value as JSON without escaping <, > and &.
func plainJSON(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
