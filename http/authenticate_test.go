package http_test

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
	httpd "github.com/hooklog/hooklog/http"
)

const me = "/api/v1/partner/me"

// TestAnAddressThatKeepsFailingIsSlowedAndAGoodKeyIsNot holds the row auth.slowed.
func TestAnAddressThatKeepsFailingIsSlowedAndAGoodKeyIsNot(t *testing.T) {
	t.Parallel()
	var c clock
	h := build(t, func(config *httpd.Config) { config.Now, config.FailedAuthentications = c.still(), 5 })
	h.organization("acme")
	key := h.partnerKey("acme")
	bad := "vck_test_unknown." + strings.Repeat("a", 43)
	for range 5 {
		h.want(401, "GET", me, bad, "")
	}
	checkProblem(t, h.want(429, "GET", me, bad, ""))
	if got := h.call("GET", me, "", "").status; got != 429 {
		t.Errorf("a missing key is answered %d, unlike a wrong one", got)
	}
	h.want(200, "GET", me, key, "")
	h.lag.by.Store(int64(time.Minute)) // Now the keys of operators are read from the log, and theirs alone.
	h.want(200, "GET", orgs, h.operator, "")
	h.want(429, "GET", orgs, "hlk_"+keyID(h.operator)+"."+strings.Repeat("a", 43), "")
	h.lag.by.Store(0)
	c.forward(10 * time.Second)
	h.want(401, "GET", me, bad, "")
}

// tardy is a fold that is behind until a key was looked up in it, and then has caught up.
type tardy struct {
	httpd.Fold
	is atomic.Bool
}

// Key looks up, and catches up.
func (l *tardy) Key(id domain.KeyID) (domain.Key, bool) {
	defer l.is.Store(false)
	return l.Fold.Key(id)
}

// Lag is a minute or nothing.
func (l *tardy) Lag() time.Duration {
	if l.is.Load() {
		return time.Minute
	}
	return 0
}

// Live is told to be.
func (*tardy) Live() bool { return true }

// What a node that was behind has looked up is not believed because it has caught up since.
func TestAKeyThatWasLookedUpTooEarlyIsNotBelieved(t *testing.T) {
	t.Parallel()
	l := &tardy{}
	h := build(t, func(config *httpd.Config) { l.Fold, config.Fold, config.Readiness = config.Fold, l, l })
	h.organization("acme")
	key := h.partnerKey("acme")
	l.is.Store(true)
	h.want(503, "GET", me, key, "")
	h.want(200, "GET", me, key, "")
	h.stopFolding()
	_, err := h.commands.RevokeKey(t.Context(), by, domain.KeyID(keyID(h.operator)))
	h.must(err)
	l.is.Store(true)
	h.want(401, "GET", orgs, h.operator, "")
}

func TestARotatedKeyIsGoodUntilTheOverlapEnds(t *testing.T) {
	t.Parallel()
	var c clock
	h := build(t, func(config *httpd.Config) { config.Now = c.now })
	h.organization("acme")
	old := h.partnerKey("acme")
	a := h.want(200, "POST", "/api/v1/organizations/acme/keys/"+keyID(old)+"/rotate", h.operator, `{"overlap":"1h"}`)
	if a.json(t, "previous_until") == nil {
		t.Errorf("the answer does not say until when the old secret is good: %s", a.body)
	}
	fresh := a.text(t, "key")
	if keyID(fresh) != keyID(old) || fresh == old {
		t.Fatalf("rotated %s to %s", old, fresh)
	}
	h.want(200, "GET", me, old, "")
	h.want(200, "GET", me, fresh, "")
	c.forward(time.Hour)
	h.want(401, "GET", me, old, "")
	h.want(200, "GET", me, fresh, "")
}

func TestAKeyExpires(t *testing.T) {
	t.Parallel()
	var c clock
	h := build(t, func(config *httpd.Config) { config.Now = c.now })
	h.organization("acme")
	ends := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	key := h.key("/api/v1/organizations/acme/keys", `{"scopes":["webhooks:manage"],"mode":"live","expires_at":"`+ends+`"}`)
	if !strings.HasPrefix(key, "vck_live_") {
		t.Errorf("key %s", key)
	}
	h.want(200, "GET", me, key, "")
	c.forward(time.Hour)
	h.want(401, "GET", me, key, "")
}

func TestAKeyThatIsNotFoldedYetIsFoundInItsStream(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.stopFolding()
	k, _, err := h.commands.IssueKey(t.Context(), by, domain.KeyRequest{Scopes: []domain.Scope{domain.ScopeAudit}, Mode: "live"})
	h.must(err)
	h.want(200, "GET", me, k.Token.Reveal(), "")
}

func TestTheSchemeIsTakenInAnyCase(t *testing.T) {
	t.Parallel()
	h := build(t)
	key := h.platformKey()
	for _, scheme := range []string{"bearer ", "BEARER ", "Bearer  "} {
		h.want(200, "GET", me, "", "", "Authorization", scheme+key)
	}
}

// TestIdentity holds the row partner.me.
func TestIdentity(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.organization("acme")
	key := h.partnerKey("acme")
	a := h.want(200, "GET", me, key, "")
	want := `{"partner_org":"acme","key_id":"` + keyID(key) + `","scopes":["identity:read","webhooks:manage"],` +
		`"rate_limit_per_minute":600,"rate_limit":{"limit":600,"remaining":599,"reset":60}}` + "\n"
	if a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	a = h.want(200, "GET", me, h.platformKey(), "")
	if a.json(t, "partner_org") != nil || a.json(t, "rate_limit") != nil || a.header.Get("RateLimit-Limit") != "" {
		t.Errorf("a key without organization and limit: %s %v", a.body, a.header)
	}
	if a = h.want(200, "GET", me+"?organization=acme", h.operator, ""); a.text(t, "partner_org") != "acme" {
		t.Errorf("an operator for acme: %s", a.body)
	}
}

// quotaOf reads the headers of a rate limit.
func quotaOf(t *testing.T, a answer) [3]int {
	t.Helper()
	var q [3]int
	for i, name := range []string{"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} {
		n, err := strconv.Atoi(a.header.Get(name))
		if err != nil {
			t.Fatalf("%s: %q", name, a.header.Get(name))
		}
		q[i] = n
	}
	return q
}

// TestRateLimits holds the row limit.exceeded.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	var c clock
	h := build(t, func(config *httpd.Config) { config.Now, config.RateLimit = c.still(), 3 })
	h.organization("acme")
	h.organization("other")
	one, two, other := h.partnerKey("acme"), h.partnerKey("acme"), h.partnerKey("other")
	own := h.key("/api/v1/organizations/acme/keys", `{"scopes":[],"mode":"test","rate_limit_per_minute":1}`)

	for i, key := range []string{one, two, one} {
		a := h.want(200, "GET", me, key, "")
		if got, want := quotaOf(t, a), [3]int{3, 2 - i, 60}; got != want {
			t.Errorf("request %d: %v, want %v", i+1, got, want)
		}
		if got := a.json(t, "rate_limit.remaining"); got != float64(2-i) {
			t.Errorf("/me says %v remain, the header %d", got, 2-i)
		}
	}
	a := h.want(429, "GET", me, two, "")
	checkProblem(t, a)
	if got := quotaOf(t, a); got != [3]int{3, 0, 60} || a.header.Get("Retry-After") != "60" {
		t.Errorf("refused with %v, Retry-After %s", got, a.header.Get("Retry-After"))
	}
	h.want(200, "GET", me, other, "")
	h.want(200, "GET", me, own, "")
	h.want(429, "GET", me, own, "")
	for range 5 {
		h.want(200, "GET", me+"?organization=acme", h.operator, "")
	}
	c.forward(59 * time.Second)
	h.want(429, "GET", me, one, "")
	c.forward(time.Second)
	if got := quotaOf(t, h.want(200, "GET", me, one, "")); got != [3]int{3, 2, 60} {
		t.Errorf("a new minute begins with %v", got)
	}
}
