package projections

import (
	"slices"
	"testing"

	"github.com/hooklog/hooklog/domain"
)

func TestClientsAreThoseThatMessagesAndSubscriptionsName(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org, other := s.organization("vntana"), s.organization("vntana")
	publish := func(org domain.OrganizationID, client string) {
		s.publishAs(domain.MessageID(s.id()), &domain.MessagePublished{Organization: org, EventType: "a.b", Client: client, OccurredAt: s.now,
			Payload: []byte("sealed"), PayloadSHA256: []byte("sum"), Seen: 1})
	}
	sub := domain.SubscriptionID(s.id())
	s.write(domain.SubscriptionStream(sub), &domain.SubscriptionCreated{Organization: org, Secret: []byte("sealed"),
		SubscriptionSettings: domain.SubscriptionSettings{URL: "https://example.com", Events: []string{"a.b"}, Clients: []string{"spring", "autumn"}}})
	for _, client := range []string{"spring", "", "odd/ü", "spring", "winter"} {
		publish(org, client)
	}
	publish(other, "theirs")
	publish(domain.OrganizationID{1}, "nobodys")
	x := folded(t, s)
	want := map[domain.OrganizationID][]string{org: {"autumn", "odd/ü", "spring", "winter"}, other: {"theirs"}, {1}: nil, {0xff}: nil}
	for org, want := range want {
		for limit := range 5 {
			got, err := x.Clients(org, limit)
			if err != nil || !slices.Equal(got, want[:min(limit, len(want))]) {
				t.Errorf("the first %d of %s: %q, %v; want %q", limit, org, got, err, want)
			}
		}
	}
	s.deleteSubscription(org, sub)
	foldOn(t, x, s)
	if got, err := x.Clients(org, 10); err != nil || !slices.Equal(got, []string{"odd/ü", "spring", "winter"}) {
		t.Errorf("without the subscription: %q, %v", got, err)
	}
}
