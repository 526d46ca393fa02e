package domain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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
	decode func(data []byte, how depth) (Fact, error)
	// authenticated facts give power or speak for a platform; they count only with a good MAC.
	authenticated bool
}

// pointerTo is the constraint that *T is a Fact.
type pointerTo[T any] interface {
	*T
	Fact
}

func plain[T any, P pointerTo[T]]() (string, factKind) {
	hot := isHot(P(new(T)))
	return P(nil).FactType(), factKind{decode: func(data []byte, how depth) (Fact, error) {
		f := P(new(T))
		if hot {
			if readHot(f, data, how) {
				return f, nil
			}
			f = P(new(T))
		}
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
	add(authenticated[AdmissionWithdrawn]())
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
	add(authenticated[RecoveryRequested]())
	add(authenticated[RecoveryProgressed]())
	add(authenticated[RecoveryEnded]())
	add(authenticated[AuditRead]())
	add(authenticated[NoticeDecided]())
	add(authenticated[NoticeSent]())
	add(authenticated[NoticeFailed]())
	add(authenticated[NoticeDue]())
	add(authenticated[MailAdmitted]())
	add(authenticated[MailReleased]())
	add(authenticated[AddressAsked]())
	add(authenticated[AddressConfirmed]())
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
	// AppendMAC appends a tag over the parts, each delimited.
	AppendMAC(b []byte, parts ...[]byte) []byte
	// VerifyMAC fails, in constant time, unless AppendMAC over the parts gave mac under a live key.
	VerifyMAC(mac []byte, parts ...[]byte) error
}

// Codec turns facts into recorded bytes and back. It is safe for concurrent use.
type Codec struct {
	keys      Authenticator
	kinds     map[string]factKind
	upcasters map[string]Upcaster
	sealed    sync.Pool // of *sealed
	memo      memo
}

// NewCodec makes a Codec that signs and checks under keys.
func NewCodec(keys Authenticator) *Codec {
	return newCodec(keys, factKinds, upcasters)
}

func newCodec(keys Authenticator, kinds map[string]factKind, upcasters map[string]Upcaster) *Codec {
	return &Codec{keys: keys, kinds: kinds, upcasters: upcasters}
}

// Encoded is a fact ready to be appended.
type Encoded struct {
	Type           string
	Data, Metadata []byte
}

// Place is where a fact stands: its event's id, and its revision in its stream. What an authenticated fact says it says
// there alone, so that one that is recorded a second time, or in another stream, is forged.
type Place struct {
	Stream   string
	ID       [16]byte
	Revision uint64
}

// Encode writes a fact for the place that it will have, with a MAC if its type demands one. Who reads these very bytes
// again is given the fact itself, so it must not change afterwards, and its times must be as [Time] makes them.
func (c *Codec) Encode(at Place, f Fact, m Meta) (Encoded, error) {
	e := Encoded{Type: f.FactType()}
	m.At = Time(m.At)
	data, hot, err := encodeFact(make([]byte, 0, hotSize(f)+metaSize), f)
	if err != nil {
		return Encoded{}, fmt.Errorf("encode %s: %w", e.Type, err)
	}
	metadata, hotMeta, err := encodeMeta(data[len(data):], m) // in the room that is left, since who keeps one keeps both
	if err != nil {
		return Encoded{}, err
	}
	e.Data, e.Metadata = slices.Clip(data), metadata
	if c.kinds[e.Type].authenticated {
		e.Metadata = c.seal(at, e)
	}
	if hot && hotMeta {
		c.memo.put(&decoded{at: at, typ: e.Type, data: e.Data, metadata: e.Metadata, fact: f, meta: m}, 0)
	}
	return e, nil
}

// Decode reads a recorded event. It fails with ErrForeign, ErrUnknownFact, ErrForged or ErrMalformed, each of which
// Skippable judges. The bytes must not change afterwards, nor the fact: others may be given the same one.
func (c *Codec) Decode(at Place, typ string, data, metadata []byte) (Fact, Meta, error) {
	if d := c.memo.get(at, data, metadata); d != nil && d.typ == typ {
		return d.fact, d.meta, nil
	}
	f, m, err := c.decode(at, typ, data, metadata, whole)
	if err == nil {
		c.memo.put(&decoded{at: at, typ: typ, data: data, metadata: metadata, fact: f, meta: m}, 1)
	}
	return f, m, err
}

// Outline is Decode for who folds a long stretch of the past: the fact may lack its members of bytes (the sealed payload,
// hashes, what a receiver answered), and its metadata correlation and causation, which are checked only, by the MAC if there
// is one; and it is not kept, as nobody else is about to read it.
func (c *Codec) Outline(at Place, typ string, data, metadata []byte) (Fact, Meta, error) {
	return c.decode(at, typ, data, metadata, outline)
}

func (c *Codec) decode(at Place, typ string, data, metadata []byte, how depth) (Fact, Meta, error) {
	if !strings.HasPrefix(typ, TypePrefix) {
		return nil, Meta{}, ErrForeign
	}
	current, converted, err := c.upcast(typ, data)
	if err != nil {
		return nil, Meta{}, err
	}
	k, ok := c.kinds[current]
	if !ok {
		return nil, Meta{}, fmt.Errorf("%w: %.100q", ErrUnknownFact, typ)
	}
	if k.authenticated && !c.authentic(at, typ, data, metadata) {
		return nil, Meta{}, fmt.Errorf("%w: %s on %q", ErrForged, typ, at.Stream)
	}
	if k.authenticated && how == outline {
		how = attested
	}
	m, err := decodeMeta(metadata, how)
	if err != nil {
		return nil, Meta{}, fmt.Errorf("%w: %s: %w", ErrMalformed, typ, err)
	}
	f, err := k.decode(converted, how)
	if err != nil {
		return nil, Meta{}, fmt.Errorf("%w: %s: %w", ErrMalformed, typ, err)
	}
	return f, m, nil
}

// upcast follows the chain of upcasters from a recorded type to the present one.
func (c *Codec) upcast(typ string, data []byte) (string, []byte, error) {
	for {
		up, old := c.upcasters[typ]
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

// encodeFact appends a fact's data without escaping <, > and &, and says whether it is a hot fact's plain spelling.
func encodeFact(b []byte, f Fact) (data []byte, hot bool, err error) {
	if data, ok := writeHot(b, f); ok {
		return data, true, nil
	}
	data, err = appendJSON(b, f)
	return data, false, err
}

// appendJSON appends what encoding/json writes, without escaping <, > and &.
func appendJSON(dst []byte, v any) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
