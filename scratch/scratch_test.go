package scratch

import (
	"bytes"
	"sync"
	"testing"
)

func TestWhatIsLentIsEmptyAndNobodyElsesAtTheTime(t *testing.T) {
	var all sync.WaitGroup
	for who := range byte(8) {
		all.Go(func() {
			for range 1000 {
				b := Borrow()
				if len(*b) != 0 {
					t.Errorf("a buffer is lent with %d bytes", len(*b))
				}
				*b = append(*b, bytes.Repeat([]byte{who}, 100)...)
				if n := bytes.Count(*b, []byte{who}); n != 100 {
					t.Errorf("%d bytes of 100 are left", n)
				}
				Return(b)
			}
		})
	}
	all.Wait()
}

func TestALargeBufferIsNotKept(t *testing.T) {
	for range 1000 {
		b := Borrow()
		if cap(*b) > most {
			t.Fatalf("a buffer of %d bytes is lent again", cap(*b))
		}
		*b = make([]byte, most+1)
		Return(b)
	}
}
