package domain

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate bounds how many attempts begin in a second or a minute. Its JSON form is text such as "10/s" or "600/m". The zero
// Rate is no bound.
type Rate struct {
	// Count is how many, Per the second or minute in which they may begin.
	Count int
	Per   time.Duration
}

// MaxRate is the highest count of a Rate, per second or per minute.
const MaxRate = 10_000

// IsZero reports whether the rate bounds nothing.
func (r Rate) IsZero() bool { return r == Rate{} }

// PerSecond is the rate as a number.
func (r Rate) PerSecond() float64 { return float64(r.Count) / r.Per.Seconds() }

// String returns text such as "10/s".
func (r Rate) String() string {
	if r.Per == time.Minute {
		return strconv.Itoa(r.Count) + "/m"
	}
	return strconv.Itoa(r.Count) + "/s"
}

// MarshalText returns what String returns.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText writes, with a count from 1 to MaxRate; every other spelling is refused.
func (r *Rate) UnmarshalText(b []byte) error {
	count, per, _ := strings.Cut(string(b), "/")
	n, err := strconv.Atoi(count)
	read := Rate{Count: n, Per: map[string]time.Duration{"s": time.Second, "m": time.Minute}[per]}
	if err != nil || n < 1 || n > MaxRate || read.Per == 0 || read.String() != string(b) {
		return fmt.Errorf("not a rate such as 10/s or 600/m: %.40q", b)
	}
	*r = read
	return nil
}
