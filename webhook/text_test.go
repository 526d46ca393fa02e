package webhook

import (
	"bytes"
	"testing"
)

// TestPlainRunFindsEveryByte puts every byte at every place of two words, alone and before another special one.
func TestPlainRunFindsEveryByte(t *testing.T) {
	t.Parallel()
	for at := range 17 {
		for b := range 256 {
			for _, after := range []byte{'x', '"', 0x00, 0x1f, 0x7f, 0x80, 0xff, '!', ' '} {
				text := bytes.Repeat([]byte{'x'}, 17)
				text[at] = byte(b)
				if at+1 < len(text) {
					text[at+1] = after
				}
				want := 0
				for want < len(text) && isPlain(text[want]) {
					want++
				}
				if got := plainRun(text); got != want {
					t.Fatalf("%q: got %d, want %d", text, got, want)
				}
			}
		}
	}
}
