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

// Time rounds t to what a fact can hold: microseconds in UTC.
func Time(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// encodeMeta appends the metadata without its MAC, and says whether that is its plain spelling. Its time is as Time makes it.
func encodeMeta(b []byte, m Meta) (text []byte, plain bool, err error) {
	if text, ok := writeHotMeta(b, m); ok {
		return text, true, nil
	}
	if text, err = appendJSON(b, m); err != nil {
		return nil, false, fmt.Errorf("encode metadata: %w", err)
	}
	return text, false, nil
}

func decodeMeta(b []byte, how depth) (Meta, error) {
	m, ok := readHotMeta(b, how)
	if !ok {
		return decodeOtherMeta(b)
	}
	m.At = Time(m.At)
	return m, nil
}

// decodeOtherMeta reads metadata in any spelling. It is apart because what encoding/json fills lies on the heap.
func decodeOtherMeta(b []byte) (m Meta, err error) {
	if err := json.Unmarshal(b, &m); err != nil {
		return Meta{}, fmt.Errorf("decode metadata: %w", err)
	}
	m.At = Time(m.At)
	return m, nil
}
