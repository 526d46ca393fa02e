package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"text/tabwriter"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/sealing"
)

// tried counts what a keyset was tried on.
type tried struct {
	Opened uint64 `json:"opened"`
	Closed uint64 `json:"closed"`
}

func (t *tried) count(err error) {
	if err != nil {
		t.Closed++
	} else {
		t.Opened++
	}
}

// inspection is what `log verify` finds: the log's own soundness, then what the keyset at hand opens of it.
type inspection struct {
	Events  uint64 `json:"events"`
	Streams uint64 `json:"streams"`
	Groups  uint64 `json:"groups"`
	Parked  uint64 `json:"parked"`
	Bytes   uint64 `json:"bytes"`
	Head    string `json:"head"`

	// Keyset is the file that was tried; Tried says whether it was there.
	Keyset string `json:"keyset"`
	Tried  bool   `json:"keyset_tried"`

	// Facts are those that carry a MAC; Unsigned ones (attempts, due retries) give no power and carry none.
	Facts    tried  `json:"facts"`
	Unsigned uint64 `json:"unsigned"`
	// Malformed and Unknown facts cannot be read whatever the keyset; Foreign events are not Hooklog's.
	Malformed uint64 `json:"malformed"`
	Unknown   uint64 `json:"unknown"`
	Foreign   uint64 `json:"foreign"`

	Probe    tried `json:"probe"`
	DataKeys tried `json:"data_keys"`
	Secrets  tried `json:"secrets"`
	Headers  tried `json:"headers"`
	Payloads tried `json:"payloads"`
	Answers  tried `json:"answers"`

	keys map[domain.OrganizationID]*sealing.DataKey
}

// keysetAtHand reads the keyset for a command that can do without; nil if nobody named one and none is in its place.
func keysetAtHand(s *settings) (*sealing.Keyset, error) {
	keys, err := sealing.ReadKeyset(s.keysetPath())
	if errors.Is(err, fs.ErrNotExist) && s.keyset == "" {
		return nil, nil
	}
	return keys, err
}

// inspect tries the keyset on every fact; without a keyset there is nothing to try.
func (i *inspection) inspect(ctx context.Context, log eventlog.Feed, keys *sealing.Keyset) error {
	if keys == nil {
		return nil
	}
	i.Tried, i.keys = true, map[domain.OrganizationID]*sealing.DataKey{}
	codec := domain.NewCodec(keys)
	for e, err := range log.ReadAll(ctx, eventlog.Position{}) {
		if err != nil {
			return err
		}
		i.fact(codec, keys, e)
	}
	return nil
}

func (i *inspection) fact(codec *domain.Codec, keys *sealing.Keyset, e eventlog.Recorded) {
	f, _, err := codec.Decode(domain.Place{Stream: e.Stream, ID: e.ID, Revision: uint64(e.Revision)}, e.Type, e.Data, e.Metadata)
	switch {
	case errors.Is(err, domain.ErrForeign):
		i.Foreign++
	case errors.Is(err, domain.ErrUnknownFact):
		i.Unknown++
	case errors.Is(err, domain.ErrMalformed):
		i.Malformed++
	case err != nil:
		i.Facts.Closed++
	default:
		i.readable(f)
		i.sealed(keys, f, e.Stream)
	}
}

func (i *inspection) readable(f domain.Fact) {
	switch f.(type) {
	case *domain.AttemptSucceeded, *domain.AttemptFailed, *domain.RetryDue:
		i.Unsigned++
	default:
		i.Facts.Opened++
	}
}

// sealed tries to open what a fact holds sealed. The owner's id is part of every seal.
func (i *inspection) sealed(keys *sealing.Keyset, f domain.Fact, stream string) {
	switch f := f.(type) {
	case *domain.KeysetProbed:
		i.Probe.count(keys.CheckProbe(f.Sealed))
	case *domain.DataKeyMade:
		key, err := keys.OpenDataKey(f.Organization.String(), f.Wrapped)
		i.DataKeys.count(err)
		if err == nil {
			i.keys[f.Organization] = key
		}
	case *domain.SubscriptionCreated:
		owner, _ := domain.SubscriptionOfStream(stream)
		i.Secrets.count(i.open(f.Organization, f.Secret, owner.String()))
		i.headers(f.Organization, f.Headers, owner)
	case *domain.SubscriptionChanged:
		owner, _ := domain.SubscriptionOfStream(stream)
		i.headers(f.Organization, f.Headers, owner)
	case *domain.SecretRotated:
		owner, _ := domain.SubscriptionOfStream(stream)
		i.Secrets.count(i.open(f.Organization, f.Secret, owner.String()))
	case *domain.MessagePublished:
		owner, _ := domain.MessageOfStream(stream)
		i.Payloads.count(i.open(f.Organization, f.Payload, owner.String()))
	case *domain.AttemptFailed:
		if len(f.Answer) > 0 {
			i.Answers.count(i.open(f.Organization, f.Answer, f.ID().String()))
		}
	}
}

func (i *inspection) headers(org domain.OrganizationID, headers []domain.SealedHeader, owner domain.SubscriptionID) {
	for _, h := range headers {
		i.Headers.count(i.open(org, h.Value, owner.String()))
	}
}

var errNoDataKey = errors.New("no data key")

func (i *inspection) open(org domain.OrganizationID, sealed []byte, owner string) error {
	key := i.keys[org]
	if key == nil {
		return errNoDataKey
	}
	_, err := key.Open(sealed, []byte(owner))
	return err
}

// rows are what the keyset was tried on, in the order in which they are told.
func (i *inspection) rows() []struct {
	name string
	tried
} {
	return []struct {
		name string
		tried
	}{{"probe", i.Probe}, {"signed facts", i.Facts}, {"data keys", i.DataKeys}, {"secrets", i.Secrets},
		{"extra headers", i.Headers}, {"payloads", i.Payloads}, {"answers", i.Answers}}
}

func (i *inspection) write(w io.Writer) error {
	fmt.Fprintf(w, "The log is sound: %d events in %d streams, %d bytes, head %s; %d consumer groups, %d parked events.\n",
		i.Events, i.Streams, i.Bytes, i.Head, i.Groups, i.Parked)
	if !i.Tried {
		_, err := fmt.Fprintf(w, "There is no keyset at %s: what is sealed was not tried.\n", i.Keyset)
		return err
	}
	fmt.Fprintf(w, "The keyset %s:\n", i.Keyset)
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "  OF\tOPENS\tDOES NOT OPEN")
	for _, r := range i.rows() {
		fmt.Fprintf(table, "  %s\t%d\t%d\n", r.name, r.Opened, r.Closed)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "Beside these: %d facts that carry no MAC, %d malformed, %d of types unknown to this release, %d events of others.\n",
		i.Unsigned, i.Malformed, i.Unknown, i.Foreign)
	return err
}

// verdict fails if the log holds Hooklog's facts and the keyset does not open all of them.
func (i *inspection) verdict() error {
	if !i.Tried {
		return nil
	}
	var closed, opened uint64
	for _, r := range i.rows() {
		closed, opened = closed+r.Closed, opened+r.Opened
	}
	switch {
	case opened == 0 && closed > 0:
		return fmt.Errorf("the keyset %s does not belong to this log: it opens nothing", i.Keyset)
	case closed > 0:
		return fmt.Errorf("the keyset %s does not open everything: %d things stay closed", i.Keyset, closed)
	case i.Malformed > 0 || i.Unknown > 0:
		return errors.New("the log holds facts that this release cannot read")
	case i.Probe.Opened == 0 && i.Facts.Opened > 0:
		return errors.New("the log holds no keyset probe")
	}
	return nil
}
