package projections

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// showAuditKey names a row of the audit index for people.
func showAuditKey(rest []byte) string {
	if len(rest) == 0 {
		return ""
	}
	kind, list := rest[0], rest[1:]
	switch {
	case kind == auditJournal && len(list) == 0:
		return "facts of the open block"
	case kind == auditKeys:
		return "organization of key " + string(list)
	case len(list) < 8:
		return fmt.Sprintf("row %x of the audit index", rest)
	}
	block := binary.BigEndian.Uint64(list[len(list)-8:])
	return fmt.Sprintf("block %d of %s", block, showAuditList(kind, list[:len(list)-8]))
}

func showAuditList(kind byte, list []byte) string {
	switch {
	case kind == auditAll && len(list) == 0:
		return "all facts"
	case kind == auditOrganizations && len(list) == idSize:
		return "the facts of " + domain.OrganizationID(list).String()
	case kind == auditSubscriptions && len(list) == idSize:
		return "the facts of " + domain.SubscriptionID(list).String()
	case kind == auditTypes && len(list) > 1:
		return "the facts of type " + string(list[:len(list)-1])
	}
	return fmt.Sprintf("list %x of the audit index", list)
}

// showAudit shows what a row of the audit index says.
func showAudit(rest, value []byte) (any, error) {
	if len(rest) == 0 {
		return nil, errRow
	}
	switch rest[0] {
	case auditJournal:
		return showJournal(value)
	case auditKeys:
		if len(value) != idSize {
			return nil, errRow
		}
		return map[string]any{"organization": domain.OrganizationID(value).String()}, nil
	}
	span, in := parseAuditRow(value)
	positions := []string{}
	for at := (eventlog.Position{}); len(in.rest) > 0 && !in.bad; {
		at = in.step(at)
		positions = append(positions, at.String())
	}
	return map[string]any{"first_time": time.UnixMicro(span.first).UTC(), "last_time": time.UnixMicro(span.last).UTC(),
		"positions": positions}, in.end()
}

// showJournal shows the facts of the open block.
func showJournal(value []byte) (any, error) {
	var o auditOpen
	if err := o.readJournal(value); err != nil {
		return nil, err
	}
	facts := []map[string]any{}
	for _, f := range o.facts {
		shown := map[string]any{"position": f.at.String(), "at": time.UnixMicro(f.micros).UTC()}
		if f.typ > 0 {
			shown["type"] = o.types.names[f.typ-1]
		}
		if f.organization > 0 {
			shown["organization"] = o.organizations.names[f.organization-1].String()
		}
		if f.subscription > 0 {
			shown["subscription"] = o.subscriptions.names[f.subscription-1].String()
		}
		facts = append(facts, shown)
	}
	return facts, nil
}

// holdsAudit copies what the audit index holds in memory: whose the keys are, and the open block.
func (m *models) holdsAudit() held {
	h := held{space: auditSpace, rows: map[string]func() ([]byte, error){}, partly: true}
	for id, org := range m.audit.owner {
		h.rows[string(auditKeys)+string(id)] = func() ([]byte, error) { return org[:], nil }
	}
	if view := m.audit.view.Load(); len(view.facts) > 0 {
		h.rows[string(auditJournal)] = func() ([]byte, error) { return view.encode(), nil }
	}
	return h
}

// encode writes the journal of a whole block.
func (o *auditOpen) encode() []byte {
	var again auditOpen
	for _, f := range o.facts {
		var org domain.OrganizationID
		var sub domain.SubscriptionID
		if f.organization > 0 {
			org = o.organizations.names[f.organization-1]
		}
		if f.subscription > 0 {
			sub = o.subscriptions.names[f.subscription-1]
		}
		again.add(f.at, time.UnixMicro(f.micros), o.types.names[f.typ-1], org, sub)
	}
	return slices.Clip(again.journal)
}
