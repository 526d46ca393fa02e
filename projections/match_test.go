package projections

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// BenchmarkMatch measures a message to one subscription of any of so many organizations, each of which has ten that ask for
// a type of their own.
func BenchmarkMatch(b *testing.B) {
	for _, organizations := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("subscriptions=%d", organizations*matchedEach), func(b *testing.B) {
			var x Fold
			questions := populate(&x, organizations)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				q := &questions[i%len(questions)]
				if matching, _ := x.Match(q.org, q.eventType, ""); len(matching.Targets) != 1 {
					b.Fatal(matching)
				}
			}
		})
	}
}

// matchedEach is how many subscriptions an organization has.
const matchedEach = 10

// question asks who gets a message.
type question struct {
	org       domain.OrganizationID
	eventType string
}

// populate gives a fold its organizations, and returns a question for every subscription, in random order.
func populate(x *Fold, organizations int) (questions []question) {
	m := newModels(nil, colours{})
	x.current.Store(m)
	for i := range organizations {
		var org domain.OrganizationID
		binary.BigEndian.PutUint64(org[8:], uint64(i))
		m.directory.putOrganization(domain.Organization{ID: org, Slug: fmt.Sprintf("organization-%d", i)})
		for j := range matchedEach {
			s := &domain.Subscription{Organization: org, Secret: make([]byte, 85)}
			binary.BigEndian.PutUint64(s.ID[8:], uint64(i*matchedEach+j))
			s.URL, s.Events = fmt.Sprintf("https://example.com/%d/%d", i, j), []string{fmt.Sprintf("order.type_%d", j)}
			m.directory.putSubscription(s, eventlog.Position{})
			questions = append(questions, question{org, fmt.Sprintf("order.type_%d", j)})
		}
	}
	rand.Shuffle(len(questions), func(i, j int) { questions[i], questions[j] = questions[j], questions[i] })
	return questions
}
