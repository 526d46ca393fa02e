package http_test

import (
	"strings"
	"testing"
)

// TestASubscriptionsLife holds the rows partner.create, partner.list, partner.delete and partner.test.
func TestASubscriptionsLife(t *testing.T) {
	t.Parallel()
	h := build(t)
	org := h.organization("acme")
	key := h.partnerKey("acme")
	h.eventType("acme", "order.paid")
	a := h.want(201, "POST", webhooks, key, `{"url":"https://example.com/a?b=<c>&d","events":["order.paid","vc.lead.*","*"]}`)
	id, secret := a.text(t, "id"), a.text(t, "secret")
	shown := `{"id":"` + id + `","organization_id":"` + org + `","url":"https://example.com/a?b=<c>&d","events":["order.paid","vc.lead.*","*"],` +
		`"active":true,"auto_disabled_at":null,"consecutive_failures":0,"created_at":"` + a.text(t, "created_at") + `"`
	if want := shown + `,"secret":"` + secret + `"}` + "\n"; a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	if !strings.HasPrefix(secret, "whsec_") || len(secret) != 49 || !strings.HasSuffix(a.text(t, "created_at"), "Z") {
		t.Errorf("secret %s, created_at %s", secret, a.text(t, "created_at"))
	}
	second, _ := h.webhook(key, `[]`)
	if a = h.want(200, "GET", webhooks, key, ""); a.json(t, "0.id") != second || !strings.HasSuffix(a.body, shown+"}]\n") {
		t.Errorf("listed %s", a.body)
	}
	if a = h.want(200, "GET", webhooks+"?organization=acme", h.operator, ""); a.json(t, "1.id") != id {
		t.Errorf("an operator is shown %s", a.body)
	}
	one := h.want(200, "POST", webhooks+"/"+id+"/test", key, `{"secret":"`+secret+`"}`)
	two := h.want(200, "POST", webhooks+"/"+id+"/test", key, `{"secret":"`+secret+`"}`, "Content-Type", "text/plain")
	if one.json(t, "enqueued") != true || one.text(t, "event_id") == two.text(t, "event_id") || one.header.Get("Hooklog-Position") == "" {
		t.Errorf("tests: %s %s", one.body, two.body)
	}
	h.want(204, "DELETE", webhooks+"/"+id, key, "")
	if a = h.want(200, "GET", webhooks, key, ""); strings.Contains(a.body, id) {
		t.Errorf("a deleted webhook is listed: %s", a.body)
	}
}

func TestNoSubscriptionsAreAnEmptyArray(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.organization("acme")
	if a := h.want(200, "GET", webhooks, h.partnerKey("acme"), ""); a.body != "[]\n" {
		t.Errorf("got %q", a.body)
	}
}
