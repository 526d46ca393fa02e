package egress

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter cuts what a receiver may ask for, well above every schedule.
const maxRetryAfter = 365 * 24 * time.Hour

// ParseRetryAfter reads a Retry-After value: a number of seconds, or an HTTP date, which is taken relative to the
// answer's own Date, so that a receiver's wrong clock does no harm, and to now where date is missing or not valid.
// The result is 0 to a year; the second is false if value is neither.
func ParseRetryAfter(value, date string, now time.Time) (time.Duration, bool) {
	value = strings.Trim(value, " \t")
	if value != "" && strings.Trim(value, "0123456789") == "" {
		return retryAfterSeconds(value), true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	if answered, err := http.ParseTime(date); err == nil {
		now = answered
	}
	return min(max(at.Sub(now), 0), maxRetryAfter), true
}

func retryAfterSeconds(digits string) time.Duration {
	seconds, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || seconds > uint64(maxRetryAfter/time.Second) {
		return maxRetryAfter
	}
	return time.Duration(seconds) * time.Second
}
