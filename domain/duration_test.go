package domain

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDurationsAreSpelledShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 10 * time.Second: "10s", time.Minute: "1m", 10 * time.Minute: "10m", time.Hour: "1h",
		24 * time.Hour: "24h", 168 * time.Hour: "168h", 90 * time.Second: "1m30s", 70 * time.Minute: "1h10m",
		time.Hour + time.Second: "1h0m1s", 1500 * time.Millisecond: "1.5s", 100 * time.Millisecond: "100ms", -time.Hour: "-1h",
		time.Minute + 100*time.Millisecond: "1m0.1s", 3*time.Hour + 20*time.Minute: "3h20m",
	} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%d: got %s, want %s", d, got, want)
		}
	}
}

func TestDurationsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawDuration(t, "duration")
		if d == math.MinInt64 {
			t.Skip("time.ParseDuration cannot read the least")
		}
		text, err := d.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Duration
		if err := back.UnmarshalText(text); err != nil || back != d {
			t.Fatalf("%s: got %s, %v", text, back, err)
		}
	})
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"1h", "24h0m0s", "1m30s", "-0.5s", "1", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var d, back Duration
		if d.UnmarshalText([]byte(s)) != nil || d == math.MinInt64 {
			return
		}
		if err := back.UnmarshalText([]byte(d.String())); err != nil || back != d {
			t.Errorf("%q is %d, which is spelled %s and read as %d (%v)", s, d, d, back, err)
		}
	})
}

func TestOverridesHaveLimits(t *testing.T) {
	many := make([]Duration, MaxRetries+1)
	for i := range many {
		many[i] = MinDelay
	}
	for _, c := range []struct {
		name     string
		schedule []Duration
		field    string
	}{
		{"none", nil, ""}, {"an empty list", []Duration{}, "s"}, {"20 delays", many[:MaxRetries], ""}, {"21 delays", many, "s"},
		{"1 s", []Duration{MinDelay}, ""}, {"under 1 s", []Duration{MinDelay, MinDelay - 1}, "s[1]"},
		{"7 days", []Duration{MaxDelay}, ""}, {"over 7 days", []Duration{MaxDelay + 1}, "s[0]"},
	} {
		var want []string
		if c.field != "" {
			want = []string{c.field}
		}
		wantFields(t, c.name, RefuseFields(checkSchedule("s", c.schedule)...), want...)
	}
	for d, ok := range map[Duration]bool{0: true, MinTimeout: true, MaxTimeout: true, MinTimeout - 1: false, MaxTimeout + 1: false, -1: false} {
		if got := len(checkTimeout("t", d)) == 0; got != ok {
			t.Errorf("timeout %s: allowed %v, want %v", d, got, ok)
		}
	}
}
