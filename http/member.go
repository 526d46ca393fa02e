package http

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
)

// text reads a string.
func text(to *string) reader {
	return func(field string, value []byte) []domain.FieldError {
		s, ok := readText(value)
		if !ok {
			return wrong(field, "must be a string")
		}
		*to = s
		return nil
	}
}

// texts reads an array of strings. It never leaves nil.
func texts(to *[]string) reader {
	return list(to, text)
}

// scopes reads an array of scopes.
func scopes(to *[]domain.Scope) reader {
	return list(to, func(s *domain.Scope) reader { return text((*string)(s)) })
}

// durations reads an array of durations such as "30s".
func durations(to *[]domain.Duration) reader { return list(to, duration) }

// list reads an array, each of its elements as element does.
func list[T any](to *[]T, element func(*T) reader) reader {
	return func(field string, value []byte) []domain.FieldError {
		if len(value) == 0 || value[0] != '[' {
			return wrong(field, "must be an array")
		}
		var bad []domain.FieldError
		all := []T{}
		walk := elements{in: value}
		for walk.next() {
			var one T
			bad = append(bad, element(&one)(fmt.Sprintf("%s[%d]", field, len(all)), walk.value)...)
			all = append(all, one)
		}
		if walk.err != nil {
			return wrong(field, "must be an array")
		}
		*to = all
		return bad
	}
}

// duration reads a duration such as "30s", "5m" or "24h".
func duration(to *domain.Duration) reader {
	return func(field string, value []byte) []domain.FieldError {
		s, ok := readText(value)
		if !ok || to.UnmarshalText([]byte(s)) != nil {
			return wrong(field, "must be a duration such as 30s, 5m or 24h")
		}
		return nil
	}
}

// integer reads a whole number of at least least.
func integer(to *int, least int) reader {
	return func(field string, value []byte) []domain.FieldError {
		n, err := strconv.ParseInt(string(value), 10, 32)
		if err != nil || int(n) < least {
			return wrong(field, fmt.Sprintf("must be a whole number of at least %d", least))
		}
		*to = int(n)
		return nil
	}
}

// instant reads an RFC 3339 time.
func instant(to *time.Time) reader {
	return func(field string, value []byte) []domain.FieldError {
		if s, ok := readText(value); ok {
			if t, ok := checkedTime(s); ok {
				*to = t
				return nil
			}
		}
		return wrong(field, "must be a time such as 2026-01-30T14:30:00Z")
	}
}

// document reads a JSON object as it is.
func document(to *json.RawMessage) reader {
	return func(field string, value []byte) []domain.FieldError {
		if len(value) == 0 || value[0] != '{' {
			return wrong(field, "must be an object")
		}
		*to = value
		return nil
	}
}

// orNull reads null as leaving things as they are, everything else as read does.
func orNull(read reader) reader {
	return func(field string, value []byte) []domain.FieldError {
		if string(value) == "null" {
			return nil
		}
		return read(field, value)
	}
}

// noted is a value that a request may name or leave out.
type noted[T any] struct {
	value T
	given bool
}

// or returns the value if it was given, else other.
func (n noted[T]) or(other T) T {
	if n.given {
		return n.value
	}
	return other
}

// note reads a value as read does and remembers that it was given.
func note[T any](to *noted[T], read func(*T) reader) reader {
	return func(field string, value []byte) []domain.FieldError {
		to.given = true
		return read(&to.value)(field, value)
	}
}

// nullable makes a reader that takes null for the zero value.
func nullable[T any](read func(*T) reader) func(*T) reader {
	return func(to *T) reader { return orNull(read(to)) }
}

// boolean reads true or false.
func boolean(to *bool) reader {
	return func(field string, value []byte) []domain.FieldError {
		*to = string(value) == "true"
		if !*to && string(value) != "false" {
			return wrong(field, "must be true or false")
		}
		return nil
	}
}

// pace reads a rate such as "10/s".
func pace(to *domain.Rate) reader {
	return func(field string, value []byte) []domain.FieldError {
		s, ok := readText(value)
		if !ok || to.UnmarshalText([]byte(s)) != nil {
			return wrong(field, fmt.Sprintf("must be a rate such as 10/s or 600/m, with 1 to %d", domain.MaxRate))
		}
		return nil
	}
}

// headerEdits reads an object of header names and values. With removals, null takes a header away.
func headerEdits(to *[]commands.HeaderEdit, removals bool) reader {
	return func(field string, value []byte) []domain.FieldError {
		if len(value) == 0 || value[0] != '{' {
			return wrong(field, "must be an object of names and values")
		}
		var bad []domain.FieldError
		walk := members{in: value}
		for walk.next() {
			e := commands.HeaderEdit{Name: walk.plainName()}
			if s, ok := readText(walk.value); ok {
				e.Value = &s
			} else if !removals || string(walk.value) != "null" {
				bad = append(bad, wrong(domain.HeaderField(e.Name), "must be a string")...)
				continue
			}
			*to = append(*to, e)
		}
		if walk.err != nil {
			return wrong(field, "must be an object of names and values")
		}
		return bad
	}
}

// orElse notes that null was given, and reads everything else as read does.
func orElse(null *bool, read reader) reader {
	return func(field string, value []byte) []domain.FieldError {
		if *null = string(value) == "null"; *null {
			return nil
		}
		return read(field, value)
	}
}
