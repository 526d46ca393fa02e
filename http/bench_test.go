package http_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	httpd "github.com/hooklog/hooklog/http"
)

// message500 is a message with 500 bytes of data.
var message500 = `{"type":"order.paid","data":{"order":"A-1","note":"` + strings.Repeat("x", 470) + `"}}`

// body is a request body that can be sent again.
type body struct{ *bytes.Reader }

func (body) Close() error { return nil }

func publishing(b *testing.B, payload, mediaType string) (*house, *http.Request, body) {
	h := build(b, func(c *httpd.Config) { c.Logger = c.Logger.Level(zerolog.InfoLevel) })
	h.organization("acme")
	h.eventType("acme", "order.paid")
	h.webhook(h.partnerKey("acme"), `["order.paid"]`)
	content := body{bytes.NewReader([]byte(payload))}
	r := httptest.NewRequestWithContext(context.Background(), "POST", "/api/v1/organizations/acme/events", content)
	r.Header.Set("Authorization", "Bearer "+h.platformKey())
	r.Header.Set("Content-Type", mediaType)
	r.ContentLength = int64(len(payload))
	return h, r, content
}

// discard is an answer that nobody reads.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkPublish is the handler alone, with a log in memory behind it.
func BenchmarkPublish(b *testing.B) {
	h, r, content := publishing(b, message500, "application/json")
	b.ReportAllocs()
	for b.Loop() {
		content.Seek(0, io.SeekStart)
		d := &discard{header: http.Header{}}
		h.api.ServeHTTP(d, r)
		if d.status != http.StatusAccepted {
			b.Fatalf("status %d", d.status)
		}
	}
}

// BenchmarkCommand is what of it is not the handler's.
func BenchmarkCommand(b *testing.B) {
	h, _, _ := publishing(b, message500, "application/json")
	o, err := h.commands.ResolveOrganization(b.Context(), "acme")
	h.must(err)
	p, err := httpd.ReadPublication(o.ID, []byte(message500))
	h.must(err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.commands.Publish(b.Context(), by, p); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRefused is a publish that is refused after everything that the handler does.
func BenchmarkRefused(b *testing.B) {
	h, r, content := publishing(b, strings.Replace(message500, "order.paid", "unknown", 1), "application/json")
	b.ReportAllocs()
	for b.Loop() {
		content.Seek(0, io.SeekStart)
		h.api.ServeHTTP(&discard{header: http.Header{}}, r)
	}
}

// BenchmarkArray is 100 messages a request.
func BenchmarkArray(b *testing.B) {
	h, r, content := publishing(b, "["+strings.Repeat(message500+",", 99)+message500+"]", "application/json")
	b.ReportAllocs()
	for b.Loop() {
		content.Seek(0, io.SeekStart)
		d := &discard{header: http.Header{}}
		h.api.ServeHTTP(d, r)
		if d.status != http.StatusOK {
			b.Fatalf("status %d", d.status)
		}
	}
}

// BenchmarkIdentity is what every authenticated request costs at least.
func BenchmarkIdentity(b *testing.B) {
	h := build(b, func(c *httpd.Config) { c.Logger = c.Logger.Level(zerolog.InfoLevel) })
	r := httptest.NewRequestWithContext(b.Context(), "GET", "/api/v1/partner/me", nil)
	r.Header.Set("Authorization", "Bearer "+h.platformKey())
	b.ReportAllocs()
	for b.Loop() {
		d := &discard{header: http.Header{}}
		h.api.ServeHTTP(d, r)
		if d.status != http.StatusOK {
			b.Fatalf("status %d", d.status)
		}
	}
}

// BenchmarkReadPublication is the reading of one message out of its body.
func BenchmarkReadPublication(b *testing.B) {
	b.ReportAllocs()
	in := []byte(message500)
	for b.Loop() {
		if _, err := httpd.ReadPublication([16]byte{1}, in); err != nil {
			b.Fatal(err)
		}
	}
}
