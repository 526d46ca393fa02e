package http

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/scratch"
)

// Limits of publishing (docs/contract.md).
const (
	// maxMessage is the most bytes of one message with its envelope: its data may have domain.MaxData of them.
	maxMessage = domain.MaxData + maxBody
	// maxBatch is the most bytes of an array, maxItems the most messages in it.
	maxBatch = 8 << 20
	maxItems = 1000
)

// publish accepts one message, an array of them, or a stream of lines with one each.
func (x *exchange) publish() error {
	o, err := x.organization()
	if err != nil {
		return err
	}
	mediaType, ok := x.mediaType()
	switch {
	case ok && mediaType == "application/x-ndjson":
		return x.publishLines(o.ID)
	case !ok || mediaType != "application/json":
		return domain.Refuse(codeMediaType, "the body must be application/json or application/x-ndjson")
	}
	room := scratch.Borrow()
	if *room, err = x.readMessages(*room); err != nil {
		return err
	}
	if body := *room; isArray(body) { // whose messages may be read until after the answer: the room is not given back
		return x.publishArray(o.ID, body)
	}
	defer scratch.Return(room)
	return x.publishSingle(o.ID, *room)
}

// isArray reports whether a body begins as an array does.
func isArray(body []byte) bool {
	at := skipSpace(body, 0)
	return at < len(body) && body[at] == '['
}

// readMessages reads a body that is a message or an array of them; only the first byte tells which limit it has.
func (x *exchange) readMessages(room []byte) ([]byte, error) {
	body, err := x.readBody(maxBatch, room)
	if err == nil && len(body) > maxMessage && !isArray(body) {
		err = tooLarge(maxMessage)
	}
	return body, err
}

func (x *exchange) publishSingle(org domain.OrganizationID, body []byte) error {
	p, err := readPublication(org, body)
	if err != nil {
		return err
	}
	wait, err := x.accept(x.by(), p)
	if err != nil {
		return err
	}
	published, err := x.accepted(wait)
	if err != nil {
		return err
	}
	x.header(positionHeader, published.Position.String())
	b := append(make([]byte, 0, 128), '{')
	x.send("application/json", http.StatusAccepted, append(appendPublished(b, published), '}', '\n'))
	return nil
}

// accept publishes one message, unless there is no room for it. wait is for accepted, and called once.
func (x *exchange) accept(by commands.By, p domain.Publication) (wait func() (commands.Published, error), err error) {
	if x.Pressure != nil {
		if reason, after, refuse := x.Pressure.Refuse(); refuse {
			return nil, refuseUntil(domain.Unavailable, after, "%s", reason)
		}
	}
	if wait, err = x.Commands.PublishLater(x.context(), by, p); err != nil {
		x.metrics.published(err)
	}
	return wait, err
}

// accepted returns when a message is durable.
func (x *exchange) accepted(wait func() (commands.Published, error)) (commands.Published, error) {
	published, err := wait()
	x.metrics.published(err)
	return published, err
}

// appendPublished appends the members that tell of an accepted message.
func appendPublished(b []byte, p commands.Published) []byte {
	b = append(b, `"event_id":"`...)
	b, _ = p.Message.AppendText(b) // never fails
	b = append(b, `","position":"`...)
	b, _ = p.Position.AppendText(b) // never fails
	b = append(b, `","deliveries":`...)
	return strconv.AppendInt(b, int64(p.Deliveries), 10)
}

// messageMembers are the members that a message may have. The first is required, as is data.
var messageMembers = [...]string{"type", "data", "id", "client", "occurred_at"}

// readPublication reads one message. Its data stays as it came, to be judged by who publishes it.
func readPublication(org domain.OrganizationID, body []byte) (domain.Publication, error) {
	p := domain.Publication{Organization: org}
	var bad []domain.FieldError
	var seen [len(messageMembers)]bool
	walk := members{in: body}
	for walk.next() {
		i := slices.Index(messageMembers[:], string(walk.name))
		if i < 0 {
			bad = append(bad, unknownPublished(walk.name))
			continue
		}
		name := messageMembers[i]
		if seen[i] {
			return p, badBody("is not acceptable JSON: it has two members " + name)
		}
		seen[i] = true
		switch name {
		case "type":
			bad = append(bad, text(&p.EventType)(name, walk.value)...)
		case "data":
			p.Data = walk.value
		case "id":
			bad = append(bad, ownID(&p.OwnID)(name, walk.value)...)
		case "client":
			bad = append(bad, text(&p.Client)(name, walk.value)...)
		case "occurred_at":
			bad = append(bad, instant(&p.OccurredAt)(name, walk.value)...)
		}
	}
	if walk.err != nil {
		return p, badBody("is not a JSON object")
	}
	if !seen[0] {
		bad = append(bad, domain.FieldError{Field: "type", Message: "is required"})
	}
	switch {
	case p.Data == nil:
		bad = append(bad, domain.FieldError{Field: "data", Message: "is required"})
	case p.Data[0] != '{':
		bad = append(bad, domain.FieldError{Field: "data", Message: "must be an object"})
	}
	return p, domain.RefuseFields(bad...)
}

// ownID reads a publisher's own id, which must be something if it is given.
func ownID(to *string) reader {
	return func(field string, value []byte) []domain.FieldError {
		s, ok := readText(value)
		switch {
		case !ok:
			return wrong(field, "must be a string")
		case s == "":
			return wrong(field, "must have 1 to 128 characters")
		}
		*to = s
		return nil
	}
}

// unknownPublished names a member that a message does not have.
func unknownPublished(name []byte) domain.FieldError {
	shown, ok := readText(append(append([]byte{'"'}, name...), '"'))
	if !ok {
		shown = "?"
	}
	return unknownMember(shown)
}
