package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/hooklog/hooklog/sealing"
)

// value is a setting's value of any type: parse reads its text, and format writes it so that parse reads it back.
type value[T any] struct {
	target *T
	kind   string
	parse  func(string) (T, error)
	format func(T) string
}

func (v value[T]) Set(text string) error {
	parsed, err := v.parse(text)
	if err == nil {
		*v.target = parsed
	}
	return err
}

func (v value[T]) String() string { return v.format(*v.target) }

// Type names the kind of value in help texts.
func (v value[T]) Type() string { return v.kind }

// begin gives the value its default, which is part of the program.
func (v value[T]) begin(text string) pflag.Value {
	if err := v.Set(text); err != nil {
		panic(fmt.Sprintf("default %q: %v", text, err))
	}
	return v
}

func asIs(s string) string { return s }

func text(target *string, def string) pflag.Value {
	return value[string]{target, "text", func(s string) (string, error) { return s, nil }, asIs}.begin(def)
}

func oneOf(target *string, def string, allowed ...string) pflag.Value {
	parse := func(s string) (string, error) {
		if !slices.Contains(allowed, s) {
			return "", fmt.Errorf("must be one of %s", strings.Join(allowed, ", "))
		}
		return s, nil
	}
	return value[string]{target, "text", parse, asIs}.begin(def)
}

// toggle is set by its bare flag, as --pprof.
func toggle(target *bool, def string) pflag.Value {
	parse := func(s string) (bool, error) {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return false, fmt.Errorf("must be true or false")
		}
		return b, nil
	}
	return value[bool]{target, "bool", parse, strconv.FormatBool}.begin(def)
}

// hiddenText stands for a secret wherever a setting is shown.
const hiddenText = "[hidden]"

// secret is a text that is never shown.
func secret(target *sealing.Secret) pflag.Value {
	parse := func(s string) (sealing.Secret, error) { return sealing.NewSecret(s), nil }
	format := func(s sealing.Secret) string {
		if s.IsZero() {
			return ""
		}
		return hiddenText
	}
	return value[sealing.Secret]{target, "text", parse, format}.begin("")
}

func number(target *int, def string, least int) pflag.Value {
	parse := func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < least {
			return 0, fmt.Errorf("must be a whole number from %d", least)
		}
		return n, nil
	}
	return value[int]{target, "number", parse, strconv.Itoa}.begin(def)
}

func duration(target *time.Duration, def string) pflag.Value {
	parse := func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return 0, fmt.Errorf("must be a duration such as 15s or 2m")
		}
		return d, nil
	}
	return value[time.Duration]{target, "duration", parse, time.Duration.String}.begin(def)
}

// networks is a list of CIDR prefixes, separated by commas.
func networks(target *[]netip.Prefix, def string) pflag.Value {
	parse := func(s string) ([]netip.Prefix, error) {
		var list []netip.Prefix
		for part := range strings.SplitSeq(s, ",") {
			part = strings.TrimSpace(part)
			if part == "" {
				continue
			}
			prefix, err := netip.ParsePrefix(part)
			if err != nil {
				return nil, fmt.Errorf("%q is not a network such as 127.0.0.0/8", part)
			}
			list = append(list, prefix.Masked())
		}
		return list, nil
	}
	format := func(list []netip.Prefix) string {
		texts := make([]string, len(list))
		for i, prefix := range list {
			texts[i] = prefix.String()
		}
		return strings.Join(texts, ",")
	}
	return value[[]netip.Prefix]{target, "networks", parse, format}.begin(def)
}

var sizeUnits = [...]struct {
	suffix string
	bytes  uint64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// size is a number of bytes such as 256MiB.
func size(target *uint64, def string) pflag.Value {
	return value[uint64]{target, "size", parseSize, formatSize}.begin(def)
}

func parseSize(s string) (uint64, error) {
	digits, unit := s, uint64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			digits, unit = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 64)
	if err != nil || n > (1<<62)/unit {
		return 0, fmt.Errorf("must be a size such as 256MiB, 1GiB or 1048576")
	}
	return n * unit, nil
}

func formatSize(n uint64) string {
	for _, u := range sizeUnits {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatUint(n/u.bytes, 10) + u.suffix
		}
	}
	return "0B"
}

// aboutBytes writes a size for people: three digits or so.
func aboutBytes[N int64 | uint64](n N) string {
	for _, u := range sizeUnits {
		if uint64(n) >= u.bytes && u.bytes > 1 {
			return strconv.FormatFloat(float64(n)/float64(u.bytes), 'f', 1, 64) + " " + u.suffix
		}
	}
	return strconv.FormatUint(uint64(n), 10) + " B"
}
