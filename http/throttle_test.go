package http

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheThrottleForgetsBeforeItGrows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newThrottle(2, time.Now)
		failing := "192.0.2.1:1"
		s.failed(failing)
		s.failed(failing)
		for i := range 3 * maxAddresses {
			s.failed(fmt.Sprintf("[2001:db8:%x:%x::1]:80", i>>16, i&0xffff))
			if len(s.addresses) > maxAddresses {
				t.Fatalf("%d addresses are remembered", len(s.addresses))
			}
		}
		time.Sleep(time.Minute)
		s.forget(time.Now())
		if len(s.addresses) != 0 {
			t.Errorf("%d addresses are remembered though nothing speaks against them", len(s.addresses))
		}
	})
}

func TestANetworkSharesItsFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newThrottle(2, time.Now)
		for _, c := range []struct {
			remote string
			slowed bool
		}{
			{"[2001:db8::1]:1", false}, {"[2001:db8::2]:2", false}, {"[2001:db8::ffff]:3", true}, {"[2001:db8:0:1::1]:1", false},
			{"192.0.2.1:1", false}, {"[::ffff:192.0.2.1]:2", false}, {"192.0.2.1:3", true}, {"192.0.2.2:1", false},
			{"@", false}, {"", false}, {"not an address", true},
		} {
			if got := s.failed(c.remote) > 0; got != c.slowed {
				t.Errorf("%s: slowed %v", c.remote, got)
			}
		}
		if wait := s.failed("192.0.2.1:1"); wait <= 0 || wait > time.Second {
			t.Errorf("told to wait %s", wait)
		}
		if s.lookUp("192.0.2.1:1") == 0 {
			t.Error("an address without failures left may look up keys")
		}
		time.Sleep(time.Second)
		if s.lookUp("192.0.2.1:1") > 0 || s.failed("192.0.2.1:1") > 0 || s.failed("192.0.2.1:1") == 0 {
			t.Error("a second does not give one failure back")
		}
	})
}

func TestLookUpsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newThrottle(10, time.Now)
		n := 0
		for i := range 1000 {
			if s.lookUp(fmt.Sprintf("192.0.%d.%d:1", i/256, i%256)) == 0 {
				n++
			}
		}
		if n != lookUpsBurst {
			t.Errorf("%d look-ups at once, want %d", n, lookUpsBurst)
		}
		time.Sleep(time.Second)
		for n = 0; s.lookUp("198.51.100.1:1") == 0; n++ {
		}
		if n != lookUpsPerSecond {
			t.Errorf("%d look-ups a second later, want %d", n, lookUpsPerSecond)
		}
	})
}
