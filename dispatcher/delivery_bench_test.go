package dispatcher_test

import (
	"fmt"
	"testing"

	"github.com/hooklog/hooklog/dispatcher/egress"
	"github.com/hooklog/hooklog/domain"
)

// BenchmarkDelivery measures a message from publish to the recorded outcomes of its deliveries in a whole node but for HTTP,
// with at most 256 deliveries on their way. What publishing, the log and the fold cost is in it; what is allocated by whom a
// memory profile tells.
func BenchmarkDelivery(b *testing.B) {
	for _, targets := range []int{1, 16} {
		b.Run(fmt.Sprintf("targets=%d", targets), func(b *testing.B) {
			r := newRig(b)
			r.forgetful = true
			room := make(chan struct{}, 256)
			r.receiver = func(egress.Request) egress.Result {
				<-room
				return answer(204)
			}
			r.start()
			defer r.stop()
			org := r.organization("bench", "vantageclaw")
			for i := range targets {
				r.subscribe(org, fmt.Sprintf("https://receiver-%d.example/hook", i))
			}
			data := fmt.Appendf(nil, `{"text":"%0500d"}`, 0)
			b.ReportAllocs()
			for b.Loop() {
				for range targets {
					room <- struct{}{}
				}
				_, err := r.commands.Publish(b.Context(), by, domain.Publication{Organization: org, EventType: "things.happened", Data: data})
				must(b, err)
			}
		})
	}
}
