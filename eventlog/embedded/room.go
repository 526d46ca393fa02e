package embedded

import "github.com/hooklog/hooklog/eventlog"

// room is the memory of a batch that was read from files. Fresh memory costs several times what the reading itself does,
// so who goes through much of the log and keeps nothing gives it back for the batches to come.
type room struct {
	events []eventlog.Recorded
	chunks [][]byte
	// used counts the chunks that the batch lies in.
	used int
}

// chunk returns memory for the next chunk of the batch.
func (r *room) chunk() []byte {
	if r.used == len(r.chunks) {
		r.chunks = append(r.chunks, make([]byte, chunkBytes))
	}
	r.used++
	return r.chunks[r.used-1]
}

// take returns an empty room: a spare one if there is any.
func (s *source) take() *room {
	select {
	case r := <-s.spare:
		r.events, r.used = r.events[:0], 0
		return r
	default:
		return &room{}
	}
}

// release returns what gives the last batch's memory back; nil if that is another's.
func (s *source) release() func() {
	r := s.room
	if r == nil {
		return nil
	}
	return func() {
		select {
		case s.spare <- r:
		default:
		}
	}
}
