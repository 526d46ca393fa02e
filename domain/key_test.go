package domain

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestKeyIDs(t *testing.T) {
	for id, ok := range map[KeyID]bool{
		"live_a": true, "test_a": true, OperatorKeyID: true, "live_0_z": true, "test_" + KeyID(strings.Repeat("a", 64)): true,
		"": false, "live_": false, "test_": false, "prod_a": false, "live_A": false, "live_a.b": false, "live_é": false,
		"live-a": false, "test_" + KeyID(strings.Repeat("a", 65)): false, " live_a": false,
	} {
		if got := id.Check() == nil; got != ok {
			t.Errorf("%q: good %v, want %v", id, got, ok)
		}
	}
}

// reservedByContract is the list of docs/contract.md.
var reservedByContract = strings.Fields(`leads:read leads:write intakes:read intakes:write records:read records:write
	skills:read skills:author skills:execute agents:invoke tenants:provision`)

func TestScopesOfEachKindOfKey(t *testing.T) {
	org := OrganizationID{1}
	type want struct{ partner, other bool }
	scopes := map[Scope]want{
		ScopeIdentity: {true, true}, ScopeWebhooks: {true, false}, ScopePublish: {false, true}, ScopeAudit: {false, true},
		ScopePayloads: {false, true}, ScopeOperator: {false, true}, "webhooks:read": {}, "": {}, "Operator": {},
	}
	for _, s := range reservedByContract {
		scopes[Scope(s)] = want{}
	}
	for scope, w := range scopes {
		for name, kind := range map[string]struct {
			org     OrganizationID
			allowed bool
		}{"partner": {org, w.partner}, "other": {OrganizationID{}, w.other}} {
			f, err := DecideIssue(KeyRequest{Organization: kind.org, Scopes: []Scope{scope}, Mode: "test"}, "h", noon)
			if !kind.allowed {
				wantFields(t, name+" key with "+string(scope), err, "scopes[0]")
				continue
			}
			if err != nil || !slices.Contains(f.Scopes, scope) || !slices.Contains(f.Scopes, ScopeIdentity) {
				t.Errorf("%s key with %s: got %+v, %v", name, scope, f, err)
			}
		}
	}
	if len(reservedByContract) != 11 || len(reservedByContract) != len(reservedScopes) {
		t.Errorf("%d reserved scopes in the contract, %d in the code", len(reservedByContract), len(reservedScopes))
	}
}

func TestIssueRefusals(t *testing.T) {
	org := OrganizationID{1}
	good := KeyRequest{Organization: org, Scopes: []Scope{ScopeWebhooks}, Mode: "live", RateLimit: 600, ExpiresAt: noon.Add(1)}
	with := func(change func(*KeyRequest)) KeyRequest {
		r := good
		change(&r)
		return r
	}
	platform := func(scopes ...Scope) KeyRequest { return KeyRequest{Scopes: scopes, Mode: "live"} }
	for _, c := range []struct {
		name   string
		r      KeyRequest
		fields []string
	}{
		{"good", good, nil},
		{"a partner without scopes still has its identity", with(func(r *KeyRequest) { r.Scopes = nil }), nil},
		{"a platform without scopes", platform(), []string{"scopes"}},
		{"one named twice", platform(ScopePublish, ScopePublish), []string{"scopes[1]"}},
		{"two bad ones", platform("leads:read", ScopeAudit, "x"), []string{"scopes[0]", "scopes[2]"}},
		{"17 scopes", platform(make([]Scope, 17)...), []string{"scopes"}},
		{"mode", with(func(r *KeyRequest) { r.Mode = "prod" }), []string{"mode"}},
		{"no mode", with(func(r *KeyRequest) { r.Mode = "" }), []string{"mode"}},
		{"negative rate", with(func(r *KeyRequest) { r.RateLimit = -1 }), []string{"rate_limit_per_minute"}},
		{"the highest rate", with(func(r *KeyRequest) { r.RateLimit = 1_000_000 }), nil},
		{"past the highest rate", with(func(r *KeyRequest) { r.RateLimit = 1_000_001 }), []string{"rate_limit_per_minute"}},
		{"expired already", with(func(r *KeyRequest) { r.ExpiresAt = noon }), []string{"expires_at"}},
		{"an operator of some organizations", KeyRequest{Scopes: []Scope{ScopeOperator}, Mode: "live", Organizations: []OrganizationID{org}}, []string{"organizations"}},
		{"a platform of some organizations", KeyRequest{Scopes: []Scope{ScopePublish}, Mode: "live", Organizations: []OrganizationID{org}}, nil},
		{"of too many", KeyRequest{Scopes: []Scope{ScopePublish}, Mode: "live", Organizations: make([]OrganizationID, 1001)}, []string{"organizations"}},
		{"everything", KeyRequest{Scopes: []Scope{"x"}, RateLimit: -1, ExpiresAt: noon.Add(-1)}, []string{"scopes[0]", "mode", "rate_limit_per_minute", "expires_at"}},
	} {
		_, err := DecideIssue(c.r, "h", noon)
		wantFields(t, c.name, err, c.fields...)
	}
	f, err := DecideIssue(good, "h", noon)
	if err != nil || f.SecretHash != "h" || f.Organization != org || f.RateLimit != 600 || !slices.Equal(f.Scopes, []Scope{ScopeIdentity, ScopeWebhooks}) {
		t.Errorf("got %+v, %v", f, err)
	}
	if !slices.Equal(good.Scopes, []Scope{ScopeWebhooks}) {
		t.Errorf("the request was changed: %v", good.Scopes)
	}
}

// key folds facts that are recorded a minute apart from noon on.
func key(facts ...Fact) Key {
	k := Key{ID: "live_a"}
	for i, f := range facts {
		k = k.Apply(f, Meta{At: noon.Add(time.Duration(i) * time.Minute)})
	}
	return k
}

var issued = &KeyIssued{Organization: OrganizationID{1}, Scopes: []Scope{ScopeIdentity}, Mode: "live", SecretHash: "first"}

// hashes returns which hashes of a key are asked, and checks that the one that fits is found.
func hashes(k Key, at time.Time) []string {
	var asked []string
	_, found := k.Hash(at, func(hash string) bool { asked = append(asked, hash); return false })
	for _, one := range asked {
		if hash, ok := k.Hash(at, func(hash string) bool { return hash == one }); found || !ok || hash != one {
			return nil
		}
	}
	return asked
}

func TestARotatedKeyKeepsItsOldSecretForTheOverlap(t *testing.T) {
	f, err := key(issued).DecideRotate("second", time.Hour, noon)
	if err != nil {
		t.Fatal(err)
	}
	k := key(issued, f)
	end := noon.Add(time.Hour)
	for _, c := range []struct {
		at   time.Time
		want []string
	}{{noon, []string{"second", "first"}}, {end.Add(-1), []string{"second", "first"}}, {end, []string{"second"}}, {end.Add(1), []string{"second"}}} {
		if got := hashes(k, c.at); !slices.Equal(got, c.want) {
			t.Errorf("at %s: got %v, want %v", c.at, got, c.want)
		}
	}
	again, err := k.DecideRotate("third", 0, noon)
	if err != nil {
		t.Fatal(err)
	}
	if got := hashes(key(issued, f, again), noon); !slices.Equal(got, []string{"third"}) {
		t.Errorf("rotated without overlap: got %v", got)
	}
}

func TestRotateAndRevokeRefusals(t *testing.T) {
	expiring := *issued
	expiring.ExpiresAt = noon.Add(time.Hour)
	for _, c := range []struct {
		name    string
		k       Key
		overlap time.Duration
		at      time.Time
		want    Code
	}{
		{"no such key", Key{ID: "live_a"}, 0, noon, NotFound},
		{"revoked", key(issued, &KeyRevoked{}), 0, noon, Conflict},
		{"expired", key(&expiring), 0, noon.Add(time.Hour), Conflict},
		{"a moment before", key(&expiring), 0, noon.Add(time.Hour - 1), 0},
		{"a negative overlap", key(issued), -1, noon, Invalid},
		{"the longest overlap", key(issued), MaxOverlap, noon, 0},
		{"past the longest", key(issued), MaxOverlap + 1, noon, Invalid},
	} {
		_, err := c.k.DecideRotate("h", c.overlap, c.at)
		wantCode(t, c.name, err, c.want)
	}
	_, err := Key{}.DecideRevoke()
	wantCode(t, "revoke no key", err, NotFound)
	if f, err := key(issued, &KeyRevoked{}).DecideRevoke(); f != nil || err != nil {
		t.Errorf("revoked twice: got %v, %v", f, err)
	}
	if f, err := key(issued).DecideRevoke(); f == nil || err != nil {
		t.Errorf("revoke: got %v, %v", f, err)
	}
}

func TestALiveKey(t *testing.T) {
	expiring := *issued
	expiring.ExpiresAt = noon.Add(time.Hour)
	for _, c := range []struct {
		name string
		k    Key
		at   time.Time
		want bool
	}{
		{"none", Key{ID: "live_a"}, noon, false}, {"issued", key(issued), noon.AddDate(100, 0, 0), true},
		{"before its end", key(&expiring), noon.Add(time.Hour - 1), true}, {"at its end", key(&expiring), noon.Add(time.Hour), false},
		{"revoked", key(issued, &KeyRevoked{}), noon, false},
	} {
		if got := c.k.Live(c.at); got != c.want {
			t.Errorf("%s: live %v, want %v", c.name, got, c.want)
		}
	}
}

func TestWhatAKeyReaches(t *testing.T) {
	a, b := OrganizationID{1}, OrganizationID{2}
	other := func(scope Scope, orgs ...OrganizationID) Key {
		return key(&KeyIssued{Scopes: []Scope{ScopeIdentity, scope}, Organizations: orgs, SecretHash: "h"})
	}
	for _, c := range []struct {
		name           string
		k              Key
		reachA, reachB bool
		prefix         string
		has            []Scope
	}{
		{"partner", key(issued), true, false, "vck_", []Scope{ScopeIdentity}},
		{"platform of all", other(ScopePublish), true, true, "hlk_", []Scope{ScopeIdentity, ScopePublish}},
		{"auditor of one", other(ScopeAudit, b), false, true, "hlk_", []Scope{ScopeIdentity, ScopeAudit}},
		{"operator", other(ScopeOperator), true, true, "hlk_",
			[]Scope{ScopeIdentity, ScopeWebhooks, ScopePublish, ScopeAudit, ScopePayloads, ScopeOperator}},
	} {
		if c.k.Reaches(a) != c.reachA || c.k.Reaches(b) != c.reachB || c.k.TokenPrefix() != c.prefix {
			t.Errorf("%s: reaches %v, %v, prefix %s", c.name, c.k.Reaches(a), c.k.Reaches(b), c.k.TokenPrefix())
		}
		for _, s := range []Scope{ScopeIdentity, ScopeWebhooks, ScopePublish, ScopeAudit, ScopePayloads, ScopeOperator} {
			if got, want := c.k.Has(s), slices.Contains(c.has, s); got != want {
				t.Errorf("%s has %s: got %v, want %v", c.name, s, got, want)
			}
		}
	}
}
