package http_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// page asks for a page without a key.
func (h *house) page(method, path string) (status int, body string, header http.Header) {
	h.Helper()
	r, err := http.NewRequestWithContext(h.Context(), method, h.url+path, nil)
	h.must(err)
	answer, err := h.client.Do(r)
	h.must(err)
	text, err := io.ReadAll(answer.Body)
	h.must(err)
	h.must(answer.Body.Close())
	return answer.StatusCode, string(text), answer.Header
}

// TestALinkConfirmsAnAddress: looking confirms nothing, posting does, and the address is escaped. It holds the row
// notices.confirmed.
func TestALinkConfirmsAnAddress(t *testing.T) {
	t.Parallel()
	h := build(t)
	org, err := domain.ParseOrganizationID(h.organization("acme"))
	h.must(err)
	const address = "a&b@customer.example"
	confirmed := func() bool {
		a, err := h.commands.LoadAddress(t.Context(), org, address)
		h.must(err)
		return a.Confirmed()
	}
	link := "/api/v1/notices/confirm?token=" + h.commands.LinkToken(org, address)
	if status, _, _ := h.page("POST", link); status != 404 {
		t.Errorf("a link that was never sent: %d", status)
	}
	if may, err := h.commands.AskAddress(t.Context(), by, org, address, domain.NoticeID{1}); err != nil || !may {
		t.Fatalf("may %v, error %v", may, err)
	}
	status, body, header := h.page("GET", link)
	if status != 200 || !strings.Contains(body, "a&amp;b@customer.example") || !strings.Contains(body, `<form method="post">`) || confirmed() {
		t.Errorf("%d %s, confirmed %v", status, body, confirmed())
	}
	if header.Get("Referrer-Policy") != "no-referrer" || !strings.Contains(header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("header %v", header)
	}
	if status, _, _ := h.page("POST", link[:len(link)-2]); status != 404 || confirmed() {
		t.Errorf("a shortened token: %d", status)
	}
	h.broken.fail(eventlog.ErrNoSpace)
	if status, _, _ := h.page("POST", link); status != 503 || confirmed() {
		t.Errorf("without a log: %d", status)
	}
	h.broken.fail(nil)
	for range 2 {
		if status, body, _ := h.page("POST", link); status != 200 || strings.Contains(body, "<form") || !confirmed() {
			t.Errorf("%d %s", status, body)
		}
	}
	h.want(204, "DELETE", orgs+"/acme", h.operator, "")
	before := h.facts()
	for _, method := range []string{"GET", "POST"} {
		if status, _, _ := h.page(method, link); status != 404 {
			t.Errorf("%s of a closed organization's link: %d", method, status)
		}
	}
	if after := h.facts(); after != before {
		t.Errorf("%d facts were recorded", after-before)
	}
	h.broken.failReads(eventlog.ErrNoSpace)
	if status, _, _ := h.page("GET", link); status != 503 {
		t.Errorf("without a log to read: %d", status)
	}
}

// TestAnOperatorConfirmsAddresses: by name, and by giving them to webhooks; a partner does not. It holds the row
// addresses.confirm.
func TestAnOperatorConfirmsAddresses(t *testing.T) {
	t.Parallel()
	h := build(t)
	org, err := domain.ParseOrganizationID(h.organization("acme"))
	h.must(err)
	partner := h.partnerKey("acme")
	h.want(403, "POST", "/api/v1/organizations/acme/addresses", partner, `{"email":"one@customer.example"}`)
	for range 2 {
		if got := h.want(200, "POST", "/api/v1/organizations/acme/addresses", h.operator, `{"email":"one@customer.example"}`).text(t, "email"); got != "one@customer.example" {
			t.Errorf("email %s", got)
		}
	}
	h.want(201, "POST", "/api/v1/webhooks?organization=acme", h.operator, `{"url":"https://example.com/","email":"two@customer.example"}`)
	h.want(201, "POST", "/api/v1/webhooks", partner, `{"url":"https://example.com/","email":"three@customer.example","events":["hooklog.delivery.dead"]}`)
	h.want(422, "POST", "/api/v1/webhooks", partner, `{"url":"https://example.com/","events":["hooklog.unknown"]}`)
	for address, want := range map[string]bool{"one@customer.example": true, "TWO@customer.example": true, "three@customer.example": false} {
		a, err := h.commands.LoadAddress(t.Context(), org, address)
		if err != nil || a.Confirmed() != want {
			t.Errorf("%s: confirmed %v, error %v", address, a.Confirmed(), err)
		}
	}
}

// TestARefusedRequestConfirmsNoAddress: an operator's word for an address counts only together with the webhook.
func TestARefusedRequestConfirmsNoAddress(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.organization("acme")
	hook, _ := h.webhook(h.partnerKey("acme"), `[]`)
	h.want(201, "POST", orgs, h.operator, `{"slug":"full","name":"Full","profile":"vantagekit"}`)
	full := h.partnerKey("full")
	for range 10 {
		h.webhook(full, `[]`)
	}
	before := h.facts()
	const email = `"email":"ops@customer.example"`
	h.want(422, "POST", managed+"?organization=acme", h.operator, `{"url":"http://example.com/",`+email+`}`)
	h.want(422, "POST", managed+"?organization=acme", h.operator, `{"url":"https://example.com/","events":["no.such"],`+email+`}`)
	h.want(409, "POST", managed+"?organization=full", h.operator, `{"url":"https://example.com/",`+email+`}`)
	h.want(422, "PATCH", managed+"/"+hook+"?organization=acme", h.operator, `{"url":"http://example.com/",`+email+`}`)
	h.want(422, "PATCH", managed+"/"+hook+"?organization=acme", h.operator, `{"events":["no.such"],`+email+`}`)
	if after := h.facts(); after != before {
		t.Errorf("%d facts were recorded", after-before)
	}
}
