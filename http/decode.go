package http

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/webhook"
)

// maxBody is the most bytes of a request body; publishing has its own limits.
const maxBody = 64 << 10

// decode reads a JSON object of at most 64 KiB into the members that the handler knows. Everything else is refused:
// another media type, text that is not JSON or not UTF-8, deep nesting, members that are unknown, twice there, missing
// or of another type. All members that are wrong are named.
func (x *exchange) decode(known ...member) error {
	if err := x.wantJSON(); err != nil {
		return err
	}
	body, err := x.readBody(maxBody, nil)
	if err != nil {
		return err
	}
	return decodeObject(body, known...)
}

// decodeOptional is decode for a body that may be left out, with its media type.
func (x *exchange) decodeOptional(known ...member) error {
	if x.r.ContentLength == 0 {
		return nil
	}
	return x.decode(known...)
}

// wantJSON refuses bodies that say they are something else.
func (x *exchange) wantJSON() error {
	if mediaType, ok := x.mediaType(); !ok || mediaType != "application/json" {
		return domain.Refuse(codeMediaType, "the body must be application/json")
	}
	return nil
}

// mediaType returns what the request says its body is; false if that is nothing or not UTF-8 as it stands.
func (x *exchange) mediaType() (string, bool) {
	h := x.r.Header
	if len(h["Content-Type"]) != 1 || len(h["Content-Encoding"]) > 0 {
		return "", false
	}
	given := h["Content-Type"][0]
	if given == "application/json" {
		return given, true
	}
	mediaType, parameters, err := mime.ParseMediaType(given)
	if err != nil {
		return "", false
	}
	for name, value := range parameters {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return "", false
		}
	}
	return mediaType, true
}

// readBody reads the body whole, into room if that is large enough; one of more than limit bytes is refused as too large.
func (x *exchange) readBody(limit int64, room []byte) ([]byte, error) {
	if x.r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	if n := x.r.ContentLength; n >= 0 {
		all := slices.Grow(room[:0], int(n))[:n]
		_, err := io.ReadFull(x.r.Body, all)
		return all, bodyError(err, limit)
	}
	all, err := io.ReadAll(http.MaxBytesReader(x.w.ResponseWriter, x.r.Body, limit))
	return all, bodyError(err, limit)
}

// bodyError says what went wrong with reading a body.
func bodyError(err error, limit int64) error {
	if err == nil {
		return nil
	}
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return tooLarge(limit)
	}
	return badBody("could not be read to its end")
}

func tooLarge(limit int64) error {
	return domain.Refuse(domain.TooLarge, "the body is over %d bytes", limit)
}

// badBody refuses a body as a whole.
func badBody(message string) error {
	return &domain.Error{Code: domain.Invalid, Detail: "the body " + message,
		Fields: []domain.FieldError{{Field: "body", Message: message}}}
}

// member is a member that a request may have.
type member struct {
	name     string
	required bool
	read     reader
}

// reader takes the value of a member, canonical JSON, and says what is wrong with it.
type reader func(field string, value []byte) []domain.FieldError

func required(name string, read reader) member { return member{name, true, read} }
func optional(name string, read reader) member { return member{name, false, read} }

// decodeObject reads one JSON object.
func decodeObject(body []byte, known ...member) error {
	canonical, err := webhook.Canonical(body)
	if err != nil {
		return badBody("is not acceptable JSON: " + err.Error())
	}
	if !webhook.IsObject(canonical) {
		return badBody("must be a JSON object")
	}
	var bad []domain.FieldError
	var seen []string
	walk := members{in: canonical}
	for walk.next() {
		name := walk.plainName()
		i := slices.IndexFunc(known, func(m member) bool { return m.name == name })
		if i < 0 {
			bad = append(bad, unknownMember(name))
			continue
		}
		seen = append(seen, name)
		bad = append(bad, known[i].read(name, walk.value)...)
	}
	if walk.err != nil {
		return badBody("is not acceptable JSON: " + walk.err.Error())
	}
	for _, m := range known {
		if m.required && !slices.Contains(seen, m.name) {
			bad = append(bad, domain.FieldError{Field: m.name, Message: "is required"})
		}
	}
	return domain.RefuseFields(bad...)
}

// maxNameShown bounds how much of an unknown member's name is repeated.
const maxNameShown = 100

func unknownMember(name string) domain.FieldError {
	if len(name) > maxNameShown {
		name = strings.ToValidUTF8(name[:maxNameShown], "") + "…"
	}
	return domain.FieldError{Field: name, Message: "is not a member of this request"}
}

func wrong(field, message string) []domain.FieldError {
	return []domain.FieldError{{Field: field, Message: message}}
}

// checkedTime reads an RFC 3339 time.
func checkedTime(text string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, text)
	return t, err == nil && t.Year() >= 1 && t.UTC().Year() <= 9999
}
