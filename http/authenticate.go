package http

import (
	"slices"
	"strings"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
)

// Keys finds API keys in this node's fold.
type Keys interface {
	Key(id domain.KeyID) (domain.Key, bool)
	// Keys lists the keys of an organization, or for the zero id all that belong to none; newest first.
	Keys(org domain.OrganizationID, limit int, cursor string) (page []domain.Key, next string, err error)
}

// errUnauthenticated is the one answer to every token that is not good.
var errUnauthenticated = domain.Refuse(domain.Unauthenticated, "a valid key is needed: Authorization: Bearer <key>")

// authenticate finds the caller's key. Whatever is wrong with what the caller shows, the refusal is the same; an address that
// keeps failing is told to wait. A good key is never slowed.
func (x *exchange) authenticate() error {
	key, good, err := x.route.prove(x)
	if err != nil {
		return err
	}
	if good && key.Partner() {
		o, err := x.organizationOf(key.Organization)
		if err != nil {
			return err
		}
		good = o.Exists() && !o.Closed()
	}
	if !good {
		if wait := x.throttle.failed(x.r.RemoteAddr); wait > 0 {
			return refuseUntil(codeTooMany, wait, "too many failed authentications from this address")
		}
		return x.route.surface.unknown
	}
	x.key = key
	return nil
}

// bearerKey finds the key whose token is in the Authorization header.
func (x *exchange) bearerKey() (domain.Key, bool, error) {
	return x.tokensKey(bearer(x.r.Header["Authorization"]))
}

// tokensKey finds the key that a token names, and reports whether the token is its own.
func (x *exchange) tokensKey(token string) (domain.Key, bool, error) {
	id, _, ok := commands.ParseToken(token)
	if !ok {
		return domain.Key{}, false, nil
	}
	return x.keyOf(id, func(k domain.Key) bool { return commands.VerifyToken(k, token, x.Now()) })
}

// bearer takes the token out of the values of a header; empty if there is none.
func bearer(values []string) string {
	if len(values) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.Trim(token, " ")
}

// keyOf finds a key and reports whether it is good, as the caller judges. A key that this node has not folded is looked
// for in its stream; so are operators' keys on a node that is behind, whose routes go on answering. The rate of that is
// bounded, but for who has a key that was good as far as this node knows.
func (x *exchange) keyOf(id domain.KeyID, good func(domain.Key) bool) (domain.Key, bool, error) {
	untrusted := x.route.operatorOnly() && x.behind() // before the look-up: a fold that has caught up after it speaks of nothing looked up
	key, folded := x.Fold.Key(id)
	if folded && !untrusted {
		return key, good(key), nil
	}
	if !folded || !good(key) {
		if wait := x.throttle.lookUp(x.r.RemoteAddr); wait > 0 {
			return domain.Key{}, false, refuseUntil(codeTooMany, wait, "too many look-ups of unknown keys")
		}
	}
	key, err := x.Commands.LoadKey(x.context(), id)
	return key, err == nil && good(key), err
}

// behind reports whether this node's fold is too old to be trusted.
func (x *exchange) behind() bool { return x.Readiness.Lag() > maxBehind }

// organizationOf finds the organization of a key; the zero Organization if there is none.
func (x *exchange) organizationOf(id domain.OrganizationID) (domain.Organization, error) {
	if o, ok := x.Fold.Organization(id); ok {
		return o, nil
	}
	o, err := x.Commands.ResolveOrganization(x.context(), id.String())
	if domain.CodeOf(err) == domain.NotFound {
		return domain.Organization{}, nil
	}
	return o, err
}

// authorize refuses a key that has none of the route's scopes.
func (x *exchange) authorize() error {
	if slices.ContainsFunc(x.route.scopes, x.key.Has) {
		return nil
	}
	names := make([]string, len(x.route.scopes))
	for i, s := range x.route.scopes {
		names[i] = string(s)
	}
	return domain.Refuse(domain.Forbidden, "this needs the scope %s", strings.Join(names, " or "))
}

// organization is the one that the path names, if the caller's key reaches it.
func (x *exchange) organization() (domain.Organization, error) {
	return x.reached(x.variable("organization"))
}

// partner is the organization on whose behalf a partner route is used: the key's own; an operator names it in the query.
func (x *exchange) partner() (domain.Organization, error) {
	named := x.r.URL.Query().Get("organization")
	if named != "" {
		return x.reached(named)
	}
	if !x.key.Partner() {
		return domain.Organization{}, refuseMember("organization", "is required in the query of an operator's request")
	}
	return x.organizationOf(x.key.Organization)
}

// reached finds an organization by id or slug. One that the key does not reach is not found.
func (x *exchange) reached(ref string) (domain.Organization, error) {
	o, err := x.Commands.ResolveOrganization(x.context(), ref)
	if err == nil && !x.key.Reaches(o.ID) {
		err = domain.Refuse(domain.NotFound, "no such organization")
	}
	return o, err
}
