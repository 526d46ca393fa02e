package domain

import (
	"fmt"
	"time"
)

// Duration is a time.Duration whose JSON form is text such as "30s", "5m" or "24h".
type Duration time.Duration

// Limits of what may be overridden (docs/contract.md).
const (
	MaxRetries = 20
	MinDelay   = Duration(time.Second)
	MaxDelay   = Duration(7 * 24 * time.Hour)
	MinTimeout = Duration(time.Second)
	MaxTimeout = Duration(time.Minute)
)

// String returns the shortest text that time.ParseDuration reads back as the same duration: "24h", not "24h0m0s".
func (d Duration) String() string {
	s := time.Duration(d).String()
	if len(s) > 2 && s[len(s)-2:] == "0s" && (s[len(s)-3] == 'm') {
		s = s[:len(s)-2]
	}
	if len(s) > 2 && s[len(s)-2:] == "0m" && s[len(s)-3] == 'h' {
		s = s[:len(s)-2]
	}
	return s
}

// MarshalText returns what String returns.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(b []byte) error {
	parsed, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("not a duration such as 30s, 5m or 24h: %.40q", b)
	}
	*d = Duration(parsed)
	return nil
}

// checkSchedule holds the limits of an overridden retry schedule; nil means that nothing is overridden.
func checkSchedule(field string, delays []Duration) []FieldError {
	if delays == nil {
		return nil
	}
	if len(delays) < 1 || len(delays) > MaxRetries {
		return []FieldError{{field, fmt.Sprintf("must have 1 to %d delays", MaxRetries)}}
	}
	for i, d := range delays {
		if d < MinDelay || d > MaxDelay {
			return []FieldError{{fmt.Sprintf("%s[%d]", field, i), fmt.Sprintf("must be from %s to %s", MinDelay, MaxDelay)}}
		}
	}
	return nil
}

// checkTimeout holds the limits of an overridden timeout; zero means that nothing is overridden.
func checkTimeout(field string, d Duration) []FieldError {
	if d != 0 && (d < MinTimeout || d > MaxTimeout) {
		return []FieldError{{field, fmt.Sprintf("must be from %s to %s", MinTimeout, MaxTimeout)}}
	}
	return nil
}
