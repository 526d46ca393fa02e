package main

import (
	"bytes"
	"strconv"
)

// payloadSize is the size in bytes of what is published: a JSON object that says which message it is and when it was
// handed to the publisher's connection.
const payloadSize = 500

const (
	markStart = `{"bench":"`
	markEnd   = `","pad":"`
	runWidth  = 4
	seqWidth  = 9
	timeWidth = 19
	markWidth = runWidth + 1 + seqWidth + 1 + timeWidth
)

var padding = bytes.Repeat([]byte("x"), payloadSize-len(markStart)-markWidth-len(markEnd)-len(`"}`))

// mark names a message: the measurement it belongs to, its number there from 0, and the time in nanoseconds since 1970
// at which it was handed out.
type mark struct {
	run, seq int
	at       int64
}

// appendPayload writes a payload of exactly payloadSize bytes.
func appendPayload(b []byte, m mark) []byte {
	b = append(b, markStart...)
	b = appendNumber(b, int64(m.run), runWidth)
	b = append(b, '.')
	b = appendNumber(b, int64(m.seq), seqWidth)
	b = append(b, '.')
	b = appendNumber(b, m.at, timeWidth)
	b = append(b, markEnd...)
	b = append(b, padding...)
	return append(b, `"}`...)
}

func appendNumber(b []byte, n int64, width int) []byte {
	end := len(b) + width
	for range width {
		b = append(b, '0')
	}
	for i := end - 1; n > 0 && i >= end-width; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}

// findMark finds the mark of the payload inside a body; false if there is none.
func findMark(body []byte) (mark, bool) {
	i := bytes.Index(body, []byte(markStart))
	if i < 0 || len(body) < i+len(markStart)+markWidth {
		return mark{}, false
	}
	text := body[i+len(markStart):][:markWidth]
	run, err1 := strconv.Atoi(string(text[:runWidth]))
	seq, err2 := strconv.Atoi(string(text[runWidth+1:][:seqWidth]))
	at, err3 := strconv.ParseInt(string(text[markWidth-timeWidth:]), 10, 64)
	return mark{run, seq, at}, err1 == nil && err2 == nil && err3 == nil
}
