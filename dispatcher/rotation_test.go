package dispatcher_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/dispatcher/egress"
	"github.com/hooklog/hooklog/webhook"
)

// While a secret is rotated, a profile whose signature is a list signs with both, every other with the old one; then all
// sign with the new one. It holds the row webhooks.rotate.
func TestASecretIsRotatedAsTheProfileAllows(t *testing.T) {
	for _, p := range webhook.Profiles() {
		t.Run(p.Name(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.receiver = func(egress.Request) egress.Result { return answer(200) }
				r.start()
				defer func() { r.stop() }()
				org := r.organization("acme", p.Name())
				s, first, at, err := r.commands.CreateSubscription(t.Context(), by, org, commands.NewSubscription{URL: "https://example.com/", Events: []string{"things.happened"}})
				must(t, err)
				must(t, r.fold.WaitFor(t.Context(), at))
				rotate := func(overlap time.Duration) string {
					_, made, at, err := r.commands.RotateSecret(t.Context(), by, org, s.ID, overlap)
					must(t, err)
					must(t, r.fold.WaitFor(t.Context(), at))
					return made.Reveal()
				}
				check := func(when, secret string, good bool) {
					t.Helper()
					if err := r.verifyNext(p, org, secret); (err == nil) != good {
						t.Errorf("%s: verified %v, want good %v", when, err, good)
					}
				}
				list := p.Name() == "standard"
				check("before", first.Reveal(), true)
				second := rotate(time.Hour)
				check("in the overlap, the old one", first.Reveal(), true)
				check("in the overlap, the new one", second, list)
				time.Sleep(time.Hour)
				check("after it, the old one", first.Reveal(), false)
				check("after it, the new one", second, true)
				third := rotate(0)
				check("at once, the old one", second, false)
				check("at once, the new one", third, true)
			})
		})
	}
}

// verifyNext publishes and verifies what the receiver gets.
func (r *rig) verifyNext(p *webhook.Profile, org [16]byte, secret string) error {
	r.t.Helper()
	r.publish(org, 1)
	time.Sleep(time.Second)
	all := r.got()
	q := all[len(all)-1]
	h := http.Header{}
	for name, value := range q.header {
		h.Set(name, strings.Clone(value))
	}
	return p.Verify([]string{secret}, h, []byte(q.body), time.Now(), time.Minute)
}
