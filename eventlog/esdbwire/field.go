package esdbwire

import (
	"errors"
	"iter"

	"google.golang.org/protobuf/encoding/protowire"
)

// Number is the number of a field.
type Number = protowire.Number

// AppendMessage appends a field that is a message, whose content it moves to make room for the length before it.
func AppendMessage(b []byte, field Number, content func([]byte) []byte) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	begin := len(b)
	b = content(b)
	length := uint64(len(b) - begin)
	size := protowire.SizeVarint(length)
	b = append(b, make([]byte, size)...)
	copy(b[begin+size:], b[begin:])
	protowire.AppendVarint(b[:begin], length)
	return b
}

// AppendNumber appends a field that is a number.
func AppendNumber(b []byte, field Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}

// AppendText appends a field that is text, or bytes that are held as such.
func AppendText(b []byte, field Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

// AppendBytes appends a field that is bytes.
func AppendBytes(b []byte, field Number, s []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), s)
}

// AppendEntry appends a field that is an entry of a map of texts.
func AppendEntry(b []byte, field Number, key, value string) []byte {
	return AppendMessage(b, field, func(b []byte) []byte { return AppendText(AppendText(b, 1, key), 2, value) })
}

// Field is a field as it is read: a number, or what is in Bytes, which belong to the message.
type Field struct {
	Number Number
	N      uint64
	Bytes  []byte
}

// ErrMalformed means that bytes are no message.
var ErrMalformed = errors.New("malformed message")

// Fields yields the fields of a message that are numbers, texts, bytes or messages, in their order. The error comes last.
func Fields(b []byte) iter.Seq2[Field, error] {
	return func(yield func(Field, error) bool) {
		for len(b) > 0 {
			number, kind, n := protowire.ConsumeTag(b)
			if n < 0 {
				yield(Field{}, ErrMalformed)
				return
			}
			b = b[n:]
			f := Field{Number: number}
			switch kind {
			case protowire.VarintType:
				f.N, n = protowire.ConsumeVarint(b)
			case protowire.BytesType:
				f.Bytes, n = protowire.ConsumeBytes(b)
			default:
				n = protowire.ConsumeFieldValue(number, kind, b)
			}
			if n < 0 {
				yield(Field{}, ErrMalformed)
				return
			}
			b = b[n:]
			if kind != protowire.VarintType && kind != protowire.BytesType {
				continue
			}
			if !yield(f, nil) {
				return
			}
		}
	}
}

// Entry reads an entry of a map of texts.
func Entry(b []byte) (key, value []byte, err error) {
	for f, err := range Fields(b) {
		switch {
		case err != nil:
			return nil, nil, err
		case f.Number == 1:
			key = f.Bytes
		case f.Number == 2:
			value = f.Bytes
		}
	}
	return key, value, nil
}
