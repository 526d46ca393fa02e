package http_test

import (
	"testing"
)

func TestSmoke(t *testing.T) {
	h := build(t)
	h.organization("acme")
	key := h.partnerKey("acme")
	h.eventType("acme", "order.paid")
	id, secret := h.webhook(key, `["order.paid"]`)
	a := h.want(200, "GET", "/api/v1/partner/webhooks", key, "")
	t.Log(a.body, a.header)
	t.Log(h.want(200, "GET", "/api/v1/partner/me", key, "").body)
	t.Log(h.want(200, "POST", "/api/v1/partner/webhooks/"+id+"/test", key, `{"secret":"`+secret+`"}`))
	p := h.platformKey()
	t.Log(h.want(202, "POST", "/api/v1/organizations/acme/events", p, `{"type":"order.paid","data":{"a":1}}`))
	t.Log(h.want(200, "POST", "/api/v1/organizations/acme/events", p, `[{"type":"order.paid","data":{"a":1},"id":"x"},{"type":"order.paid","data":{"a":2},"id":"x"},{"type":"no","data":{"a":1}},5]`))
	t.Log(h.want(200, "POST", "/api/v1/organizations/acme/events", p, "{\"type\":\"order.paid\",\"data\":{\"a\":1},\"id\":\"x\"}\n\nfoo\n{\"type\":\"order.paid\",\"data\":{\"a\":1},\"id\":\"y\"}", "Content-Type", "application/x-ndjson"))
	t.Log(h.want(405, "PUT", "/api/v1/partner/me", key, ""))
	t.Log(h.want(404, "GET", "/api/v1/nope", key, ""))
	t.Log(h.want(401, "GET", "/api/v1/partner/me", "", ""))
	t.Log(h.want(422, "POST", "/api/v1/partner/webhooks", key, `{"url":"http://x","events":[1],"f":1,"g":2}`))
	t.Log(h.want(204, "DELETE", "/api/v1/partner/webhooks/"+id, key, ""))
	t.Log(h.logged)
}
