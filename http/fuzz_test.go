package http_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	httpd "github.com/hooklog/hooklog/http"
)

// FuzzAuthorization: no header but the right one lets anybody in, and none is a fault.
func FuzzAuthorization(f *testing.F) {
	h := build(f, func(c *httpd.Config) { c.FailedAuthentications = 1 << 30 })
	h.organization("acme")
	key := h.partnerKey("acme")
	for _, seed := range []string{"", "Bearer", "Bearer ", "bearer " + key, "Bearer " + key + " ", "Basic " + key, "Bearer vck_.x", "Bearer hlk_live_operator." + strings.Repeat("a", 43),
		"Bearer vck_test_a." + strings.Repeat("a", 43), "Bearer\t" + key, "Bearer " + strings.Repeat("v", 5000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", me, nil)
		r.Header["Authorization"] = []string{header}
		w := httptest.NewRecorder()
		h.api.ServeHTTP(w, r)
		scheme, token, _ := strings.Cut(header, " ")
		good := strings.EqualFold(scheme, "Bearer") && strings.Trim(token, " ") == key
		switch {
		case good && w.Code != 200 && w.Code != 429, !good && w.Code != 401 && w.Code != 429:
			t.Fatalf("%q is answered %d", header, w.Code)
		}
	})
}

// FuzzCursor: a cursor that no answer gave is refused or begins at the start; none is a fault.
func FuzzCursor(f *testing.F) {
	h := build(f)
	h.organization("acme")
	id, _ := h.webhook(h.key("/api/v1/organizations/acme/keys", `{"scopes":["webhooks:manage"],"mode":"test"}`), `[]`)
	for _, seed := range []string{"", "x", "AAAA", "%00", strings.Repeat("A", 100), "bnVsbA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		for _, path := range []string{webhooks + "/" + id + "/failures", keys, orgs, types, "/api/v1/keys"} {
			r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
			r.URL.RawQuery = "organization=acme&limit=1&cursor=" + strings.NewReplacer("&", "%26", "#", "%23").Replace(cursor)
			r.Header.Set("Authorization", "Bearer "+h.operator)
			w := httptest.NewRecorder()
			h.api.ServeHTTP(w, r)
			if w.Code != 200 && w.Code != 400 {
				t.Fatalf("%s with cursor %q: %d %s", path, cursor, w.Code, w.Body)
			}
		}
	})
}
