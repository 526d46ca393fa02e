package webhook

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestNoKeyOfWhatIsNoSecret(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		profile string
		secrets []string
		want    error
		says    string
	}{
		"empty":          {"vantageclaw", []string{""}, ErrNoSecret, "secret 1 of 1"},
		"without prefix": {"standard", []string{"hunter2hunter2"}, ErrSecretFormat, "secret 1 of 1"},
		"no base64":      {"standard", []string{"whsec_hunter2!"}, ErrSecretFormat, "secret 1 of 1"},
		"second bad":     {"standard", []string{standardSecret, "whsec_hunter2!"}, ErrSecretFormat, "secret 2 of 2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, err := named(t, test.profile).Keys(test.secrets...)
			if keys != nil || !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("got %v, %v; want %v, saying %s", keys, err, test.want, test.says)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error gives the secret away: %v", err)
			}
		})
	}
}

// A key that has signed other things, and signs them now, signs as one that is new.
func TestOneKeySignsForManyAtOnce(t *testing.T) {
	t.Parallel()
	for _, p := range Profiles() {
		t.Run(p.Name(), func(t *testing.T) {
			t.Parallel()
			kept := keysOf(t, p, testSecret(p))
			var signing sync.WaitGroup
			for n := range 8 {
				signing.Go(func() {
					a := testAttempt(t, p)
					a.Message.ID += strings.Repeat("0", n*40)
					for i := range 50 {
						a.Body = fmt.Appendf(nil, `{"n":%d}%0*d`, n, 1+i*7, i)
						a.Keys = keysOf(t, p, testSecret(p))
						want, err := p.Sign(a)
						if err != nil {
							t.Error(err)
						}
						a.Keys = kept
						if got, err := p.Sign(a); err != nil || got != want {
							t.Errorf("got %s, %v; want %s", got, err, want)
						}
					}
				})
			}
			signing.Wait()
		})
	}
}

// A string that prints a key must say nothing of it.
func TestAKeyIsNotPrinted(t *testing.T) {
	t.Parallel()
	key := keysOf(t, Default(), "hunter2")[0]
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, key); text != "Key(redacted)" {
			t.Errorf("%s prints %q", verb, text)
		}
	}
}
