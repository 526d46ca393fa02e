package projections

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/hooklog/hooklog/domain"
)

func (x *Fold) foldKey(p placed) error {
	id, ok := domain.KeyOfStream(p.Stream)
	if !ok {
		return fmt.Errorf("%w: not a key's stream", errMisplaced)
	}
	d := &x.directory
	k, known := d.keys[id]
	if _, begins := p.fact.(*domain.KeyIssued); begins == known {
		return fmt.Errorf("%w: the key exists already, or not yet", errMisplaced)
	}
	k.ID = id
	k = k.Apply(p.fact, p.meta)
	d.mu.Lock()
	d.putKey(k)
	d.mu.Unlock()
	return x.writeJSON(apiKeyKey(id), nil, k)
}

// compareKeys is the order in which keys are listed, backwards.
func compareKeys(a, b domain.Key) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
}

// Key returns a key that was issued, revoked ones included.
func (x *Fold) Key(id domain.KeyID) (domain.Key, bool) {
	d := &x.directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	k, ok := d.keys[id]
	return k, ok
}

// Keys lists an organization's keys, or with the zero id those that belong to none, newest first; limit 0 is all.
func (x *Fold) Keys(org domain.OrganizationID, limit int, cursor string) (page []domain.Key, next string, err error) {
	l := list{keyList, org}
	place, err := l.place(cursor)
	if err != nil {
		return nil, "", err
	}
	d := &x.directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	o, ok := d.organizations[org]
	if !ok {
		return nil, "", nil
	}
	end := len(o.keys)
	if place != nil {
		last, err := parseKeyPlace(place)
		if err != nil {
			return nil, "", err
		}
		end, _ = slices.BinarySearchFunc(o.keys, last, func(id domain.KeyID, k domain.Key) int { return compareKeys(d.keys[id], k) })
	}
	for end > 0 && (limit <= 0 || len(page) < limit) {
		end--
		page = append(page, d.keys[o.keys[end]])
	}
	if end > 0 {
		next = l.cursor(keyPlace(page[len(page)-1]))
	}
	return page, next, nil
}

// keyPlace is a key's place in the list.
func keyPlace(k domain.Key) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(k.CreatedAt.UnixMicro())), k.ID...)
}

func parseKeyPlace(b []byte) (k domain.Key, err error) {
	if len(b) < 8 {
		return k, domain.Refuse(domain.BadCursor, "the cursor is malformed")
	}
	k.ID, k.CreatedAt = domain.KeyID(b[8:]), time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC()
	return k, nil
}
