package commands

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/sealing"
)

// IssuedKey is a key with its whole token, which exists nowhere else and is shown once.
type IssuedKey struct {
	domain.Key
	Token sealing.Secret
}

// errNoKey is the refusal for every key that is not there.
var errNoKey = domain.Refuse(domain.NotFound, "no such key")

// LoadKey folds a key's stream; the zero Key if there is none.
func (c *Commands) LoadKey(ctx context.Context, id domain.KeyID) (domain.Key, error) {
	if id.Check() != nil {
		return domain.Key{}, nil
	}
	l, err := load(ctx, c, domain.KeyStream(id), domain.Key{ID: id}, foldKey)
	return l.state, err
}

func foldKey(k domain.Key, f recordedFact) domain.Key { return k.Apply(f.Fact, f.Meta) }

// IssueKey makes a key. What it may be used for is decided by domain.DecideIssue.
func (c *Commands) IssueKey(ctx context.Context, by By, r domain.KeyRequest) (IssuedKey, eventlog.Position, error) {
	for _, org := range slices.Concat(r.Organizations, nonZero(r.Organization)) {
		if _, err := c.openOrganization(ctx, org); err != nil {
			return IssuedKey{}, eventlog.Position{}, err
		}
	}
	return c.issue(ctx, by, r, domain.KeyID(r.Mode+"_"+keyName(c.ids.next(c.Now()))))
}

// IssueOperator makes the first operator key of a log, under the fixed id that lets only one node win. It is refused
// with Conflict if there is one already.
func (c *Commands) IssueOperator(ctx context.Context, by By, token sealing.Secret) (eventlog.Position, error) {
	id, secret, ok := ParseToken(token.Reveal())
	if !ok || id != domain.OperatorKeyID {
		return eventlog.Position{}, errors.New("the token is not one of the first operator key")
	}
	issued, err := domain.DecideIssue(operatorRequest, sealing.HashSecret(secret), c.Now())
	if err != nil {
		return eventlog.Position{}, err
	}
	a, err := c.append(ctx, domain.KeyStream(id), eventlog.NoStream, issued, by.meta(c.Now()))
	if errors.Is(err, eventlog.ErrRevisionConflict) {
		return a.Position, domain.Refuse(domain.Conflict, "the log has an operator key already")
	}
	return a.Position, err
}

// operatorRequest asks for a key that may do everything.
var operatorRequest = domain.KeyRequest{Scopes: []domain.Scope{domain.ScopeOperator}, Mode: "live"}

// NewOperatorToken makes the token for IssueOperator.
func NewOperatorToken() (sealing.Secret, error) {
	secret, err := sealing.NewToken(random())
	return tokenOf(domain.Key{ID: domain.OperatorKeyID}, secret), err
}

func (c *Commands) issue(ctx context.Context, by By, r domain.KeyRequest, id domain.KeyID) (IssuedKey, eventlog.Position, error) {
	secret, err := sealing.NewToken(random())
	if err != nil {
		return IssuedKey{}, eventlog.Position{}, fmt.Errorf("make a key: %w", err)
	}
	m := by.meta(c.Now())
	issued, err := domain.DecideIssue(r, sealing.HashSecret(secret), m.At)
	if err != nil {
		return IssuedKey{}, eventlog.Position{}, err
	}
	a, err := c.append(ctx, domain.KeyStream(id), eventlog.NoStream, issued, m)
	key := domain.Key{ID: id}.Apply(issued, m)
	return IssuedKey{key, tokenOf(key, secret)}, a.Position, err
}

// RotateKey gives a key a new secret; the old one stays good for the overlap.
func (c *Commands) RotateKey(ctx context.Context, by By, id domain.KeyID, overlap time.Duration) (IssuedKey, eventlog.Position, error) {
	if id.Check() != nil {
		return IssuedKey{}, eventlog.Position{}, errNoKey
	}
	secret, err := sealing.NewToken(random())
	if err != nil {
		return IssuedKey{}, eventlog.Position{}, fmt.Errorf("rotate a key: %w", err)
	}
	key, at, err := change(ctx, c, by, domain.KeyStream(id), domain.Key{ID: id}, foldKey, func(k domain.Key) (domain.Fact, error) {
		if k.Partner() {
			if _, err := c.openOrganization(ctx, k.Organization); err != nil {
				return nil, err
			}
		}
		return k.DecideRotate(sealing.HashSecret(secret), overlap, c.Now())
	})
	return IssuedKey{key, tokenOf(key, secret)}, at, err
}

// RevokeKey ends a key. One that has ended stays so.
func (c *Commands) RevokeKey(ctx context.Context, by By, id domain.KeyID) (eventlog.Position, error) {
	if id.Check() != nil {
		return eventlog.Position{}, errNoKey
	}
	_, at, err := change(ctx, c, by, domain.KeyStream(id), domain.Key{ID: id}, foldKey, domain.Key.DecideRevoke)
	return at, err
}

// ParseToken takes a token apart: vck_<key_id>.<secret> or hlk_<key_id>.<secret>. It says nothing of the key.
func ParseToken(token string) (id domain.KeyID, secret string, ok bool) {
	if len(token) > 256 {
		return "", "", false
	}
	rest, partner := strings.CutPrefix(token, "vck_")
	if !partner {
		if rest, ok = strings.CutPrefix(token, "hlk_"); !ok {
			return "", "", false
		}
	}
	name, secret, ok := strings.Cut(rest, ".")
	id = domain.KeyID(name)
	if !ok || id.Check() != nil || len(secret) < 43 {
		return "", "", false
	}
	return id, secret, true
}

// VerifyToken reports whether a token is the key's, at the given time: live, of the right kind, with a good secret.
// The secrets are compared in constant time.
func VerifyToken(k domain.Key, token string, now time.Time) bool {
	_, good := secretOf(k, token, now)
	return good
}

// secretOf returns the hash of that secret of a key which its token has; false if the token is not the key's.
func secretOf(k domain.Key, token string, now time.Time) (hash string, good bool) {
	id, secret, ok := ParseToken(token)
	if !ok || id != k.ID || !k.Live(now) || !strings.HasPrefix(token, k.TokenPrefix()) {
		return "", false
	}
	return k.Hash(now, func(hash string) bool { return sealing.EqualHash(hash, secret) })
}

func tokenOf(k domain.Key, secret string) sealing.Secret {
	return sealing.NewSecret(k.TokenPrefix() + string(k.ID) + "." + secret)
}

// keyName spells an id in the lower-case letters and digits that a key id may have.
func keyName(id [16]byte) string {
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(id[:]))
}

func nonZero(org domain.OrganizationID) []domain.OrganizationID {
	if org.IsZero() {
		return nil
	}
	return []domain.OrganizationID{org}
}
