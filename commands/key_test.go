package commands

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/sealing"
)

func TestAKeyIsIssuedRotatedAndRevoked(t *testing.T) {
	w := newWorld(t)
	o := w.register("acme", "standard")
	k, at, err := w.IssueKey(w.ctx, by, domain.KeyRequest{Organization: o.ID, Scopes: []domain.Scope{domain.ScopeWebhooks}, Mode: "test"})
	w.must(err)
	token := k.Token.Reveal()
	if !strings.HasPrefix(token, "vck_test_") || at.IsZero() || !slices.Contains(k.Scopes, domain.ScopeIdentity) || !k.CreatedAt.Equal(noon) {
		t.Errorf("got %s, %+v", token, k.Key)
	}
	loaded, err := w.LoadKey(w.ctx, k.ID)
	w.must(err)
	if !VerifyToken(loaded, token, noon) {
		t.Error("the issued token is refused")
	}
	next, _, err := w.RotateKey(w.ctx, by, k.ID, time.Hour)
	w.must(err)
	loaded, err = w.LoadKey(w.ctx, k.ID)
	w.must(err)
	for _, c := range []struct {
		name, token string
		at          time.Time
		want        bool
	}{
		{"the new one", next.Token.Reveal(), noon, true}, {"the old one", token, noon, true},
		{"the old one at the end of the overlap", token, noon.Add(time.Hour - 1), true},
		{"the old one after it", token, noon.Add(time.Hour), false}, {"the new one after it", next.Token.Reveal(), noon.Add(time.Hour), true},
	} {
		if got := VerifyToken(loaded, c.token, c.at); got != c.want {
			t.Errorf("%s: good %v, want %v", c.name, got, c.want)
		}
	}
	revoked, err := w.RevokeKey(w.ctx, by, k.ID)
	w.must(err)
	if again, err := w.RevokeKey(w.ctx, by, k.ID); err != nil || again != revoked {
		t.Errorf("revoked twice: at %s, want %s, %v", again, revoked, err)
	}
	loaded, err = w.LoadKey(w.ctx, k.ID)
	w.must(err)
	if VerifyToken(loaded, next.Token.Reveal(), noon) {
		t.Error("a revoked key is accepted")
	}
	_, _, err = w.RotateKey(w.ctx, by, k.ID, 0)
	wantCode(t, "rotate a revoked key", err, domain.Conflict)
	w.holds(domain.KeyStream(k.ID), 3)
}

func TestKeyRefusals(t *testing.T) {
	w := newWorld(t)
	o, closed := w.register("acme", "standard"), w.register("gone", "standard")
	_, err := w.CloseOrganization(w.ctx, by, closed.ID)
	w.must(err)
	manage, publish := []domain.Scope{domain.ScopeWebhooks}, []domain.Scope{domain.ScopePublish}
	events := len(w.recorded())
	for _, c := range []struct {
		name string
		r    domain.KeyRequest
		want domain.Code
	}{
		{"of no organization", domain.KeyRequest{Organization: domain.OrganizationID{1}, Scopes: manage, Mode: "live"}, domain.NotFound},
		{"of a closed one", domain.KeyRequest{Organization: closed.ID, Scopes: manage, Mode: "live"}, domain.Conflict},
		{"for a closed one", domain.KeyRequest{Organizations: []domain.OrganizationID{o.ID, closed.ID}, Scopes: publish, Mode: "live"}, domain.Conflict},
		{"reserved scope", domain.KeyRequest{Organization: o.ID, Scopes: []domain.Scope{"leads:read"}, Mode: "live"}, domain.Invalid},
		{"mode", domain.KeyRequest{Organization: o.ID, Scopes: manage, Mode: "../x"}, domain.Invalid},
		{"expired", domain.KeyRequest{Organization: o.ID, Scopes: manage, Mode: "live", ExpiresAt: noon}, domain.Invalid},
	} {
		_, _, err := w.IssueKey(w.ctx, by, c.r)
		wantCode(t, c.name, err, c.want)
	}
	for _, id := range []domain.KeyID{"live_none", "", "LIVE", "live_a/../b"} {
		_, _, err := w.RotateKey(w.ctx, by, id, 0)
		wantCode(t, "rotate "+string(id), err, domain.NotFound)
		_, err = w.RevokeKey(w.ctx, by, id)
		wantCode(t, "revoke "+string(id), err, domain.NotFound)
		if k, err := w.LoadKey(w.ctx, id); err != nil || k.Exists() {
			t.Errorf("load %q: %+v, %v", id, k, err)
		}
	}
	if n := len(w.recorded()); n != events {
		t.Errorf("refusals left %d events", n-events)
	}
}

func TestOneNodeIssuesTheFirstOperatorKey(t *testing.T) {
	w := newWorld(t)
	var race sync.WaitGroup
	won := make(chan sealing.Secret, 4)
	for range cap(won) {
		race.Go(func() {
			token, err := NewOperatorToken()
			if err != nil {
				t.Error(err)
				return
			}
			if _, err = w.IssueOperator(w.ctx, by, token); err == nil {
				won <- token
			} else if domain.CodeOf(err) != domain.Conflict {
				t.Errorf("a loser got %v", err)
			}
		})
	}
	race.Wait()
	if len(won) != 1 {
		t.Fatalf("%d operator keys", len(won))
	}
	k, err := w.LoadKey(w.ctx, domain.OperatorKeyID)
	w.must(err)
	token := (<-won).Reveal()
	if !VerifyToken(k, token, noon) || !k.Has(domain.ScopeWebhooks) || k.Partner() || !strings.HasPrefix(token, "hlk_live_operator.") {
		t.Errorf("got %+v", k)
	}
	for _, bad := range []string{"", "hlk_live_other." + strings.Repeat("a", 43), token[:20]} {
		if _, err := w.IssueOperator(w.ctx, by, sealing.NewSecret(bad)); err == nil {
			t.Errorf("%q was issued", bad)
		}
	}
	w.holds(domain.KeyStream(domain.OperatorKeyID), 1)
}

func TestVerifyTokenRefusals(t *testing.T) {
	w := newWorld(t)
	o := w.register("acme", "standard")
	issue := func(r domain.KeyRequest) IssuedKey {
		k, _, err := w.IssueKey(w.ctx, by, r)
		w.must(err)
		return k
	}
	partner := issue(domain.KeyRequest{Organization: o.ID, Mode: "live", ExpiresAt: noon.Add(time.Hour)})
	other := issue(domain.KeyRequest{Organization: o.ID, Mode: "live"})
	platform := issue(domain.KeyRequest{Scopes: []domain.Scope{domain.ScopePublish}, Mode: "live"})
	token, foreign := partner.Token.Reveal(), other.Token.Reveal()
	swapped := string(partner.ID) + foreign[strings.IndexByte(foreign, '.'):]
	for _, c := range []struct {
		name, token string
		k           domain.Key
		at          time.Time
		want        bool
	}{
		{"good", token, partner.Key, noon, true},
		{"expired", token, partner.Key, noon.Add(time.Hour), false},
		{"no key", token, domain.Key{ID: partner.ID}, noon, false},
		{"another key's secret", "vck_" + swapped, partner.Key, noon, false},
		{"another key", foreign, partner.Key, noon, false},
		{"a partner's as a platform's", "hlk" + token[3:], partner.Key, noon, false},
		{"a platform's", platform.Token.Reveal(), platform.Key, noon, true},
		{"a platform's as a partner's", "vck" + platform.Token.Reveal()[3:], platform.Key, noon, false},
		{"one character short", token[:len(token)-1], partner.Key, noon, false},
		{"one character more", token + "a", partner.Key, noon, false},
		{"empty", "", partner.Key, noon, false},
	} {
		if got := VerifyToken(c.k, c.token, c.at); got != c.want {
			t.Errorf("%s: good %v, want %v", c.name, got, c.want)
		}
	}
}

func TestParseToken(t *testing.T) {
	secret := strings.Repeat("s", 43)
	for token, want := range map[string]domain.KeyID{
		"vck_live_a." + secret: "live_a", "hlk_test_b." + secret: "test_b",
		"": "", "vck_live_a": "", "vck_live_a.": "", "live_a." + secret: "", "vck_a." + secret: "", "VCK_live_a." + secret: "",
		"vck_live_a." + secret[1:]: "", "vck_hlk_live_a." + secret: "", "vck_live_a." + strings.Repeat("s", 300): "",
	} {
		id, got, ok := ParseToken(token)
		if id != want || ok != (want != "") || ok && got != secret || !ok && got != "" {
			t.Errorf("%q: got %q, %q, %v, want %q", token, id, got, ok, want)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add("vck_live_a." + strings.Repeat("s", 43))
	f.Add("hlk_live_operator." + strings.Repeat("-", 43))
	f.Fuzz(func(t *testing.T, token string) {
		id, secret, ok := ParseToken(token)
		if !ok {
			if id != "" || secret != "" {
				t.Errorf("%q is refused with %q, %q", token, id, secret)
			}
			return
		}
		if rest := string(id) + "." + secret; token != "vck_"+rest && token != "hlk_"+rest || id.Check() != nil || len(secret) < 43 {
			t.Errorf("%q: got %q, %q", token, id, secret)
		}
	})
}
