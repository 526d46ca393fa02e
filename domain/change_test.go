package domain

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestWhatAFactChanged(t *testing.T) {
	at := time.Date(2026, 1, 30, 14, 30, 0, 0, time.UTC)
	org := OrganizationID{1}
	settings := SubscriptionSettings{URL: "https://a.example/", Events: []string{"a.b"}, Name: "one"}
	changed := settings
	changed.URL, changed.Name, changed.Timeout, changed.Clients = "https://b.example/", "", MaxTimeout, []string{"eu"}
	changed.RateLimit = Rate{Count: 5, Per: time.Second}
	changed.Headers = []SealedHeader{{"X-Key", []byte("sealed-value")}}
	var s Subscription
	for i, step := range []struct {
		f    Fact
		want string
	}{
		{&SubscriptionCreated{Organization: org, Secret: []byte("sealed-1"), SubscriptionSettings: settings},
			`[{"member":"url","before":null,"after":"https://a.example/"},{"member":"events","before":null,"after":["a.b"]},` +
				`{"member":"name","before":null,"after":"one"},{"member":"status","before":null,"after":"active"}]`},
		{&SubscriptionChanged{Organization: org, SubscriptionSettings: changed},
			`[{"member":"url","before":"https://a.example/","after":"https://b.example/"},{"member":"clients","before":null,"after":["eu"]},` +
				`{"member":"name","before":"one","after":null},{"member":"timeout","before":null,"after":"1m"},{"member":"rate_limit","before":null,"after":"5/s"},{"member":"headers","kept":"replaced"}]`},
		{&SubscriptionChanged{Organization: org, SubscriptionSettings: changed}, `null`},
		{&SecretRotated{Organization: org, Secret: []byte("sealed-2"), PreviousUntil: at.Add(time.Hour)},
			`[{"member":"secret","kept":"rotated"},{"member":"previous_secret_until","before":null,"after":"2026-01-30T15:30:00Z"}]`},
		{&SubscriptionDisabled{Organization: org, By: ByOwner}, `[{"member":"status","before":"active","after":"disabled"}]`},
		{&SubscriptionEnabled{Organization: org}, `[{"member":"status","before":"disabled","after":"active"}]`},
		{&SubscriptionDeleted{Organization: org}, `[{"member":"status","before":"active","after":"deleted"}]`},
	} {
		before := s
		s = s.Apply(step.f, Meta{At: at}, uint64(i))
		got, err := json.Marshal(before.Changes(s))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != step.want {
			t.Errorf("%s\n got %s\nwant %s", step.f.FactType(), got, step.want)
		}
		if strings.Contains(string(got), "sealed") {
			t.Errorf("tells what is sealed: %s", got)
		}
	}
}
