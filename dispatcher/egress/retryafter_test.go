package egress

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 23, 18, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	cases := []struct {
		name, value, date string
		want              time.Duration
		ok                bool
	}{
		{"seconds", "120", "", 2 * time.Minute, true},
		{"zero", "0", "", 0, true},
		{"spaces around", " 5\t", "", 5 * time.Second, true},
		{"leading zeros", "0005", "", 5 * time.Second, true},
		{"a year and more", "31536001", "", maxRetryAfter, true},
		{"more than fits", "99999999999999999999999999", "", maxRetryAfter, true},
		{"date by our clock", at(time.Hour), "", time.Hour, true},
		{"date by the receiver's clock", at(time.Hour), at(30 * time.Minute), 30 * time.Minute, true},
		{"receiver's clock far off", at(10_000 * time.Hour), at(9_999 * time.Hour), time.Hour, true},
		{"date with a broken Date", at(time.Hour), "yesterday", time.Hour, true},
		{"past date", at(-time.Hour), "", 0, true},
		{"distant date", at(20_000 * time.Hour), "", maxRetryAfter, true},
		{"RFC 850 date", "Saturday, 23-May-26 18:01:00 GMT", "", time.Minute, true},
		{"asctime date", "Sat May 23 18:01:00 2026", "", time.Minute, true},
		{"empty", "", "", 0, false},
		{"blank", "  ", "", 0, false},
		{"negative", "-5", "", 0, false},
		{"signed", "+5", "", 0, false},
		{"fraction", "1.5", "", 0, false},
		{"unit", "5s", "", 0, false},
		{"word", "soon", "", 0, false},
	}
	for _, c := range cases {
		got, ok := ParseRetryAfter(c.value, c.date, now)
		if got != c.want || ok != c.ok {
			t.Errorf("%s: ParseRetryAfter(%q, %q) = %v, %v, want %v, %v", c.name, c.value, c.date, got, ok, c.want, c.ok)
		}
	}
}

func TestRetryAfterOfAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inAnHour := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
		cases := []struct {
			status int
			header string
			want   time.Duration
			ok     bool
		}{
			{503, "Retry-After: 30\r\n", 30 * time.Second, true},
			{429, "Retry-After: " + inAnHour + "\r\n", time.Hour, true},
			{503, "retry-after: 1\r\nRetry-After: 2\r\n", time.Second, true},
			{503, "", 0, false},
			{503, "Retry-After: soon\r\n", 0, false},
			{200, "Retry-After: 30\r\n", 0, false},
		}
		for _, test := range cases {
			c, _ := inMemory(t, answering(fmt.Sprintf("HTTP/1.1 %d Some\r\n%sContent-Length: 0\r\n\r\n", test.status, test.header)))
			result := post(t, c, devURL)
			if result.Status != test.status || result.RetryAfter != test.want || result.HasRetryAfter != test.ok {
				t.Errorf("%d %q: Retry-After %v, %v, want %v, %v", test.status, test.header, result.RetryAfter, result.HasRetryAfter, test.want, test.ok)
			}
		}
	})
}

func FuzzParseRetryAfter(f *testing.F) {
	f.Add("120", "")
	f.Add("Sat, 23 May 2026 18:01:00 GMT", "Sat, 23 May 2026 18:00:00 GMT")
	f.Add("-1", "x")
	f.Fuzz(func(t *testing.T, value, date string) {
		got, ok := ParseRetryAfter(value, date, time.Unix(1_700_000_000, 0))
		if got < 0 || got > maxRetryAfter || !ok && got != 0 {
			t.Errorf("ParseRetryAfter(%q, %q) = %v, %v", value, date, got, ok)
		}
	})
}
