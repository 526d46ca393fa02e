package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hooklog/hooklog/examples"
	"github.com/hooklog/hooklog/notices/mailtest"
)

// adminAPI speaks VNTANA's Admin API, as its documentation says.
type adminAPI struct {
	*server
	token string
}

// envelope is every answer there.
type envelope struct {
	Success  bool            `json:"success"`
	Errors   []string        `json:"errors"`
	Response json.RawMessage `json:"response"`
}

// ask makes a request and decodes the envelope's response into out, unless that is nil. A token in the answer is kept. Who
// is told to come again comes again.
func (a *adminAPI) ask(t *testing.T, method, path string, in, out any, headers ...string) {
	t.Helper()
	var answer *http.Response
	var e envelope
	eventually(t, "the server is not busy", func() bool {
		answer, e = a.once(t, method, path, in, headers...)
		return answer.StatusCode != http.StatusServiceUnavailable
	})
	if answer.StatusCode != http.StatusOK || !e.Success || len(e.Errors) > 0 {
		t.Fatalf("%s %s: %d %v %s", method, path, answer.StatusCode, e.Errors, answer.Header.Get("Hooklog-Detail"))
	}
	if token := answer.Header.Get("x-auth-token"); token != "" {
		a.token = token
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(e.Response, out); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, e.Response)
	}
}

// once makes a request. The body of the answer is read.
func (a *adminAPI) once(t *testing.T, method, path string, in any, headers ...string) (answer *http.Response, e envelope) {
	t.Helper()
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+a.listen+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if a.token != "" {
		req.Header.Set("x-auth-token", "Bearer "+a.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	answer, err = client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&e); err != nil {
		t.Fatalf("%s %s: %d %v", method, path, answer.StatusCode, err)
	}
	return answer, e
}

// adminWebhook is a webhook there.
type adminWebhook struct {
	UUID    string `json:"uuid"`
	Secret  string `json:"secret"`
	Disable bool   `json:"disable"`
}

// grid is a list there.
type grid[T any] struct {
	TotalCount int `json:"totalCount"`
	Grid       []T `json:"grid"`
}

// A client that knows nothing but VNTANA's documentation logs in, makes webhooks and reads their secrets; receivers of
// examples/ verify what is delivered, also after the secret was renewed; and who owns a webhook that fails gets the mails.
func TestVntanasAdminAPIFromLoginToMails(t *testing.T) {
	t.Parallel()
	post := mailtest.Start(t, mailtest.Options{})
	s := newServer(t, "--smtp-host", "127.0.0.1", "--smtp-port", strconv.Itoa(post.Port()), "--smtp-security", "none",
		"--smtp-from", "Hooklog <notices@example.com>", "--public-url", "https://hooks.example.com")
	o := s.organize(t, "atelier", "vntana", []string{"1s"}, "")

	a := &adminAPI{server: s}
	a.ask(t, "POST", "/v1/auth/login/token", map[string]string{"personal-access-token": o.partner}, nil)
	var organizations, folders grid[struct{ UUID, Slug string }]
	a.ask(t, "GET", "/v1/organizations", nil, &organizations)
	if organizations.TotalCount != 1 || organizations.Grid[0].Slug != "atelier" {
		t.Fatalf("organizations %+v", organizations)
	}
	organization := organizations.Grid[0].UUID
	a.ask(t, "POST", "/v1/auth/refresh-token", nil, nil, "organizationUuid", organization)
	var events grid[struct{ Events []map[string]string }]
	a.ask(t, "GET", "/v1/webhooks/events/", nil, &events)
	added := events.Grid[0].Events[0]
	if added["name"] != "product.added" {
		t.Fatalf("events %+v", events)
	}
	webhook := func(url string, more map[string]any) (w adminWebhook) {
		t.Helper()
		ask := map[string]any{"name": "One", "url": url, "organizationUuid": organization, "events": []any{added}}
		for name, value := range more {
			ask[name] = value
		}
		a.ask(t, "POST", "/v1/webhooks/", ask, &w)
		return w
	}
	publish := func(folder string) string {
		t.Helper()
		var p published
		o.mustAs(t, o.platform, http.StatusAccepted, "POST", o.path("/events"), map[string]any{"type": "product.added", "client": folder,
			"data": map[string]any{"organization": map[string]string{"uuid": organization}, "product": map[string]string{"uuid": "p"}}}, &p)
		return p.EventID
	}

	tried := 0
	for _, language := range examples.Languages() {
		command, err := language.Prepare(t.Context(), "../examples", t.TempDir())
		if errors.Is(err, exec.ErrNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		tried++
		a.verifies(t, o, command, language.Name, webhook, publish)
	}
	if tried == 0 {
		t.Fatal("not even Go's receiver was tried")
	}
	a.ask(t, "GET", "/v1/clients/client-organizations", nil, &folders)
	if folders.TotalCount != tried {
		t.Errorf("folders %+v", folders)
	}

	failing := newReceiver(t, func(string, int) int { return http.StatusInternalServerError })
	w := webhook(failing.URL, map[string]any{"userEmail": "owner@example.com", "clients": []string{"failing"}})
	eventually(t, "the address is asked", func() bool { return len(post.Mails()) == 1 })
	_, token, _ := strings.Cut(letterOf(t, post.Mails()[0]).text, "/api/v1/notices/confirm?token=")
	token, _, _ = strings.Cut(token, "\n")
	resp, err := client.Post("http://"+s.listen+"/api/v1/notices/confirm?token="+strings.TrimSpace(token), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Fatalf("confirmed with %d", resp.StatusCode)
	}
	const limit = 20
	for range limit / 2 { // two attempts each
		publish("failing")
	}
	eventually(t, "failures have disabled the webhook", func() bool {
		a.ask(t, "GET", "/v1/webhooks/"+w.UUID, nil, &w)
		return w.Disable
	})
	eventually(t, "its owner has all mails", func() bool { return len(post.Mails()) >= 3 })
	subjects := map[string]int{"Confirm this address for webhook notices": 0, " failed": 0, " was disabled": 0}
	for _, m := range post.Mails() {
		l := letterOf(t, m)
		if !strings.Contains(strings.Join(m.To, " "), "<owner@example.com>") || strings.Contains(l.text, w.Secret) {
			t.Errorf("mail to %s: %+v", m.To, l)
		}
		for subject := range subjects {
			if strings.HasSuffix(l.subject, subject) {
				subjects[subject]++
			}
		}
	}
	for subject, n := range subjects {
		if n != 1 {
			t.Errorf("%d mails of %q, of %d", n, subject, len(post.Mails()))
		}
	}
}

// letter is what a mail says to who reads it.
type letter struct{ subject, text string }

func letterOf(t *testing.T, m mailtest.Mail) letter {
	t.Helper()
	message, err := mail.ReadMessage(strings.NewReader(m.Data))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	first, err := multipart.NewReader(message.Body, params["boundary"]).NextPart() // decodes what is quoted-printable
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(first)
	if err != nil {
		t.Fatal(err)
	}
	return letter{subject, string(text)}
}

// verifies lets a receiver verify deliveries, with the secret of a webhook as the API tells it, and with the next one.
func (a *adminAPI) verifies(t *testing.T, o organization, command examples.Command, folder string, webhook func(string, map[string]any) adminWebhook, publish func(string) string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secrets")
	receiver, err := command.Start("vntana", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := receiver.Stop(); err != nil {
			t.Error(err)
		}
	})
	knows := func(secret string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := webhook(receiver.URL+"/hook", map[string]any{"clients": []string{folder}})
	ends := func(event, status string) {
		t.Helper()
		eventually(t, folder+" has a delivery that is "+status, func() bool {
			for _, d := range o.everyDelivery(t, "wh_"+w.UUID, "&status="+status).Items {
				if d.EventID == event {
					return true
				}
			}
			return false
		})
	}
	knows(w.Secret)
	ends(publish(folder), "success")
	old := w.Secret
	a.ask(t, "PATCH", "/v1/webhooks/"+w.UUID+"/secret", nil, &w)
	if w.Secret == old {
		t.Fatal("the secret is the old one")
	}
	ends(publish(folder), "dead_letter") // the receiver knows only the old one
	a.ask(t, "GET", "/v1/webhooks/"+w.UUID, nil, &w)
	knows(w.Secret)
	ends(publish(folder), "success")
}
