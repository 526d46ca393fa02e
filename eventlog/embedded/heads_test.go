package embedded

import (
	"fmt"
	"testing"

	"github.com/hooklog/hooklog/eventlog"
)

// TestHeadsOfManyStreamsAreForgotten but those that are used.
func TestHeadsOfManyStreamsAreForgotten(t *testing.T) {
	t.Parallel()
	h := newHeads()
	h.keep("used", 7)
	for i := range 10 * maxHeads {
		h.begin()
		h.keep(fmt.Sprint(i), eventlog.Expected(i))
		if head, ok := h.get("used"); !ok || head != 7 {
			t.Fatalf("after %d others the head that is used is %d, %v", i, head, ok)
		}
	}
	if n := len(h.young) + len(h.old); n > 2*maxHeads || maxHeads > 1<<13 {
		t.Errorf("%d heads are remembered", n)
	}
	if _, ok := h.get("0"); ok {
		t.Error("a head that nobody asks for is still remembered")
	}
}
