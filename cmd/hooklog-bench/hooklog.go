package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// server is a Hooklog process, run as a user would run it but for the receivers on the loopback interface.
type server struct {
	*process
	dir     string
	binary  string
	more    []string // arguments
	listen  string
	control string
	key     string
}

// buildHooklog builds the program that is measured.
func buildHooklog(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "hooklog")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/hooklog/hooklog/cmd/hooklog").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build hooklog: %w\n%s", err, out)
	}
	return binary, nil
}

// startHooklog starts a server on a data directory, with more arguments if any are given, and waits until it is ready.
func startHooklog(ctx context.Context, binary, dir string, more ...string) (*server, error) {
	s := &server{binary: binary, dir: dir, more: more}
	var err error
	if s.listen, err = freeAddress(); err != nil {
		return nil, err
	}
	if s.control, err = freeAddress(); err != nil {
		return nil, err
	}
	return s, s.start(ctx)
}

// freeAddress finds a loopback address that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (s *server) logFile() string { return s.dir + ".log" }

// start runs the server, again after a stop, and waits until it is ready.
func (s *server) start(ctx context.Context) error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, s.binary, append([]string{"serve", "--data", s.dir, "--listen", s.listen, "--operator-listen", s.control,
		"--allow-insecure-targets", "127.0.0.0/8", "--log-format", "json"}, s.more...)...)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.process = watch("hooklog", cmd, nil)
	if err := s.ready(ctx); err != nil {
		return err
	}
	key, err := os.ReadFile(filepath.Join(s.dir, "operator.key"))
	s.key = strings.TrimSpace(string(key))
	return err
}

// look asks the listener that is for operators.
func (s *server) look(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.control+path, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}

// ready waits for the server to say that it is.
func (s *server) ready(ctx context.Context) error {
	for {
		resp, err := s.look(ctx, "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.ended:
			return fmt.Errorf("hooklog ended before it was ready (%w): %s", s.err, s.lastWords())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// live reports whether the server's fold follows the head of the log.
func (s *server) live(ctx context.Context) (bool, error) {
	resp, err := s.look(ctx, "/readyz")
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	var told struct {
		Live bool `json:"live"`
	}
	err = json.NewDecoder(resp.Body).Decode(&told)
	return told.Live, err
}

// lastWords is the end of the server's log.
func (s *server) lastWords() string {
	log, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-500):])
}

// call posts one request with the operator's key and decodes the answer into out, unless that is nil.
func (s *server) call(ctx context.Context, path string, in, out any) error {
	return s.request(ctx, http.MethodPost, path, in, out)
}

// request is call with any method. Nothing is sent of a nil in.
func (s *server) request(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.listen+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// eventType is what is published, and asked for by every subscription that shall get it.
const eventType = "bench.tick"

// organize registers an organization with the event type, and returns the key of a platform.
func (s *server) organize(ctx context.Context, slug, profile string) (string, error) {
	return s.organizeWith(ctx, slug, map[string]any{"profile": profile})
}

// organizeWith is organize with settings of the organization.
func (s *server) organizeWith(ctx context.Context, slug string, settings map[string]any) (string, error) {
	asked := map[string]any{"slug": slug, "name": slug}
	maps.Copy(asked, settings)
	if err := s.call(ctx, "/api/v1/organizations", asked, nil); err != nil {
		return "", err
	}
	if err := s.defineType(ctx, slug, eventType); err != nil {
		return "", err
	}
	var key struct {
		Key string `json:"key"`
	}
	err := s.call(ctx, "/api/v1/keys", map[string]any{"scopes": []string{"events:publish"}, "mode": "live"}, &key)
	return key.Key, err
}

func (s *server) defineType(ctx context.Context, slug, name string) error {
	return s.call(ctx, "/api/v1/organizations/"+slug+"/event-types", map[string]any{"name": name}, nil)
}

// subscribe makes a subscription to the event type.
func (s *server) subscribe(ctx context.Context, slug, url string) error {
	return s.subscribeTo(ctx, slug, url, eventType)
}

func (s *server) subscribeTo(ctx context.Context, slug, url, eventType string) error {
	return s.call(ctx, "/api/v1/partner/webhooks?organization="+slug, map[string]any{"url": url, "events": []string{eventType}}, nil)
}

// publisher publishes messages to an organization, one a request or in arrays.
func (s *server) publisher(slug, key string, o options, batch, targets int) *publisher {
	p := &publisher{poster: newPoster("http://"+s.listen+"/api/v1/organizations/"+slug+"/events", key, o.connections),
		connections: o.connections, batch: batch, targets: targets, want: http.StatusAccepted, encode: encodeMessage}
	if batch > 1 {
		p.want, p.encode, p.check = http.StatusOK, encodeArray, countAccepted
	}
	return p
}

// encodePlain writes the payload as it is, for the relay.
func encodePlain(b []byte, run, first, _ int, at int64) []byte {
	return appendPayload(b, mark{run, first, at})
}

func encodeMessage(b []byte, run, first, _ int, at int64) []byte {
	return appendMessage(b, eventType, mark{run, first, at})
}

func appendMessage(b []byte, eventType string, m mark) []byte {
	b = append(b, `{"type":"`...)
	b = append(b, eventType...)
	b = append(b, `","data":`...)
	return append(appendPayload(b, m), '}')
}

func encodeArray(b []byte, run, first, n int, at int64) []byte {
	b = append(b, '[')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = encodeMessage(b, run, first+i, 1, at)
	}
	return append(b, ']')
}

func countAccepted(answer []byte) int { return bytes.Count(answer, []byte(`"status":202`)) }

// refusedError says that not all messages of a batch were accepted.
type refusedError struct{ accepted, sent int }

func (e *refusedError) Error() string {
	return fmt.Sprintf("only %d of %d messages of a batch were accepted", e.accepted, e.sent)
}
