package http

import (
	"fmt"
	"net/http"
	"time"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
)

// defaultOverlap is how long the old secret of a rotated key stays good unless something else is asked for.
const defaultOverlap = domain.Duration(24 * time.Hour)

// keyBody is an API key. The whole key is there once, when it was made.
type keyBody struct {
	ID            domain.KeyID            `json:"key_id"`
	Token         string                  `json:"key,omitempty"`
	Scopes        []domain.Scope          `json:"scopes"`
	Mode          string                  `json:"mode"`
	RateLimit     *int                    `json:"rate_limit_per_minute"`
	CreatedAt     timestamp               `json:"created_at"`
	ExpiresAt     *timestamp              `json:"expires_at"`
	Organizations []domain.OrganizationID `json:"organizations,omitempty"`
	PreviousUntil *timestamp              `json:"previous_until,omitempty"`
	RevokedAt     *timestamp              `json:"revoked_at,omitempty"`
}

func (x *exchange) showKey(k domain.Key) keyBody {
	body := keyBody{ID: k.ID, Scopes: k.Scopes, Mode: k.Mode, CreatedAt: timestamp(k.CreatedAt), ExpiresAt: when(k.ExpiresAt),
		Organizations: k.Organizations, RevokedAt: when(k.RevokedAt)}
	if _, limit := x.limitOf(k); limit > 0 {
		body.RateLimit = &limit
	}
	if x.Now().Before(k.PreviousUntil) {
		body.PreviousUntil = when(k.PreviousUntil)
	}
	return body
}

// replyIssued shows a key that was just made, whole.
func (x *exchange) replyIssued(status int, k commands.IssuedKey) error {
	body := x.showKey(k.Key)
	body.Token = k.Token.Reveal()
	return x.reply(status, body)
}

// keyOwner is the organization in the path, whose partner keys are meant; without one, the zero id: all other keys.
func (x *exchange) keyOwner() (domain.OrganizationID, error) {
	if x.variable("organization") == "" {
		return domain.OrganizationID{}, nil
	}
	o, err := x.organization()
	return o.ID, err
}

func (x *exchange) issueKey() error {
	owner, err := x.keyOwner()
	if err != nil {
		return err
	}
	k := domain.KeyRequest{Organization: owner}
	var organizations []string
	known := []member{required("scopes", scopes(&k.Scopes)), required("mode", text(&k.Mode)),
		optional("rate_limit_per_minute", orNull(integer(&k.RateLimit, 1))), optional("expires_at", orNull(instant(&k.ExpiresAt)))}
	if owner.IsZero() {
		known = append(known, optional("organizations", texts(&organizations)))
	}
	if err := x.decode(known...); err != nil {
		return err
	}
	if k.Organizations, err = x.named(organizations); err != nil {
		return err
	}
	issued, at, err := x.Commands.IssueKey(x.context(), x.by(), k)
	if err != nil {
		return err
	}
	x.managed(at)
	return x.replyIssued(http.StatusCreated, issued)
}

// named finds the organizations that a key is to be limited to. An empty list would mean all of them, so it is refused.
func (x *exchange) named(refs []string) ([]domain.OrganizationID, error) {
	if refs != nil && len(refs) == 0 {
		return nil, refuseMember("organizations", "must name at least one; leave it out for all")
	}
	ids := make([]domain.OrganizationID, 0, len(refs))
	for i, ref := range refs {
		o, err := x.Commands.ResolveOrganization(x.context(), ref)
		if domain.CodeOf(err) == domain.NotFound {
			return nil, refuseMember(fmt.Sprintf("organizations[%d]", i), "no such organization")
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, o.ID)
	}
	return ids, nil
}

func (x *exchange) listKeys() error {
	owner, err := x.keyOwner()
	if err != nil {
		return err
	}
	return replyPage(x, func(limit int, cursor string) ([]domain.Key, string, error) {
		return x.Fold.Keys(owner, limit, cursor)
	}, x.showKey)
}

func (x *exchange) rotateKey() error {
	id, err := x.ownedKey()
	if err != nil {
		return err
	}
	overlap := defaultOverlap
	if err := x.decodeOptional(optional("overlap", duration(&overlap))); err != nil {
		return err
	}
	rotated, at, err := x.Commands.RotateKey(x.context(), x.by(), id, time.Duration(overlap))
	if err != nil {
		return err
	}
	x.managed(at)
	return x.replyIssued(http.StatusOK, rotated)
}

func (x *exchange) revokeKey() error {
	id, err := x.ownedKey()
	if err != nil {
		return err
	}
	at, err := x.Commands.RevokeKey(x.context(), x.by(), id)
	if err != nil {
		return err
	}
	x.managed(at)
	return x.empty()
}

// ownedKey is the key in the path, if it belongs to the organization in the path, or to none if there is none.
func (x *exchange) ownedKey() (domain.KeyID, error) {
	owner, err := x.keyOwner()
	if err != nil {
		return "", err
	}
	id := domain.KeyID(x.variable("key"))
	key, ok := x.Fold.Key(id)
	if !ok {
		if key, err = x.Commands.LoadKey(x.context(), id); err != nil {
			return "", err
		}
	}
	if !key.Exists() || key.Organization != owner {
		return "", domain.Refuse(domain.NotFound, "no such key")
	}
	return id, nil
}
