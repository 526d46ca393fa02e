package embedded

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hooklog/hooklog/eventlog"
)

const groupVersion = 1

func encodeGroup(g eventlog.Group, checkpoint uint64) []byte {
	b := []byte{groupVersion}
	b = binary.BigEndian.AppendUint64(b, checkpoint)
	b = binary.BigEndian.AppendUint64(b, uint64(g.MessageTimeout))
	b = binary.BigEndian.AppendUint64(b, uint64(g.MaxRetries))
	b = binary.AppendUvarint(b, uint64(len(g.TypePrefixes)))
	for _, p := range g.TypePrefixes {
		b = append(binary.AppendUvarint(b, uint64(len(p))), p...)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeGroup(name string, b []byte) (g eventlog.Group, checkpoint uint64, err error) {
	const fixed = 1 + 3*numberSize
	if len(b) < fixed+sumSize {
		return g, 0, fmt.Errorf("consumer group %s: %w", name, errRecord)
	}
	if b[0] != groupVersion {
		return g, 0, fmt.Errorf("consumer group %s: record version %d: this release reads version %d", name, b[0], groupVersion)
	}
	content := b[:len(b)-sumSize]
	if crc32.Checksum(content, castagnoli) != binary.BigEndian.Uint32(b[len(content):]) {
		return g, 0, fmt.Errorf("consumer group %s: %w: its checksum is wrong", name, errRecord)
	}
	g.Name = name
	checkpoint = binary.BigEndian.Uint64(content[1:])
	g.MessageTimeout = time.Duration(binary.BigEndian.Uint64(content[9:]))
	g.MaxRetries = int(binary.BigEndian.Uint64(content[17:]))
	r := reader{rest: content[fixed:]}
	for n := r.number(); n > 0 && !r.bad; n-- {
		g.TypePrefixes = append(g.TypePrefixes, string(r.field()))
	}
	if r.bad || len(r.rest) != 0 {
		return g, 0, fmt.Errorf("consumer group %s: %w", name, errRecord)
	}
	return g, checkpoint, nil
}

// parking is an event set aside.
type parking struct{ position, retries uint64 }

// unstored is what has happened to a group since its state was last stored.
type unstored struct {
	since    time.Time // of the first change; zero if there is none
	settled  int       // events finished or parked
	parked   []parking
	replayed []uint64 // replayed events that are finished or parked again
}

func (u *unstored) put(batch *pebble.Batch, settings eventlog.Group, checkpoint uint64) error {
	for _, p := range u.replayed {
		if err := batch.Delete(namedKey(nil, replaySpace, settings.Name, p), nil); err != nil {
			return err
		}
	}
	for _, p := range u.parked {
		value := binary.BigEndian.AppendUint64(nil, p.retries)
		if err := batch.Set(namedKey(nil, parkedSpace, settings.Name, p.position), value, nil); err != nil {
			return err
		}
	}
	return batch.Set(groupKey(settings.Name), encodeGroup(settings, checkpoint), nil)
}

// store writes the state of the group in one batch, so that the checkpoint never passes a parked event that is not kept.
// Whoever calls it has entered the log or is waited for by Close.
func (g *group) store(sync bool) error {
	g.storing.Lock()
	defer g.storing.Unlock()
	g.mu.Lock()
	changes, checkpoint := g.changes, g.finished()
	g.changes = unstored{}
	g.mu.Unlock()
	batch := g.log.db.NewBatch()
	defer batch.Close()
	err := changes.put(batch, g.settings, checkpoint)
	if err == nil {
		err = g.log.commit(batch, sync)
	}
	if err != nil {
		return fmt.Errorf("store consumer group %s: %w", g.settings.Name, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stored = checkpoint
	for _, p := range changes.replayed {
		delete(g.replaying, p)
	}
	return nil
}

// replayStep is how many parked events one batch puts back.
const replayStep = 1000

// replay puts the parked events back to be handed out.
func (g *group) replay() (int, error) {
	g.replays.Lock()
	defer g.replays.Unlock()
	if err := g.store(false); err != nil {
		return 0, err
	}
	total := 0
	for after := uint64(0); ; {
		n, last, err := g.replayBatch(after)
		total += n
		if err != nil {
			return total, err
		}
		if n == 0 {
			break
		}
		after = last
	}
	if err := g.store(true); err != nil { // The sync covers the batches before.
		return total, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.toReplay, g.replayedTo = true, 0
	g.wakeLocked()
	return total, nil
}

func (g *group) replayBatch(after uint64) (n int, last uint64, err error) {
	batch := g.log.db.NewBatch()
	defer batch.Close()
	name := g.settings.Name
	err = g.log.each(parkedSpace, name, after, replayStep, func(position uint64, value []byte) error {
		n, last = n+1, position
		if err := batch.Delete(namedKey(nil, parkedSpace, name, position), nil); err != nil {
			return err
		}
		return batch.Set(namedKey(nil, replaySpace, name, position), value, nil)
	})
	if err == nil && n > 0 {
		err = g.log.commit(batch, false)
	}
	if err != nil {
		return 0, 0, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.parked -= n
	return n, last, nil
}
