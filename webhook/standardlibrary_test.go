package webhook_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/hooklog/hooklog/webhook"
)

const (
	olderKey = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	newerKey = "whsec_c2Vjb25kIGtleSBvZiB0d2VudHktZm91"
	otherKey = "whsec_dGhpcmQga2V5IG9mIHR3ZW50eSBmb3Vy"
)

// standardRequest is an attempt of profile standard as a receiver sees it, signed now with all secrets.
func standardRequest(t *testing.T, secrets ...string) (http.Header, []byte) {
	t.Helper()
	p, _ := webhook.ByName("standard")
	data, err := webhook.Canonical([]byte(`{ "name": "Zo\u00eb", "amounts": [1.0, 1E5] }`))
	if err != nil {
		t.Fatal(err)
	}
	m := webhook.Message{Type: "invoice.paid", ID: "evt_1", OccurredAt: time.Now(), Data: data}
	body, err := p.AppendBody(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := p.Keys(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := p.AppendHeaders(nil, webhook.Attempt{Message: m, Body: body, At: time.Now(), Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	for _, f := range fields {
		h.Set(f.Name, f.Value)
	}
	return h, body
}

// TestTheStandardLibraryVerifiesOurs runs the Standard Webhooks project's own Go receiver on our requests.
func TestTheStandardLibraryVerifiesOurs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, body := standardRequest(t, olderKey, newerKey)
		for _, secret := range []string{olderKey, newerKey} {
			if err := receiverOf(t, secret).Verify(body, h); err != nil {
				t.Errorf("one of two secrets during a rotation: %v", err)
			}
		}
		if err := receiverOf(t, otherKey).Verify(body, h); !errors.Is(err, standardwebhooks.ErrNoMatchingSignature) {
			t.Errorf("another secret: %v", err)
		}
		if err := receiverOf(t, olderKey).Verify(append(body, ' '), h); !errors.Is(err, standardwebhooks.ErrNoMatchingSignature) {
			t.Errorf("another body: %v", err)
		}
		time.Sleep(webhook.DefaultTolerance + 2*time.Second)
		if err := receiverOf(t, olderKey).Verify(body, h); !errors.Is(err, standardwebhooks.ErrMessageTooOld) {
			t.Errorf("an old attempt: %v", err)
		}
	})
}

// TestWeVerifyTheStandardLibrarys signs with their library and verifies with ours.
func TestWeVerifyTheStandardLibrarys(t *testing.T) {
	t.Parallel()
	body := []byte(`{"type":"invoice.paid","timestamp":"2026-05-23T18:00:00Z","data":{}}`)
	at := time.Unix(1779559200, 0)
	signature, err := receiverOf(t, olderKey).Sign("msg_1", at, body)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	h.Set(standardwebhooks.HeaderWebhookID, "msg_1")
	h.Set(standardwebhooks.HeaderWebhookTimestamp, "1779559200")
	h.Set(standardwebhooks.HeaderWebhookSignature, signature)
	p, _ := webhook.ByName("standard")
	if err := p.Verify([]string{newerKey, olderKey}, h, body, at, 0); err != nil {
		t.Error(err)
	}
	if err := p.Verify([]string{newerKey}, h, body, at, 0); !errors.Is(err, webhook.ErrMismatch) {
		t.Errorf("another secret: %v", err)
	}
}

func receiverOf(t *testing.T, secret string) *standardwebhooks.Webhook {
	t.Helper()
	w, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	return w
}
