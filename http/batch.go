package http

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
)

// maxBatchBytes is how many bytes of messages one batch holds in memory while it streams.
const maxBatchBytes = 8 << 20

// item is one message of a batch on its way.
type item struct {
	publication domain.Publication
	size        int64
	// err refuses the item, if it is not nil; otherwise wait tells what came of it.
	err  error
	wait func() (commands.Published, error)
	// done is closed once published and err are final; nil for an item that nobody can wait for.
	done      chan struct{}
	published commands.Published
}

// batch publishes messages one after the other without waiting for each, and each is accepted or refused by itself;
// results come out in order.
type batch struct {
	x   *exchange
	by  commands.By
	org domain.OrganizationID
	// queue holds the items in order. Its capacity bounds how many are on their way. Who adds them closes it.
	queue chan *item
	// room bounds the bytes of items on their way.
	room *semaphore.Weighted

	mu   sync.Mutex
	owns map[string]*item // the last item on its way with each publisher's own id
}

func (x *exchange) newBatch(org domain.OrganizationID) *batch {
	return &batch{x: x, by: x.by(), org: org, queue: make(chan *item, x.InFlight), room: semaphore.NewWeighted(maxBatchBytes),
		owns: map[string]*item{}}
}

// add begins to publish one message, given as JSON, or refused already by err. It waits for room, and for a message with
// the same id of the publisher's own, and fails if ctx ends first. The bytes must stay as they are.
func (b *batch) add(ctx context.Context, message []byte, err error) error {
	i := &item{size: int64(len(message)), err: err}
	if err := b.room.Acquire(ctx, i.size); err != nil {
		return err
	}
	if i.err == nil {
		i.publication, i.err = readPublication(b.org, message)
	}
	if before := b.own(i); before != nil {
		select {
		case <-before.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.begin(i)
	select {
	case b.queue <- i:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// own notes that an item with an id of the publisher's own is on its way, and returns the one before it with the same.
func (b *batch) own(i *item) (before *item) {
	own := i.publication.OwnID
	if own == "" || i.err != nil {
		return nil
	}
	i.done = make(chan struct{})
	b.mu.Lock()
	defer b.mu.Unlock()
	before, b.owns[own] = b.owns[own], i
	return before
}

func (b *batch) begin(i *item) {
	if i.err == nil {
		defer b.x.caught(&i.err)
		i.wait, i.err = b.x.accept(b.by, i.publication)
	}
}

// finish waits for what comes of an item.
func (b *batch) finish(i *item) {
	if i.done != nil {
		defer close(i.done)
	}
	if i.err == nil {
		defer b.x.caught(&i.err)
		i.published, i.err = b.x.accepted(i.wait)
	}
}

// finished forgets an item whose result was taken.
func (b *batch) finished(i *item) {
	b.room.Release(i.size)
	if own := i.publication.OwnID; own != "" {
		b.mu.Lock()
		if b.owns[own] == i {
			delete(b.owns, own)
		}
		b.mu.Unlock()
	}
}

// appendResult appends an item's result as JSON.
func (x *exchange) appendResult(b []byte, i *item) []byte {
	if i.err == nil {
		b = append(b, `{"status":202,`...)
		return append(appendPublished(b, i.published), '}')
	}
	e, _ := x.refusal(i.err)
	refused, err := json.Marshal(itemRefusal{kinds[e.Code].status, e.Detail, e.Fields})
	if err != nil {
		panic(err) // a bug: it is made of plain values
	}
	return append(b, refused...)
}

// itemRefusal is the result of an item that was refused.
type itemRefusal struct {
	Status int                 `json:"status"`
	Detail string              `json:"detail"`
	Errors []domain.FieldError `json:"errors,omitempty"`
}

// publishArray publishes the messages of an array and answers with an array of results.
func (x *exchange) publishArray(org domain.OrganizationID, body []byte) error {
	messages, err := readArray(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(x.context())
	defer cancel()
	b := x.newBatch(org)
	go func() {
		defer close(b.queue)
		for _, m := range messages {
			var err error
			if len(m) > maxMessage {
				err = tooLarge(maxMessage)
			}
			if b.add(ctx, m, err) != nil {
				return
			}
		}
	}()
	out := append(make([]byte, 0, 128*len(messages)), '[')
	last := commands.Published{}
	for i := range b.queue {
		b.finish(i)
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = x.appendResult(out, i)
		last = lastOf(last, i.published)
		b.finished(i)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	x.wrote(last.Position)
	x.send("application/json", http.StatusOK, append(out, ']', '\n'))
	return nil
}

// readArray finds the messages in an array: 1 to 1,000.
func readArray(body []byte) ([][]byte, error) {
	var messages [][]byte
	walk := elements{in: body}
	for walk.next() {
		if len(messages) == maxItems {
			return nil, badBody("must have at most " + strconv.Itoa(maxItems) + " events")
		}
		messages = append(messages, walk.value)
	}
	if walk.err != nil {
		return nil, badBody("is not acceptable JSON: " + walk.err.Error())
	}
	if len(messages) == 0 {
		return nil, badBody("must have at least one event")
	}
	return messages, nil
}

// lastOf returns which of two was recorded later.
func lastOf(a, b commands.Published) commands.Published {
	if b.Position.After(a.Position) {
		return b
	}
	return a
}
