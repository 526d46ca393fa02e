package http

import (
	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
)

// sessionHeader carries a session's token: behind "Bearer " to here, bare from here.
const sessionHeader = "X-Auth-Token"

// sessionKey finds the key whose session's token is in the header. A token that was not made here costs no look-up.
func (x *exchange) sessionKey() (domain.Key, bool, error) {
	session, ok := x.Commands.ParseSession(bearer(x.r.Header[sessionHeader]), x.Now())
	if !ok {
		return domain.Key{}, false, nil
	}
	x.session = &session
	return x.keyOf(session.Key, func(k domain.Key) bool { return k.Partner() && session.Of(k, x.Now()) })
}

// keyInBody finds the partner's key whose token is in the body, and begins a session with it.
func (x *exchange) keyInBody() (domain.Key, bool, error) {
	var token string
	if err := x.decode(required("personal-access-token", text(&token))); err != nil {
		return domain.Key{}, false, err
	}
	key, good, err := x.tokensKey(token)
	if err != nil || !good || !key.Partner() {
		return domain.Key{}, false, err
	}
	session, good := commands.BeginSession(key, token, x.Now())
	x.session = &session
	return key, good, nil
}

// vntanaSession is the answer to a login: a key is no person and has no address.
type vntanaSession struct {
	Email *string `json:"email"`
}

// replySession answers with a session's token in the header.
func (x *exchange) replySession(s commands.Session) error {
	x.header(sessionHeader, x.Commands.SessionToken(s).Reveal())
	return x.replyVntana(vntanaSession{})
}

// beginSession exchanges a key for a session that has not chosen its organization yet.
func (x *exchange) beginSession() error { return x.replySession(*x.session) }

// renewSession chooses an organization, or a folder of it. A session of a folder stays there.
func (x *exchange) renewSession() error {
	if err := x.decodeOptional(); err != nil {
		return err
	}
	named := x.r.Header.Values("organizationUuid")
	if len(named) != 1 {
		return refuseMember("organizationUuid", "is required once, as a header")
	}
	o, err := x.vntanaOrganization(named[0])
	if err != nil {
		return err
	}
	client, err := x.chosenClient(o)
	if err != nil {
		return err
	}
	return x.replySession(x.session.In(o.ID, client, x.Now()))
}

// chosenClient is the folder that the headers name; empty if they name none.
func (x *exchange) chosenClient(o domain.Organization) (string, error) {
	named := x.r.Header.Values("clientUuid")
	if len(named) == 0 && x.session.Client == "" {
		return "", nil
	}
	clients, err := x.sessionClients(o)
	if err != nil {
		return "", err
	}
	for _, c := range clients {
		if len(named) == 1 && named[0] == c.UUID {
			return c.Slug, nil
		}
	}
	return "", domain.Refuse(domain.Forbidden, "clientUuid names no folder that the token reaches")
}

// errOtherOrganization is the one refusal of organizations that the token does not reach, there or not.
var errOtherOrganization = domain.Refuse(domain.Forbidden, "the token does not reach this organization")

// vntanaOrganization is the caller's organization, which the caller must name right.
func (x *exchange) vntanaOrganization(uuid string) (domain.Organization, error) {
	if uuid != x.key.Organization.UUID() {
		return domain.Organization{}, errOtherOrganization
	}
	return x.organizationOf(x.key.Organization)
}

// chosenOrganization is the one that the session acts in.
func (x *exchange) chosenOrganization() (domain.Organization, error) {
	if x.session.Organization != x.key.Organization {
		return domain.Organization{}, domain.Refuse(domain.Forbidden, "the token is of no organization: %s/auth/refresh-token makes one that is", vntanaRoot)
	}
	return x.organizationOf(x.session.Organization)
}
