package projections

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hooklog/hooklog/domain"
)

// keyring holds every key that was ever issued. The goroutine that folds is the only one that changes it, under mu; it
// may read without.
type keyring struct {
	mu   sync.RWMutex
	keys map[domain.KeyID]domain.Key
	// owned are the keys of each organization, and under the zero id those of none, in the order of listing, backwards.
	owned map[domain.OrganizationID][]domain.KeyID
}

func newKeyring() *keyring {
	return &keyring{keys: map[domain.KeyID]domain.Key{}, owned: map[domain.OrganizationID][]domain.KeyID{}}
}

// put takes in a key's state.
func (r *keyring) put(k domain.Key) {
	if _, known := r.keys[k.ID]; !known {
		owned := r.owned[k.Organization]
		at, _ := slices.BinarySearchFunc(owned, k, r.compare)
		r.owned[k.Organization] = slices.Insert(owned, at, k.ID)
	}
	r.keys[k.ID] = k
}

func (r *keyring) compare(id domain.KeyID, k domain.Key) int { return compareKeys(r.keys[id], k) }

func (x *projector) foldKey(p placed) error {
	id, ok := domain.KeyOfStream(p.Stream)
	if !ok {
		return fmt.Errorf("%w: not a key's stream", errMisplaced)
	}
	r := x.keys
	k, known := r.keys[id]
	k.ID = id
	k, err := nextKey(k, known, p)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.put(k)
	r.mu.Unlock()
	return x.writeJSON(apiKeyKey(x.in(keySpace), id), k)
}

// nextKey applies a fact to a key that is known or not.
func nextKey(k domain.Key, known bool, p placed) (domain.Key, error) {
	if _, begins := p.fact.(*domain.KeyIssued); begins == known {
		return k, fmt.Errorf("%w: the key exists already, or not yet", errMisplaced)
	}
	return k.Apply(p.fact, p.meta), nil
}

// compareKeys is the order in which keys are listed, backwards.
func compareKeys(a, b domain.Key) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
}

// Key returns a key that was issued, revoked ones included.
func (x *Fold) Key(id domain.KeyID) (domain.Key, bool) {
	r := x.now().keys
	r.mu.RLock()
	defer r.mu.RUnlock()
	k, ok := r.keys[id]
	return k, ok
}

// Keys lists an organization's keys, or with the zero id those that belong to none, newest first; limit 0 is all.
func (x *Fold) Keys(org domain.OrganizationID, limit int, cursor string) (page []domain.Key, next string, err error) {
	l := list{keyList, org}
	place, err := l.place(cursor)
	if err != nil {
		return nil, "", err
	}
	r := x.now().keys
	r.mu.RLock()
	defer r.mu.RUnlock()
	owned := r.owned[org]
	end := len(owned)
	if place != nil {
		last, err := parseKeyPlace(place)
		if err != nil {
			return nil, "", err
		}
		end, _ = slices.BinarySearchFunc(owned, last, r.compare)
	}
	for end > 0 && (limit <= 0 || len(page) < limit) {
		end--
		page = append(page, r.keys[owned[end]])
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
