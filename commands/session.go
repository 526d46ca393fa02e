package commands

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/sealing"
)

// SessionLasts is how long a session is good, unless its key ends before.
const SessionLasts = 30 * 24 * time.Hour

// Session is what a key was exchanged for: whoever holds its token held the key's secret when it began. Nothing of it is
// recorded; it ends with its time, with its key, and with the secret that it began with.
type Session struct {
	Key domain.KeyID
	// Organization is where it acts; zero while none was chosen.
	Organization domain.OrganizationID
	// Client limits it to a folder of the organization; empty does not.
	Client string
	// Expires is the second in which it is no longer good.
	Expires time.Time

	began secretMark
}

// secretMark tells the secrets of a key apart without telling anything of them.
type secretMark [8]byte

func markOf(hash string) (m secretMark) {
	sum := sha256.Sum256([]byte("hooklog session\x00" + hash))
	copy(m[:], sum[:])
	return m
}

// BeginSession exchanges a key's token for a session; false if the token is not the key's (VerifyToken).
func BeginSession(k domain.Key, token string, now time.Time) (Session, bool) {
	hash, good := secretOf(k, token, now)
	return Session{Key: k.ID, Expires: now.Add(SessionLasts), began: markOf(hash)}, good
}

// In returns a session as good as this one that acts in an organization, or in one folder of it, and lasts from now.
func (s Session) In(org domain.OrganizationID, client string, now time.Time) Session {
	s.Organization, s.Client, s.Expires = org, client, now.Add(SessionLasts)
	return s
}

// Of reports whether a session is of a key as that stands now: live, and with the secret that the session began with.
func (s Session) Of(k domain.Key, now time.Time) bool {
	if s.Key != k.ID || !k.Live(now) || !now.Before(s.Expires) {
		return false
	}
	_, good := k.Hash(now, func(hash string) bool { return markOf(hash) == s.began })
	return good
}

// A session's token: its format, the second in which it expires, the organization, the secret's mark, the key's id and the
// client, each after its length, and a MAC over all of it.
const (
	sessionFormat = 1
	sessionFixed  = 1 + 8 + len(domain.OrganizationID{}) + len(secretMark{})
)

var sessionUse = []byte("hooklog session")

// SessionToken spells a session.
func (c *Commands) SessionToken(s Session) sealing.Secret {
	b := []byte{sessionFormat}
	b = binary.BigEndian.AppendUint64(b, uint64(s.Expires.Unix()))
	b = append(append(b, s.Organization[:]...), s.began[:]...)
	b = append(append(b, byte(len(s.Key))), s.Key...)
	b = append(append(b, byte(len(s.Client))), s.Client...)
	return sealing.NewSecret(base64.RawURLEncoding.EncodeToString(append(b, c.Keys.MAC(sessionUse, b)...)))
}

// ParseSession reads what SessionToken spelled with this keyset or one it was rotated from, and no other spelling; false for
// everything else, and for a session whose time is over. Whether it is still its key's is for Session.Of.
func (c *Commands) ParseSession(token string, now time.Time) (s Session, ok bool) {
	if len(token) > maxToken || strings.ContainsAny(token, "\r\n") {
		return s, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) < sessionFixed {
		return s, false
	}
	key, rest, keyed := cutCounted(b[sessionFixed:])
	client, mac, whole := cutCounted(rest)
	said := b[:len(b)-len(mac)]
	if !keyed || !whole || said[0] != sessionFormat || c.Keys.VerifyMAC(mac, sessionUse, said) != nil {
		return s, false
	}
	s.Key, s.Client = domain.KeyID(key), string(client)
	s.Expires = time.Unix(int64(binary.BigEndian.Uint64(said[1:])), 0).UTC()
	copy(s.began[:], said[1+8+copy(s.Organization[:], said[1+8:]):])
	return s, now.Before(s.Expires)
}

// cutCounted takes bytes that stand after their number off the beginning of b.
func cutCounted(b []byte) (counted, rest []byte, ok bool) {
	if len(b) == 0 || len(b)-1 < int(b[0]) {
		return nil, b, false
	}
	end := 1 + int(b[0])
	return b[1:end], b[end:], true
}
