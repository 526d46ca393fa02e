package http_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hooklog/hooklog/eventlog"
	httpd "github.com/hooklog/hooklog/http"
)

const auditPath = "/api/v1/audit/facts"

// listed reads all pages of the audit list.
func (h *house) listed(key, query string) (items []map[string]any) {
	h.Helper()
	for cursor := ""; ; {
		a := h.want(200, "GET", auditPath+"?limit=200"+query+cursor, key, "")
		var page struct {
			Items []map[string]any `json:"items"`
			Next  *string          `json:"next_cursor"`
		}
		h.must(json.Unmarshal([]byte(a.body), &page))
		if items = append(items, page.Items...); page.Next == nil {
			return items
		}
		cursor = "&cursor=" + *page.Next
	}
}

// settle waits until everything that was recorded is folded.
func (h *house) settle() {
	h.Helper()
	head, err := h.log.Head(h.Context())
	h.must(err)
	h.must(h.fold.WaitFor(h.Context(), head))
}

// TestTheAuditListShowsTheLog holds the rows audit.fact and audit.pages.
func TestTheAuditListShowsTheLog(t *testing.T) {
	t.Parallel()
	s := stage(t)
	s.attempts(s.event, s.active, 503, 0)
	s.settle()
	before := s.facts()
	all := s.listed(s.auditor, "")
	if len(all) != before {
		t.Errorf("%d facts are listed of %d", len(all), before)
	}
	s.settle()
	newest := s.listed(s.auditor, "&order=newest")
	if len(newest) != before+(before+199)/200 || newest[0]["type"] != "hooklog.AuditRead.v1" || newest[len(newest)-1]["position"] != all[0]["position"] {
		t.Errorf("newest first: %d facts, the first %v", len(newest), newest[0])
	}
	data, _ := newest[0]["data"].(map[string]any)
	if data["form"] != "json" || data["limit"] != 200.0 || newest[0]["stream"] != "hl_audit-"+keyID(s.auditor) || newest[0]["actor"] != "key:"+keyID(s.auditor) {
		t.Errorf("the reading was recorded as %v", newest[0])
	}
	delivery := s.delivery(s.event, s.active)
	for query, want := range map[string]int{"&delivery=" + delivery: 2, "&event=" + s.event: 3, "&subscription=" + s.active: 3,
		"&subscription=" + s.deleted: 2, "&type=hooklog.AttemptFailed.v1": 1, "&type=hooklog.AttemptFailed.v1,hooklog.AttemptSucceeded.v1": 2,
		"&type=hooklog.AttemptFailed.v1&type=hooklog.AttemptSucceeded.v1&organization=other": 0, "&event=" + s.otherEvent: 1,
		"&from=2100-01-01T00:00:00Z": 0, "&to=2000-01-01T00:00:00Z": 0, "&organization=shut": 4, "&organization=" + s.acme + "&subscription=" + s.foreign: 0,
		"&event=" + s.event + "&subscription=" + s.active: 2} {
		for _, order := range []string{"", "&order=newest"} {
			if got := s.listed(s.auditor, query+order); len(got) != want {
				t.Errorf("%s%s: %d facts, want %d: %v", query, order, len(got), want, got)
			}
		}
	}
	failed := s.listed(s.auditor, "&type=hooklog.AttemptFailed.v1")[0]
	data, _ = failed["data"].(map[string]any)
	sum := sha256.Sum256([]byte("sorry \xff"))
	if failed["organization_id"] != s.acme || failed["subscription_id"] != s.active || failed["event_id"] != s.event || failed["delivery_id"] != delivery ||
		data["reason"] != "http_503" || data["status"] != 503.0 || data["body_sha256"] != strings.Repeat("ab", 32) || data["answer"] != nil || data["answer_sha256"] != hex.EncodeToString(sum[:]) {
		t.Errorf("a failed attempt is shown as %v", failed)
	}
	opened := s.listed(s.operator, "&delivery="+delivery)[0]["data"].(map[string]any)
	if opened["answer"] != "sorry \uFFFD" {
		t.Errorf("opened: %v", opened)
	}
	for key, want := range map[string]bool{s.auditor: false, s.operator: true} {
		published := s.listed(key, "&event="+s.event)[0]["data"].(map[string]any)
		if _, there := published["data"]; there != want || published["data_sha256"] == nil {
			t.Errorf("the message is shown as %v", published)
		}
	}
}

func TestAnAuditorOfSomeOrganizationsSeesNothingElse(t *testing.T) {
	t.Parallel()
	s := stage(t)
	s.attempts(s.event, s.active, 503, 0)
	s.settle()
	for _, form := range []string{"application/json", "application/x-ndjson", "text/csv"} {
		for _, query := range []string{"", "?order=newest", "?type=hooklog.KeyIssued.v1,hooklog.KeyRevoked.v1,hooklog.KeyRotated.v1,hooklog.AuditRead.v1", "?organization=other"} {
			a := s.want(200, "GET", auditPath+query, s.narrow, "", "Accept", form)
			for _, foreign := range []string{s.acme, s.active, s.event, s.partnerID, "hl_key-live_operator", "hl_audit-", "KeysetProbed"} {
				if strings.Contains(a.body, foreign) {
					t.Errorf("%s%s shows %s", form, query, foreign)
				}
			}
			if !strings.Contains(a.body, s.other) {
				t.Errorf("%s%s shows nothing of its own: %s", form, query, a.body)
			}
		}
	}
}

// rowsWith are the lines of an export that begin in a way.
func rowsWith(body, prefix string) (lines []string) {
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, prefix) {
			lines = append(lines, line)
		}
	}
	return lines
}

func digestOf(lines []string) string {
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	return hex.EncodeToString(sum[:])
}

// manyEvents publishes events so that exports have several checkpoints.
func (s *scene) manyEvents(n int) {
	s.Helper()
	for n > 0 {
		batch := min(n, 1000)
		s.want(200, "POST", events, s.platform, "["+strings.TrimSuffix(strings.Repeat(`{"type":"order.paid","data":{"marker":"payload-of-the-test"}},`, batch), ",")+"]")
		n -= batch
	}
	s.settle()
}

// TestAnExportCanBeComparedAndTakenUpAgain holds the rows export.fact, export.checkpoint and export.end.
func TestAnExportCanBeComparedAndTakenUpAgain(t *testing.T) {
	t.Parallel()
	s := stage(t)
	s.manyEvents(2500)
	to := time.Now().UTC().Format(time.RFC3339Nano)
	for form, prefix := range map[string]string{"application/x-ndjson": `{"row":"`, "text/csv": ""} {
		for _, order := range []string{"oldest", "newest"} {
			query := auditPath + "?to=" + to + "&order=" + order
			whole := s.want(200, "GET", query, s.auditor, "", "Accept", form).body
			facts := rowsWith(whole, prefix+"fact")
			checkpoints, ends := rowsWith(whole, prefix+"checkpoint"), rowsWith(whole, prefix+"end")
			if len(facts) < 2500 || len(checkpoints) != len(facts)/1000 || len(ends) != 1 || !strings.HasSuffix(whole, ends[0]) {
				t.Fatalf("%s: %d facts, %d checkpoints, %d ends", form, len(facts), len(checkpoints), len(ends))
			}
			if !strings.Contains(ends[0], digestOf(facts)) || !strings.Contains(ends[0], fmt.Sprint(len(facts))) {
				t.Errorf("%s: the end says %s, the facts give %d, %s", form, ends[0], len(facts), digestOf(facts))
			}
			again := s.want(200, "GET", query, s.auditor, "", "Accept", form).body
			if digestOf(rowsWith(again, prefix+"fact")) != digestOf(facts) {
				t.Errorf("%s %s: two exports of the same filter differ", form, order)
			}
			s.takeUp(t, query, form, prefix, whole, facts, ends[0])
		}
	}
}

// takeUp goes on from every checkpoint of an export, and by pieces of 700 facts from the beginning.
func (s *scene) takeUp(t *testing.T, query, form, prefix, whole string, facts []string, end string) {
	t.Helper()
	for i, line := range rowsWith(whole, prefix+"checkpoint") {
		rest := s.want(200, "GET", query+"&cursor="+cursorIn(t, line), s.auditor, "", "Accept", form).body
		joined := append(append([]string{}, facts[:1000*(i+1)]...), rowsWith(rest, prefix+"fact")...)
		if digestOf(joined) != digestOf(facts) || digestIn(rest) != digestIn(end) {
			t.Errorf("%s from checkpoint %d: ends with %s", form, i, rowsWith(rest, prefix+"end"))
		}
	}
	var pieces []string
	for cursor, n := "", 0; n < 20; n++ {
		body := s.want(200, "GET", query+"&limit=700"+cursor, s.auditor, "", "Accept", form).body
		pieces = append(pieces, rowsWith(body, prefix+"fact")...)
		if ends := rowsWith(body, prefix+"end"); len(ends) == 1 {
			if digestIn(ends[0]) != digestIn(end) {
				t.Errorf("%s in pieces ends with %s, want %s", form, ends[0], end)
			}
			break
		}
		marks := rowsWith(body, prefix+"checkpoint")
		cursor = "&cursor=" + cursorIn(t, marks[len(marks)-1])
	}
	if digestOf(pieces) != digestOf(facts) {
		t.Errorf("%s: %d facts in pieces, %d in one", form, len(pieces), len(facts))
	}
}

// digestIn finds the digest in the last line of an export.
func digestIn(body string) string {
	for _, word := range strings.FieldsFunc(body[strings.LastIndex(strings.TrimSpace(body), "\n")+1:], func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }) {
		if len(word) == 64 {
			return word
		}
	}
	return "none"
}

// cursorIn finds the cursor of a checkpoint.
func cursorIn(t *testing.T, line string) string {
	t.Helper()
	var mark struct{ Cursor string }
	if strings.HasPrefix(line, "{") {
		if err := json.Unmarshal([]byte(line), &mark); err != nil {
			t.Fatal(err)
		}
		return mark.Cursor
	}
	row, err := csv.NewReader(strings.NewReader(line)).Read()
	if err != nil {
		t.Fatal(err)
	}
	return row[17]
}

func TestTheCursorOfAnExportIsForThatExport(t *testing.T) {
	t.Parallel()
	s := stage(t)
	whole := s.want(200, "GET", auditPath+"?limit=5", s.auditor, "", "Accept", "application/x-ndjson").body
	cursor := cursorIn(t, rowsWith(whole, `{"row":"checkpoint"`)[0])
	before := s.facts()
	for what, c := range map[string][3]string{"another form": {"", s.auditor, "text/csv"}, "a list": {"", s.auditor, "application/json"},
		"another filter": {"&order=newest", s.auditor, "application/x-ndjson"}, "opened": {"", s.operator, "application/x-ndjson"},
		"another reach": {"", s.narrow, "application/x-ndjson"}} {
		if a := s.call("GET", auditPath+"?cursor="+cursor+c[0], c[1], "", "Accept", c[2]); a.status != 400 {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	if s.facts() != before {
		t.Error("a refused reading was recorded")
	}
	s.want(200, "GET", auditPath+"?cursor="+cursor, s.auditor, "", "Accept", "application/x-ndjson")
}

func TestADeliverysHistoryIsExported(t *testing.T) {
	t.Parallel()
	s := stage(t)
	s.attempts(s.event, s.active, 503, 0)
	path := "/api/v1/deliveries/" + s.delivery(s.event, s.active)
	s.settle()
	body := s.want(200, "GET", path, s.auditor, "", "Accept", "application/x-ndjson").body
	facts := rowsWith(body, `{"row":"fact"`)
	if len(facts) != 3 || !strings.Contains(facts[0], "MessagePublished") || !strings.Contains(facts[2], "AttemptSucceeded") || digestIn(body) != digestOf(facts) {
		t.Errorf("exported %s", body)
	}
	a := s.want(200, "GET", path, s.auditor, "", "Accept", "text/html, text/csv;q=0.9")
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	if err != nil || len(rows) != 5 || rows[0][0] != "row" || rows[4][0] != "end" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/csv") {
		t.Errorf("exported %v, %v", rows, err)
	}
	if a := s.want(200, "HEAD", path, s.auditor, "", "Accept", "text/csv"); a.body != "" {
		t.Errorf("HEAD: %s", a.body)
	}
}

// TestNothingIsAnsweredThatIsNotRecorded holds the rows audit.recorded and audit.readings.
func TestNothingIsAnsweredThatIsNotRecorded(t *testing.T) {
	t.Parallel()
	s := stage(t)
	s.broken.fail(eventlog.ErrNoSpace)
	for _, form := range []string{"application/json", "application/x-ndjson", "text/csv"} {
		for _, path := range []string{auditPath, auditPath + "?order=newest"} {
			a := s.want(503, "GET", path, s.auditor, "", "Accept", form)
			checkProblem(t, a)
		}
	}
}

// TestNoExportHoldsASecret looks for everything that is sealed, hashed or secret in the log, in every spelling.
func TestNoExportHoldsASecret(t *testing.T) {
	t.Parallel()
	s := stage(t)
	s.manyEvents(3)
	s.attempts(s.event, s.active, 503, 0)
	s.settle()
	secrets := map[string][]byte{"a webhook's secret": []byte(s.secret), "a partner key": []byte(s.partner), "its secret half": []byte(s.partner[strings.IndexByte(s.partner, '.')+1:]),
		"the operator key": []byte(s.operator[strings.IndexByte(s.operator, '.')+1:])}
	for e, err := range s.log.ReadAll(t.Context(), eventlog.Position{}) {
		s.must(err)
		var data map[string]json.RawMessage
		s.must(json.Unmarshal(e.Data, &data))
		for _, member := range []string{"secret", "payload", "answer", "wrapped", "sealed", "secret_hash"} {
			var text string
			if data[member] == nil {
				continue
			}
			s.must(json.Unmarshal(data[member], &text))
			raw, err := base64.StdEncoding.DecodeString(text)
			if err != nil || member == "secret_hash" {
				raw = []byte(text)
			}
			secrets[fmt.Sprintf("%s of %s", member, e.Stream)] = raw
		}
	}
	if len(secrets) < 20 {
		t.Fatalf("only %d secrets", len(secrets))
	}
	closed := map[string][]byte{"what was published": []byte("payload-of-the-test"), "what was answered": []byte("sorry ")}
	for _, form := range []string{"application/json", "application/x-ndjson", "text/csv"} {
		for _, key := range []string{s.auditor, s.operator} {
			body := s.want(200, "GET", auditPath+"?organization=acme&order=newest", key, "", "Accept", form).body
			body += s.want(200, "GET", auditPath, key, "", "Accept", form).body
			for what, secret := range secrets {
				if spelled := spelling(body, secret); spelled != "" {
					t.Errorf("%s holds %s %s", form, what, spelled)
				}
			}
			for what, text := range closed {
				if found := spelling(body, text) != ""; found != (key == s.operator) {
					t.Errorf("%s with %s: %s is there: %t", form, keyID(key), what, found)
				}
			}
		}
	}
}

// spelling tells how a text holds some bytes; empty if it does not.
func spelling(text string, secret []byte) string {
	for name, spelled := range map[string]string{"as it is": string(secret), "in hex": hex.EncodeToString(secret), "in HEX": strings.ToUpper(hex.EncodeToString(secret)),
		"in base64": base64.RawStdEncoding.EncodeToString(secret), "in URL-safe base64": base64.RawURLEncoding.EncodeToString(secret)} {
		if strings.Contains(text, spelled) {
			return name
		}
	}
	return ""
}

// readSlowly reads a body in small pieces with pauses.
func readSlowly(body io.Reader, pause time.Duration) ([]byte, error) {
	var all bytes.Buffer
	for {
		time.Sleep(pause)
		if _, err := io.CopyN(&all, body, 64<<10); err == io.EOF {
			return all.Bytes(), nil
		} else if err != nil {
			return all.Bytes(), err
		}
	}
}

func TestAnExportOutlastsTheDeadlinesOfARequest(t *testing.T) {
	t.Parallel()
	s := stage(t)
	s.manyEvents(2000)
	server := httptest.NewUnstartedServer(nil)
	server.Config = httpd.NewServer("", s.api)
	const deadline = 3 * time.Second // which a busy machine may take to read the request
	server.Config.ReadTimeout, server.Config.WriteTimeout = deadline, deadline
	server.Start()
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+auditPath, nil)
	s.must(err)
	r.Header.Set("Authorization", "Bearer "+s.auditor)
	r.Header.Set("Accept", "application/x-ndjson")
	resp, err := s.client.Do(r)
	s.must(err)
	defer resp.Body.Close()
	begun := time.Now()
	body, err := readSlowly(resp.Body, 240*time.Millisecond)
	if took := time.Since(begun); took < deadline {
		t.Errorf("all was read within %v: this test misses the case it is for", took)
	}
	if err != nil || digestIn(string(body)) != digestOf(rowsWith(string(body), `{"row":"fact"`)) {
		t.Errorf("%d bytes came, %v", len(body), err)
	}
}

// TestAnExportEndsWithItsReaderOrItsNode holds the row export.broken.
func TestAnExportEndsWithItsReaderOrItsNode(t *testing.T) {
	t.Parallel()
	var stopping atomic.Bool
	h := build(t, func(c *httpd.Config) { c.Stopping = stopping.Load })
	for range 30 {
		h.organization(fmt.Sprintf("org-%d", h.facts()))
	}
	h.settle()
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", h.url+auditPath, nil)
	h.must(err)
	r.Header.Set("Authorization", "Bearer "+h.operator)
	r.Header.Set("Accept", "text/csv")
	resp, err := h.client.Do(r)
	h.must(err)
	leave()
	resp.Body.Close()
	stopping.Store(true)
	r = r.Clone(t.Context())
	resp, err = h.client.Do(r)
	h.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil || len(rowsWith(string(body), "fact,")) != 1 || len(rowsWith(string(body), "checkpoint,")) != 1 {
		t.Fatalf("from a node that stops came %q, %v", body, err)
	}
	stopping.Store(false)
	cursor := cursorIn(t, rowsWith(string(body), "checkpoint,")[0])
	rest := h.want(200, "GET", auditPath+"?cursor="+cursor, h.operator, "", "Accept", "text/csv").body
	if facts := append(rowsWith(string(body), "fact,"), rowsWith(rest, "fact,")...); digestIn(rest) != digestOf(facts) || strings.HasPrefix(rest, "row,") {
		t.Errorf("taken up, it ends with %s", rest[max(0, len(rest)-200):])
	}
}
