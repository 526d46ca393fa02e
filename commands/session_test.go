package commands

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/sealing"
)

// partner registers an organization and issues a key of it.
func (w *world) partnerKey(slug string, r domain.KeyRequest) (domain.Organization, IssuedKey) {
	w.t.Helper()
	o, _, err := w.RegisterOrganization(w.ctx, by, slug, "vntana", domain.OrganizationSettings{Name: slug})
	if err != nil {
		w.t.Fatal(err)
	}
	r.Organization, r.Mode = o.ID, "test"
	k, _, err := w.IssueKey(w.ctx, by, r)
	if err != nil {
		w.t.Fatal(err)
	}
	return o, k
}

func TestASessionIsItsKeysAsLongAsThatIsGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, k := w.partnerKey("acme", domain.KeyRequest{ExpiresAt: noon.Add(40 * 24 * time.Hour)})
	began, good := BeginSession(k.Key, k.Token.Reveal(), noon)
	if !good {
		t.Fatal("a key's own token begins no session")
	}
	if _, good := BeginSession(k.Key, k.Token.Reveal()+"x", noon); good {
		t.Error("a wrong token begins a session")
	}
	session := began.In(o.ID, "spring", noon)
	token := w.SessionToken(session).Reveal()
	got, ok := w.ParseSession(token, noon)
	if !ok || got != session || !got.Of(k.Key, noon) {
		t.Fatalf("%+v became %+v, %v", session, got, ok)
	}
	if strings.Contains(token, k.SecretHash) {
		t.Error("the token tells the hash of the secret")
	}
	other := k.Key
	other.ID = "test_other"
	revoked, replaced, overlapping := k.Key, k.Key, k.Key
	revoked.RevokedAt = noon
	replaced.SecretHash = sealing.HashSecret(strings.Repeat("b", 43))
	overlapping.PreviousHash, overlapping.PreviousUntil, overlapping.SecretHash = k.SecretHash, noon.Add(time.Hour), replaced.SecretHash
	for name, c := range map[string]struct {
		key  domain.Key
		at   time.Time
		want bool
	}{
		"another key":                {other, noon, false},
		"revoked":                    {revoked, noon, false},
		"the secret was replaced":    {replaced, noon, false},
		"within the overlap":         {overlapping, noon.Add(time.Hour - 1), true},
		"after the overlap":          {overlapping, noon.Add(time.Hour), false},
		"within 30 days":             {k.Key, noon.Add(SessionLasts - time.Second), true},
		"after 30 days":              {k.Key, noon.Add(SessionLasts), false},
		"the key expired before":     {withExpiry(k.Key, noon.Add(time.Hour)), noon.Add(time.Hour), false},
		"the key expires just after": {withExpiry(k.Key, noon.Add(time.Hour)), noon.Add(time.Hour - 1), true},
	} {
		if of := session.Of(c.key, c.at); of != c.want {
			t.Errorf("%s: good %v, want %v", name, of, c.want)
		}
	}
	if _, ok := w.ParseSession(token, noon.Add(SessionLasts)); ok {
		t.Error("a token is read when its time is over")
	}
	if again := got.In(o.ID, "", noon.Add(time.Hour)); !again.Expires.Equal(noon.Add(time.Hour+SessionLasts)) || !again.Of(k.Key, noon) {
		t.Errorf("renewed to %+v", again)
	}
}

func withExpiry(k domain.Key, at time.Time) domain.Key {
	k.ExpiresAt = at
	return k
}

func TestSessionTokensCannotBeMadeUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, k := w.partnerKey("acme", domain.KeyRequest{})
	began, _ := BeginSession(k.Key, k.Token.Reveal(), noon)
	token := w.SessionToken(began.In(o.ID, "a", noon)).Reveal()
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	spell := base64.RawURLEncoding.EncodeToString
	for at := range b {
		for _, bit := range []byte{1, 0x80} {
			spoiled := append([]byte(nil), b...)
			spoiled[at] ^= bit
			if s, ok := w.ParseSession(spell(spoiled), noon); ok {
				t.Fatalf("byte %d changed: %+v", at, s)
			}
		}
		if _, ok := w.ParseSession(spell(b[:at]), noon); ok {
			t.Fatalf("cut to %d bytes", at)
		}
	}
	link := w.LinkToken(o.ID, "ops@example.com")
	for name, forged := range map[string]string{"padded": token + "=", "a line break": token[:9] + "\n" + token[9:], "longer": token + "AA",
		"too long": strings.Repeat("A", maxToken+1), "empty": "", "the key itself": k.Token.Reveal(), "another use": link} {
		if s, ok := w.ParseSession(forged, noon); ok {
			t.Errorf("%s is taken for %+v", name, s)
		}
	}
	if _, err := w.linkOf(token); err == nil {
		t.Error("a session's token confirms an address")
	}
	foreign := newWorld(t)
	if s, ok := foreign.ParseSession(token, noon); ok {
		t.Errorf("a token of another keyset is taken for %+v", s)
	}
	w.Keys, err = w.keys.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := w.ParseSession(token, noon); !ok {
		t.Error("a token is lost when the keyset is rotated")
	}
}

// FuzzParseSession: only what SessionToken spelled is read, and it is spelled the same again.
func FuzzParseSession(f *testing.F) {
	keys, err := sealing.NewKeyset()
	if err != nil {
		f.Fatal(err)
	}
	c := &Commands{Config: Config{Keys: keys}}
	session := Session{Key: "live_a", Client: "spring", Expires: noon.Add(SessionLasts), Organization: domain.OrganizationID{1}}
	good := c.SessionToken(session).Reveal()
	for _, seed := range []string{"", "A", good, good[:len(good)-1], good + "A", strings.Repeat("_", 100), "AQ"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		s, ok := c.ParseSession(token, noon)
		if ok && (c.SessionToken(s).Reveal() != token || token != good) {
			t.Fatalf("%q is read as %+v", token, s)
		}
	})
}

func TestASecretIsReadWhereItsProfileSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for profile, readable := range map[string]bool{"vntana": true, "vantageclaw": false, "clawbook": false, "vantagekit": false, "standard": false} {
		o, _, err := w.RegisterOrganization(w.ctx, by, profile, profile, domain.OrganizationSettings{Name: profile})
		if err != nil {
			t.Fatal(err)
		}
		s, made, _, err := w.CreateSubscription(w.ctx, by, o.ID, NewSubscription{URL: "https://example.com/"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.ReadSecret(w.ctx, s)
		if readable && (err != nil || !got.Equal(made)) {
			t.Errorf("%s: %v", profile, err)
		}
		if !readable && (domain.CodeOf(err) != domain.Forbidden || !got.IsZero()) {
			t.Errorf("%s: the secret is told: %v", profile, err)
		}
	}
}
