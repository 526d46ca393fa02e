package projections

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// What the store says of itself, beside the checkpoint of the models that are served.
var (
	coloursKey  = []byte{metaSpace, 'k'} // the colours that are served
	versionsKey = []byte{metaSpace, 'v'} // which versions wrote the rows that are served
	rebuildKey  = []byte{metaSpace, 'r'} // the rebuild that is under way
	shadowKey   = []byte{metaSpace, 's'} // its checkpoint, once its colours are empty but for what it folded
)

// versions says of each projection which code wrote its rows.
type versions map[string]int

// presentVersions are those of this program.
func presentVersions() versions {
	v := versions{}
	for _, p := range table {
		v[p.name] = p.version
	}
	return v
}

// rebuildRecord is a rebuild as the store remembers it.
type rebuildRecord struct {
	Names     []string  `json:"names"`
	Why       string    `json:"why"`
	StartedAt time.Time `json:"started_at"`
	// Versions are of the code that folds it; other code has to begin anew.
	Versions versions `json:"versions"`
}

// wanted are the parts that are to be switched.
func (r rebuildRecord) wanted() (parts partSet) {
	for _, name := range r.Names {
		if p, ok := projectionNamed(name); ok {
			parts[p.part] = true
		}
	}
	return parts
}

// current reports whether this program would fold what the record asks for as the program did that began it.
func (r rebuildRecord) current() bool {
	now := presentVersions()
	for _, name := range r.wanted().withNeeds().names() {
		if r.Versions[name] != now[name] {
			return false
		}
	}
	return true
}

// meta is what the store says of itself.
type meta struct {
	colours  colours
	versions versions
	// rebuild is nil if none is under way.
	rebuild *rebuildRecord
	// shadow says how far it is; nil if it has not begun.
	shadow *checkpoint
}

func (s *store) meta() (m meta, err error) {
	tints, _, err := s.value(coloursKey)
	if err != nil {
		return m, err
	}
	copy(m.colours[:], tints)
	if err := s.document(versionsKey, &m.versions); err != nil {
		return m, err
	}
	if err := s.document(rebuildKey, &m.rebuild); err != nil || m.rebuild == nil {
		return m, err
	}
	value, ok, err := s.value(shadowKey)
	if err != nil || !ok {
		return m, err
	}
	at, err := parseCheckpoint(value)
	m.shadow = &at
	return m, err
}

// document reads a row that is a JSON document; where there is none, into stays as it is.
func (s *store) document(key []byte, into any) error {
	value, ok, err := s.value(key)
	if err != nil || !ok {
		return err
	}
	if err := json.Unmarshal(value, into); err != nil {
		return fmt.Errorf("%w: %w", errRow, err)
	}
	return nil
}

// setDocument writes a row that is a JSON document.
func setDocument(b *pebble.Batch, key []byte, document any) error {
	text, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("encode a row: %w", err)
	}
	return b.Set(key, text, nil)
}

// write commits what fill puts into a batch.
func (s *store) write(what string, fill func(*pebble.Batch) error) (err error) {
	b := s.NewBatch()
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := fill(b); err != nil {
		return fmt.Errorf("%w: %s: %w", errStore, what, err)
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("%w: %s: %w", errStore, what, err)
	}
	return nil
}

// clearSpaces drops keyspaces in the given colours.
func clearSpaces(b *pebble.Batch, spaces []byte, c colours) error {
	for _, space := range spaces {
		first := space | c[space]
		if err := b.DeleteRange([]byte{first}, []byte{first + 1}, nil); err != nil {
			return err
		}
	}
	return nil
}
