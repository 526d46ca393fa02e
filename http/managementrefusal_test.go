package http_test

import (
	"fmt"
	"strings"
)

const managed = "/api/v1/webhooks"

// managementRefusals are those of the management API.
func (s *scene) managementRefusals() []refusal {
	s.organization("kit")
	s.want(201, "POST", orgs, s.operator, `{"slug":"full","name":"Full","profile":"vantagekit"}`)
	full := s.partnerKey("full")
	for i := range 10 {
		s.want(201, "POST", managed, full, fmt.Sprintf(`{"url":"https://example.com/%d"}`, i))
	}
	rotating := s.want(201, "POST", managed, s.partner, `{"url":"https://example.com/r"}`).text(s, "id")
	s.want(200, "POST", managed+"/"+rotating+"/rotate-secret", s.partner, "")
	with := func(members string) string { return `{"url":"https://example.com/"` + members + `}` }
	header := func(name, value string) string { return with(`,"headers":{"` + name + `":"` + value + `"}`) }
	list := []refusal{
		{"manage.organization", "GET", managed, s.operator, "", nil, 422, "", "organization"},
		{"manage.organization", "POST", managed + "?organization=nobody", s.operator, with(""), nil, 404, "no such organization", ""},
		{"manage.organization", "GET", managed + "?organization=other", s.partner, "", nil, 404, "no such organization", ""},
		{"manage.organization", "GET", "/api/v1/meta", s.operator, "", nil, 422, "", "organization"},
		{"manage.organization", "GET", "/api/v1/event-types", s.operator, "", nil, 422, "", "organization"},
		{"auth.scope", "POST", managed, s.identity, with(""), nil, 403, "webhooks:manage", ""},
		{"auth.scope", "GET", "/api/v1/meta", s.platform, "", nil, 403, "webhooks:manage", ""},
		{"body.members", "POST", managed, s.partner, with(`,"active":true`), nil, 422, "", "active"},
		{"body.members", "POST", managed + "/" + s.active + "/test", s.partner, `{"secret":"x"}`, nil, 422, "", "secret"},

		{"manage.members", "POST", managed, s.partner, `{}`, nil, 422, "", "url"},
		{"manage.members", "POST", managed, s.partner, `{"url":"http://example.com/"}`, nil, 422, "webhook url rejected", "url"},
		{"manage.members", "POST", managed, s.partner, with(`,"events":["no.such"]`), nil, 422, "catalogue", "events[0]"},
		{"manage.members", "POST", managed, s.partner, with(`,"name":"` + strings.Repeat("n", 201) + `"`), nil, 422, "", "name"},
		{"manage.members", "POST", managed, s.partner, with(`,"description":"` + strings.Repeat("n", 2001) + `"`), nil, 422, "", "description"},
		{"manage.members", "POST", managed, s.partner, with(`,"email":"nobody"`), nil, 422, "", "email"},
		{"manage.members", "POST", managed, s.partner, with(`,"email":"A <a@example.com>"`), nil, 422, "", "email"},
		{"manage.members", "POST", managed, s.partner, with(`,"clients":[""]`), nil, 422, "", "clients[0]"},
		{"manage.members", "POST", managed, s.partner, with(`,"clients":[` + strings.Repeat(`"c",`, 200) + `"c"]`), nil, 422, "", "clients"},
		{"manage.members", "POST", managed, s.partner, with(`,"retry_schedule":[]`), nil, 422, "", "retry_schedule"},
		{"manage.members", "POST", managed, s.partner, with(`,"retry_schedule":["169h"]`), nil, 422, "", "retry_schedule[0]"},
		{"manage.members", "POST", managed, s.partner, with(`,"timeout":"61s"`), nil, 422, "", "timeout"},
		{"manage.members", "POST", managed, s.partner, with(`,"rate_limit":"0/s"`), nil, 422, "", "rate_limit"},
		{"manage.members", "POST", managed, s.partner, with(`,"rate_limit":"10001/m"`), nil, 422, "", "rate_limit"},
		{"manage.members", "POST", managed, s.partner, with(`,"rate_limit":10`), nil, 422, "", "rate_limit"},
		{"manage.members", "POST", managed, s.partner, with(`,"enabled":"yes"`), nil, 422, "", "enabled"},
		{"manage.members", "POST", managed, s.partner, with(`,"ordered":1`), nil, 422, "", "ordered"},
		{"manage.members", "PATCH", managed + "/" + s.active, s.partner, `{"ordered":null}`, nil, 422, "", "ordered"},
		{"manage.members", "PATCH", managed + "/" + s.active, s.partner, `{"url":null}`, nil, 422, "", "url"},
		{"manage.members", "PATCH", managed + "/" + s.active, s.partner, `{"enabled":null}`, nil, 422, "", "enabled"},
		{"manage.members", "PATCH", managed + "/" + s.active, s.partner, `{"url":"http://example.com/"}`, nil, 422, "webhook url rejected", "url"},
		{"manage.members", "PATCH", managed + "/" + s.active, s.partner, `{"events":["order.gone"]}`, nil, 422, "catalogue", "events[0]"},

		{"manage.filter", "POST", managed, s.partner, with(`,"filter":{"path":"a"}`), nil, 422, "one of", "filter"},
		{"manage.filter", "POST", managed, s.partner, with(`,"filter":{"and":[{"path":"a","exists":true},{"path":".","exists":true}]}`), nil, 422, "names", "filter.and[1].path"},
		{"manage.filter", "POST", managed, s.partner, with(`,"filter":[]`), nil, 422, "object", "filter"},
		{"manage.filter", "PATCH", managed + "/" + s.active, s.partner, `{"filter":{"path":"a","like":"b"}}`, nil, 422, "like", "filter"},
		{"manage.filter", "POST", managed + "/" + s.active + "/filter-test", s.partner, `{"last":1,"filter":{}}`, nil, 422, "one of", "filter"},
		{"filter.test", "POST", managed + "/" + s.active + "/filter-test", s.partner, `{}`, nil, 422, "", "data"},
		{"filter.test", "POST", managed + "/" + s.active + "/filter-test", s.partner, `{"data":{},"last":1}`, nil, 422, "", "data"},
		{"filter.test", "POST", managed + "/" + s.active + "/filter-test", s.partner, `{"data":[]}`, nil, 422, "", "data"},
		{"filter.test", "POST", managed + "/" + s.active + "/filter-test", s.partner, `{"last":0}`, nil, 422, "", "last"},
		{"filter.test", "POST", managed + "/" + s.active + "/filter-test", s.partner, `{"last":1001}`, nil, 422, "", "last"},

		{"manage.secret", "POST", managed, s.partner, with(`,"secret":""`), nil, 422, "", "secret"},
		{"manage.secret", "POST", managed, s.partner, with(`,"secret":"1234567"`), nil, 422, "", "secret"},
		{"manage.secret", "POST", managed, s.partner, with(`,"secret":"` + strings.Repeat("s", 257) + `"`), nil, 422, "", "secret"},
		{"manage.secret", "POST", managed, s.partner, with(`,"secret":null`), nil, 422, "", "secret"},
		{"manage.secret", "PATCH", managed + "/" + s.active, s.partner, `{"secret":"whsec_123456789"}`, nil, 422, "", "secret"},

		{"manage.headers", "POST", managed, s.partner, with(`,"headers":[]`), nil, 422, "", "headers"},
		{"manage.headers", "POST", managed, s.partner, with(`,"headers":{"X-A":1}`), nil, 422, "", "headers.X-A"},
		{"manage.headers", "POST", managed, s.partner, with(`,"headers":{"X-A":null}`), nil, 422, "", "headers.X-A"},
		{"manage.headers", "POST", managed, s.partner, with(`,"headers":{"X-A":"a","x-a":"b"}`), nil, 422, "twice", "headers.x-a"},
		{"manage.headers", "POST", managed, s.partner, with(`,"headers":{"X-A":"` + strings.Repeat("a", 4096) + `"}`), nil, 422, "", "headers"},
		{"manage.headers", "POST", managed, s.partner, header("X A", "a"), nil, 422, "token", "headers.X A"},
		{"manage.headers", "POST", managed, s.partner, header("", "a"), nil, 422, "token", "headers."},
		{"manage.headers", "POST", managed, s.partner, header("X-A", `a\r\nX-B: b`), nil, 422, "visible", "headers.X-A"},
		{"manage.headers", "POST", managed, s.partner, header("X-A", ""), nil, 422, "visible", "headers.X-A"},
		{"manage.headers", "POST", managed, s.partner, header("X-A", "é"), nil, 422, "visible", "headers.X-A"},
		{"manage.headers", "PATCH", managed + "/" + s.active, s.partner, `{"headers":{"X-VC-Signature":"a"}}`, nil, 422, "", "headers.X-VC-Signature"},

		{"manage.limit", "POST", managed, full, with(""), nil, 409, "10 webhooks", ""},
		{"manage.limit", "POST", webhooks, full, with(""), nil, 409, "10 webhooks", ""},
		{"manage.test", "POST", managed + "/" + s.disabled + "/test", s.partner, "", nil, 409, "not active", ""},
		{"manage.rotate", "POST", managed + "/" + s.active + "/rotate-secret", s.partner, `{"overlap":"721h"}`, nil, 422, "", "overlap"},
		{"manage.rotate", "POST", managed + "/" + s.active + "/rotate-secret", s.partner, `{"overlap":"-1s"}`, nil, 422, "", "overlap"},
		{"manage.rotate", "POST", managed + "/" + rotating + "/rotate-secret", s.partner, "", nil, 409, "being rotated", ""},
		{"manage.list", "GET", managed + "?limit=0", s.partner, "", nil, 422, "", "limit"},
		{"manage.list", "GET", managed + "?cursor=x", s.partner, "", nil, 400, "cursor", ""},
		{"manage.list", "GET", "/api/v1/event-types?limit=201", s.partner, "", nil, 422, "", "limit"},
	}
	list = append(list, s.deliveryRefusals()...)
	many := make([]string, 21)
	for i := range many {
		many[i] = fmt.Sprintf(`"X-%d":"v"`, i)
	}
	list = append(list, refusal{"manage.headers", "POST", managed, s.partner, with(`,"headers":{` + strings.Join(many, ",") + `}`), nil, 422, "at most 20", "headers"})
	for _, name := range []string{"Host", "Content-Type", "content-length", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade", "TE", "Trailer", "Expect", "Proxy-Authorization", "x-vc-timestamp"} {
		list = append(list, refusal{"manage.headers", "POST", managed, s.partner, header(name, "a"), nil, 422, "cannot be set", "headers." + name})
	}
	for _, id := range []string{"wh_x", "wh_" + unknown, s.deleted, s.foreign} {
		list = append(list,
			refusal{"manage.id", "PATCH", managed + "/" + id, s.partner, `{"name":"x"}`, nil, 404, "no such webhook", ""},
			refusal{"filter.test", "POST", managed + "/" + id + "/filter-test", s.partner, `{"last":1}`, nil, 404, "no such webhook", ""},
			refusal{"manage.id", "DELETE", managed + "/" + id, s.partner, "", nil, 404, "no such webhook", ""},
			refusal{"manage.id", "POST", managed + "/" + id + "/test", s.partner, "", nil, 404, "no such webhook", ""},
			refusal{"manage.id", "POST", managed + "/" + id + "/rotate-secret", s.partner, "", nil, 404, "no such webhook", ""})
	}
	return list
}

// deliveryRefusals are those of deliveries, redeliveries and recoveries.
func (s *scene) deliveryRefusals() []refusal {
	path := managed + "/" + s.active
	query := func(q string) string { return path + "/deliveries?" + q }
	recover := func(members string) string {
		return `{"from":"2020-01-01T00:00:00Z","to":"2021-01-01T00:00:00Z"` + members + `}`
	}
	other := s.want(202, "POST", path+"/recover", s.partner, recover("")).text(s, "id")
	list := []refusal{
		{"deliveries.query", "GET", query("status=dead"), s.partner, "", nil, 422, "", "status"},
		{"deliveries.query", "GET", query("status=failed&status=success"), s.partner, "", nil, 422, "", "status"},
		{"deliveries.query", "GET", query("event_type=A"), s.partner, "", nil, 422, "", "event_type"},
		{"deliveries.query", "GET", query("from=yesterday"), s.partner, "", nil, 422, "", "from"},
		{"deliveries.query", "GET", query("to=1700000000"), s.partner, "", nil, 422, "", "to"},
		{"deliveries.query", "GET", query("limit=0"), s.partner, "", nil, 422, "", "limit"},
		{"deliveries.query", "GET", query("cursor=x"), s.partner, "", nil, 400, "cursor", ""},
		{"redeliver.open", "POST", "/api/v1/deliveries/" + s.delivery(s.event, s.active) + "/redeliver", s.partner, "", nil, 409, "not ended", ""},
		{"redeliver.id", "POST", "/api/v1/deliveries/" + s.delivery(s.event, s.active) + "/redeliver", s.otherPartner, "", nil, 404, "no such delivery", ""},
		{"redeliver.id", "POST", "/api/v1/deliveries/del_" + unknown + "/redeliver", s.partner, "", nil, 404, "no such delivery", ""},
		{"redeliver.id", "POST", "/api/v1/deliveries/1/redeliver", s.partner, "", nil, 404, "no such delivery", ""},
		{"auth.scope", "POST", "/api/v1/deliveries/" + s.delivery(s.event, s.active) + "/redeliver", s.auditor, "", nil, 403, "webhooks:manage", ""},
		{"recover.range", "POST", path + "/recover", s.partner, `{"from":"2020-01-01T00:00:00Z"}`, nil, 422, "", "to"},
		{"recover.range", "POST", path + "/recover", s.partner, `{"from":"2020-01-01","to":"2021-01-01T00:00:00Z"}`, nil, 422, "", "from"},
		{"recover.range", "POST", path + "/recover", s.partner, `{"from":"2021-01-01T00:00:00Z","to":"2020-01-01T00:00:00Z"}`, nil, 422, "before", "from"},
		{"recover.range", "POST", path + "/recover", s.partner, `{"from":"2220-01-01T00:00:00Z","to":"2221-01-01T00:00:00Z"}`, nil, 422, "in the past", "from"},
		{"recover.range", "POST", path + "/recover", s.partner, recover(`,"status":"pending"`), nil, 422, "", "status"},
		{"recover.range", "POST", path + "/recover", s.partner, recover(`,"dry_run":1`), nil, 422, "", "dry_run"},
		{"recover.active", "POST", managed + "/" + s.disabled + "/recover", s.partner, recover(""), nil, 409, "disabled", ""},
		{"recovery.id", "GET", path + "/recoveries/1", s.partner, "", nil, 404, "no such recovery", ""},
		{"recovery.id", "GET", path + "/recoveries/rec_" + unknown, s.partner, "", nil, 404, "no such recovery", ""},
		{"recovery.id", "GET", managed + "/" + s.disabled + "/recoveries/" + other, s.partner, "", nil, 404, "no such recovery", ""},
	}
	for _, id := range []string{"wh_x", s.deleted, s.foreign} {
		list = append(list, refusal{"manage.id", "GET", managed + "/" + id + "/deliveries", s.partner, "", nil, 404, "no such webhook", ""},
			refusal{"manage.id", "POST", managed + "/" + id + "/recover", s.partner, recover(""), nil, 404, "no such webhook", ""},
			refusal{"manage.id", "GET", managed + "/" + id + "/recoveries/" + other, s.partner, "", nil, 404, "no such webhook", ""})
	}
	return list
}
