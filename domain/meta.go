package domain

import (
	"encoding/json"
	"fmt"
	"time"
)

// Meta is what is recorded about a fact rather than of it.
type Meta struct {
	// At is the writer's time, to the microsecond, in UTC.
	At time.Time `json:"at"`
	// Actor is who caused the fact: "key:<key_id>", "dispatcher", "cli".
	Actor string `json:"actor,omitempty"`
	// Correlation is the request that began it all: a request id or a message id.
	Correlation string `json:"correlation,omitempty"`
	// Causation is the id of the fact that directly led here.
	Causation string `json:"causation,omitempty"`
}

// timeLayout is the form of every time in a fact: 27 characters, microseconds, UTC.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// Time rounds t to what a fact can hold: microseconds in UTC.
func Time(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// encodeMeta writes the metadata without its MAC.
func encodeMeta(m Meta) ([]byte, error) {
	b := make([]byte, 0, 256)
	b = append(b, `{"at":"`...)
	b = m.At.UTC().AppendFormat(b, timeLayout)
	b = append(b, '"')
	for _, member := range [...]struct{ name, value string }{
		{"actor", m.Actor}, {"correlation", m.Correlation}, {"causation", m.Causation},
	} {
		if member.value == "" {
			continue
		}
		text, err := json.Marshal(member.value)
		if err != nil {
			return nil, fmt.Errorf("encode metadata: %w", err)
		}
		b = append(b, `,"`...)
		b = append(b, member.name...)
		b = append(b, `":`...)
		b = append(b, text...)
	}
	return append(b, '}'), nil
}

func decodeMeta(b []byte) (Meta, error) {
	var m Meta
	if err := json.Unmarshal(b, &m); err != nil {
		return Meta{}, fmt.Errorf("decode metadata: %w", err)
	}
	m.At = Time(m.At)
	return m, nil
}
