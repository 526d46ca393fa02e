package domain

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Fact is something that happened, as recorded in the log. Facts are pointers to the structs of this package.
type Fact interface {
	// FactType is the constant name under which the fact is recorded, with its schema version.
	FactType() string
}

// TypePrefix begins the name of every fact type. What does not begin with it is somebody else's and is passed over.
const TypePrefix = "hooklog."

// Reasons for which a recorded event is not a fact that may be folded.
var (
	// ErrForeign means that the event is not Hooklog's: pass over it.
	ErrForeign = errors.New("not a fact of Hooklog")
	// ErrUnknownFact means that a newer release wrote the event: whoever folds must stop, naming it.
	ErrUnknownFact = errors.New("unknown fact type: written by a newer release")
	// ErrForged means that the event lacks a good MAC where its type demands one: skip it, count it, report it.
	ErrForged = errors.New("fact without a good MAC")
	// ErrMalformed means that the event's data is not what its type says: skip it, count it, report it.
	ErrMalformed = errors.New("malformed fact")
)

// Skippable reports whether a fold goes on past err, without applying the event.
func Skippable(err error) bool {
	return errors.Is(err, ErrForeign) || errors.Is(err, ErrForged) || errors.Is(err, ErrMalformed)
}

// factKind says how one recorded type is read.
type factKind struct {
	decode func([]byte) (Fact, error)
	// authenticated facts give power or speak for a platform; they count only with a good MAC.
	authenticated bool
}

// pointerTo is the constraint that *T is a Fact.
type pointerTo[T any] interface {
	*T
	Fact
}

func plain[T any, P pointerTo[T]]() (string, factKind) {
	return P(nil).FactType(), factKind{decode: func(data []byte) (Fact, error) {
		f := P(new(T))
		if err := json.Unmarshal(data, f); err != nil {
			return nil, err
		}
		return f, nil
	}}
}

func authenticated[T any, P pointerTo[T]]() (string, factKind) {
	name, k := plain[T, P]()
	k.authenticated = true
	return name, k
}

// Upcaster turns the data of an old fact type into the data of the type that replaced it. It is pure and total over
// the samples in testdata, which stay for ever.
type Upcaster struct {
	To      string
	Convert func(data []byte) ([]byte, error)
}

// upcasters lists every retired fact type. No type has been retired yet.
var upcasters = map[string]Upcaster{}

var factKinds = func() map[string]factKind {
	kinds := map[string]factKind{}
	add := func(name string, k factKind) { kinds[name] = k }
	add(authenticated[KeysetProbed]())
	add(authenticated[SlugReserved]())
	add(authenticated[OrganizationRegistered]())
	add(authenticated[OrganizationChanged]())
	add(authenticated[SubscriptionAdmitted]())
	add(authenticated[OrganizationClosed]())
	add(authenticated[DataKeyMade]())
	add(authenticated[KeyIssued]())
	add(authenticated[KeyRotated]())
	add(authenticated[KeyRevoked]())
	add(authenticated[EventTypeDefined]())
	add(authenticated[EventTypeRetired]())
	add(authenticated[SubscriptionCreated]())
	add(authenticated[SubscriptionChanged]())
	add(authenticated[SecretRotated]())
	add(authenticated[SubscriptionDisabled]())
	add(authenticated[SubscriptionEnabled]())
	add(authenticated[SubscriptionDeleted]())
	add(authenticated[MessagePublished]())
	add(authenticated[MessageTargets]())
	add(authenticated[TargetsCorrected]())
	add(plain[AttemptSucceeded]())
	add(plain[AttemptFailed]())
	add(plain[RetryDue]())
	add(authenticated[RedeliveryRequested]())
	return kinds
}()

// FactTypes returns the names of every type that is written, in no order.
func FactTypes() []string {
	names := make([]string, 0, len(factKinds))
	for name := range factKinds {
		names = append(names, name)
	}
	return names
}

// Authenticator makes and checks the MACs of facts; sealing.Keyset is one.
type Authenticator interface {
	// MAC returns 32 bytes over the parts, each delimited.
	MAC(parts ...[]byte) []byte
	// VerifyMAC fails, in constant time, unless MAC over the parts gave mac under a live key.
	VerifyMAC(mac []byte, parts ...[]byte) error
}

// Codec turns facts into recorded bytes and back. It is safe for concurrent use.
type Codec struct{ keys Authenticator }

// NewCodec makes a Codec that signs and checks under keys.
func NewCodec(keys Authenticator) *Codec { return &Codec{keys} }

// Encoded is a fact ready to be appended.
type Encoded struct {
	Type           string
	Data, Metadata []byte
}

// macMember is what follows the other metadata of an authenticated fact, around the MAC in unpadded base64.
const (
	macOpen  = `,"mac":"`
	macClose = `"}`
)

// Encode writes a fact for the given stream under the given event id, with a MAC if its type demands one.
func (c *Codec) Encode(stream string, id [16]byte, f Fact, m Meta) (Encoded, error) {
	data, err := encodeFact(f)
	if err != nil {
		return Encoded{}, fmt.Errorf("encode %s: %w", f.FactType(), err)
	}
	meta, err := encodeMeta(m)
	if err != nil {
		return Encoded{}, err
	}
	e := Encoded{Type: f.FactType(), Data: data, Metadata: meta}
	if factKinds[e.Type].authenticated {
		mac := c.keys.MAC([]byte(stream), id[:], []byte(e.Type), data, meta)
		e.Metadata = append(meta[:len(meta)-1], macOpen...)
		e.Metadata = base64.RawStdEncoding.AppendEncode(e.Metadata, mac)
		e.Metadata = append(e.Metadata, macClose...)
	}
	return e, nil
}

// Decode reads a recorded event. It fails with ErrForeign, ErrUnknownFact, ErrForged or ErrMalformed, each of which
// Skippable judges.
func (c *Codec) Decode(stream string, id [16]byte, typ string, data, metadata []byte) (Fact, Meta, error) {
	if !strings.HasPrefix(typ, TypePrefix) {
		return nil, Meta{}, ErrForeign
	}
	current, converted, err := upcast(typ, data)
	if err != nil {
		return nil, Meta{}, err
	}
	k, ok := factKinds[current]
	if !ok {
		return nil, Meta{}, fmt.Errorf("%w: %.100q", ErrUnknownFact, typ)
	}
	if k.authenticated && !c.authentic(stream, id, typ, data, metadata) {
		return nil, Meta{}, fmt.Errorf("%w: %s on %q", ErrForged, typ, stream)
	}
	m, err := decodeMeta(metadata)
	if err != nil {
		return nil, Meta{}, fmt.Errorf("%w: %s: %w", ErrMalformed, typ, err)
	}
	f, err := k.decode(converted)
	if err != nil {
		return nil, Meta{}, fmt.Errorf("%w: %s: %w", ErrMalformed, typ, err)
	}
	return f, m, nil
}

// upcast follows the chain of upcasters from a recorded type to the present one.
func upcast(typ string, data []byte) (string, []byte, error) {
	for {
		up, old := upcasters[typ]
		if !old {
			return typ, data, nil
		}
		converted, err := up.Convert(data)
		if err != nil {
			return "", nil, fmt.Errorf("%w: upcast %s: %w", ErrMalformed, typ, err)
		}
		typ, data = up.To, converted
	}
}

// authentic checks the MAC at the end of the metadata over the bytes as they were when it was made.
func (c *Codec) authentic(stream string, id [16]byte, typ string, data, metadata []byte) bool {
	at := bytes.LastIndex(metadata, []byte(macOpen))
	if at < 0 || !bytes.HasSuffix(metadata, []byte(macClose)) {
		return false
	}
	text := metadata[at+len(macOpen) : len(metadata)-len(macClose)]
	if len(text) > 128 {
		return false
	}
	var buf [96]byte
	n, err := base64.RawStdEncoding.Decode(buf[:], text)
	if err != nil {
		return false
	}
	var local [256]byte
	meta := append(append(local[:0], metadata[:at]...), '}')
	return c.keys.VerifyMAC(buf[:n], []byte(stream), id[:], []byte(typ), data, meta) == nil
}

// encodeFact writes a fact's data without escaping <, > and &.
func encodeFact(f Fact) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(f); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
