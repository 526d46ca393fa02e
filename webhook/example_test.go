package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hooklog/hooklog/webhook"
)

// A handler reads and verifies in one step, before it believes any byte.
func ExampleReadVerified() {
	verification := webhook.Verification{
		Profile: "standard",
		Secrets: []string{"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}, // during a rotation the new one too
	}
	http.HandleFunc("POST /hook", func(w http.ResponseWriter, r *http.Request) {
		body, err := webhook.ReadVerified(r, verification)
		switch {
		case errors.Is(err, webhook.ErrMismatch), errors.Is(err, webhook.ErrStale):
			http.Error(w, err.Error(), http.StatusUnauthorized)
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
		default:
			fmt.Printf("%s brought %d bytes\n", r.Header.Get("webhook-id"), len(body))
			w.WriteHeader(http.StatusNoContent)
		}
	})
}

// The error names what was wrong, for people and for errors.Is.
func ExampleVerify() {
	header := http.Header{}
	header.Set("X-VC-Timestamp", "1700000000000")
	header.Set("X-VC-Signature", "sha256=7a77d4cf4b4ecfe14c2ee38a41becf07a718465f6d1f19ec506400fdd1b4c3d5")
	body := []byte(`{"data":{"message":"integration test"},"event":"vc.test.ping",` +
		`"id":"evt_a1b2c3d4-e5f6-7890-abcd-ef1234567890","occurred_at":"2026-05-23T18:00:00.000000Z",` +
		`"subscription_id":"wh_11111111-2222-3333-4444-555555555555"}`)
	now := time.Unix(1700000060, 0)
	v := webhook.Verification{Secrets: []string{"whsec_test"}, Now: func() time.Time { return now }}

	fmt.Println(webhook.Verify(header, body, v))
	now = now.Add(time.Hour)
	err := webhook.Verify(header, body, v)
	fmt.Println(errors.Is(err, webhook.ErrStale), err)
	// Output:
	// <nil>
	// true X-VC-Timestamp: timestamp outside the replay window
}
