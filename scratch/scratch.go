// Package scratch lends memory for bytes that nobody needs any more a moment later: bodies and requests on their way.
// Fresh memory costs more than its allocation, since it is in none of the processor's caches.
package scratch

import "sync"

// most is how large a buffer may be, in bytes, to be lent again.
const most = 64 << 10

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Borrow lends an empty buffer. Whoever appends to it stores the result in it. One that is not returned is lost to others
// and nothing worse.
func Borrow() *[]byte { return buffers.Get().(*[]byte) }

// Return gives a buffer back. Nobody may hold on to its bytes, which change from then on. A large one is not kept.
func Return(b *[]byte) {
	if cap(*b) > most {
		return
	}
	*b = (*b)[:0]
	buffers.Put(b)
}
