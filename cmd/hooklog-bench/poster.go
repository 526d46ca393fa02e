package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
)

// poster posts JSON to one URL over kept connections of the standard client. It is safe for concurrent use.
type poster struct {
	target  *url.URL
	header  http.Header
	client  *http.Client
	answers sync.Pool
}

// newPoster makes one for a URL; key may be empty. It has no timeouts, because a timer a request would be measured, too.
func newPoster(target, key string, connections int) *poster {
	p := &poster{header: http.Header{"Content-Type": {"application/json"}, "User-Agent": {"hooklog-bench"}}}
	p.target, _ = url.Parse(target) // A bad one fails at the first post.
	if key != "" {
		p.header.Set("Authorization", "Bearer "+key)
	}
	p.client = &http.Client{Transport: &http.Transport{
		MaxIdleConns: connections, MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true,
	}}
	p.answers.New = func() any { return new(bytes.Buffer) }
	return p
}

// post sends one body and demands an answer of the given status. Its answer's length or, where inspect is set, what
// inspect makes of it is returned.
func (p *poster) post(ctx context.Context, body []byte, want int) (int, error) {
	return p.exchange(ctx, body, want, nil)
}

func (p *poster) exchange(ctx context.Context, body []byte, want int, inspect func([]byte) int) (int, error) {
	req := (&http.Request{Method: http.MethodPost, URL: p.target, Host: p.target.Host, Header: p.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)),
		Body: io.NopCloser(bytes.NewReader(body))}).WithContext(ctx)
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer := p.answers.Get().(*bytes.Buffer)
	defer p.answers.Put(answer)
	answer.Reset()
	if _, err := answer.ReadFrom(resp.Body); err != nil {
		return 0, err
	}
	if resp.StatusCode != want {
		return 0, fmt.Errorf("POST %s: %s: %.300s", p.target.Path, resp.Status, answer.Bytes())
	}
	if inspect == nil {
		return answer.Len(), nil
	}
	return inspect(answer.Bytes()), nil
}

func (p *poster) close() { p.client.CloseIdleConnections() }
