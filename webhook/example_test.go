package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hooklog/hooklog/webhook"
)

// A receiver verifies the bytes it read before it believes any of them.
func ExampleProfile_Verify() {
	profile, _ := webhook.ByName("vantageclaw")
	header := http.Header{}
	header.Set("X-VC-Timestamp", "1700000000000")
	header.Set("X-VC-Signature", "sha256=7a77d4cf4b4ecfe14c2ee38a41becf07a718465f6d1f19ec506400fdd1b4c3d5")
	body := []byte(`{"data":{"message":"integration test"},"event":"vc.test.ping",` +
		`"id":"evt_a1b2c3d4-e5f6-7890-abcd-ef1234567890","occurred_at":"2026-05-23T18:00:00.000000Z",` +
		`"subscription_id":"wh_11111111-2222-3333-4444-555555555555"}`)
	now := time.Unix(1700000060, 0)

	fmt.Println(profile.Verify([]string{"whsec_test"}, header, body, now, 5*time.Minute))
	err := profile.Verify([]string{"whsec_test"}, header, body, now.Add(time.Hour), 5*time.Minute)
	fmt.Println(errors.Is(err, webhook.ErrStale), err)
	// Output:
	// <nil>
	// true X-VC-Timestamp: timestamp outside the replay window
}
