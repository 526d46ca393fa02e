package esdbwire

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// Written is a message that writes itself.
type Written interface {
	// Most is a number of bytes that the message does not exceed.
	Most() int
	// Append appends the message.
	Append(b []byte) []byte
}

// Read is a message that reads itself.
type Read interface {
	// Parse reads a message, whose bytes are its own to keep.
	Parse(b []byte) error
}

// Codec is gRPC's own for protobuf, but for messages that are [Written] or [Read].
type Codec struct{ encoding.CodecV2 }

// NewCodec returns a codec.
func NewCodec() Codec { return Codec{encoding.GetCodecV2(proto.Name)} }

// Marshal implements [encoding.CodecV2].
func (c Codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(Written)
	if !ok {
		return c.CodecV2.Marshal(v)
	}
	pool := mem.DefaultBufferPool()
	b := pool.Get(m.Most())
	*b = m.Append((*b)[:0])
	return mem.BufferSlice{mem.NewBuffer(b, pool)}, nil
}

// Unmarshal implements [encoding.CodecV2].
func (c Codec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(Read); ok {
		return m.Parse(data.Materialize())
	}
	return c.CodecV2.Unmarshal(data, v)
}
