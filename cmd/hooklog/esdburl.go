package main

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/hooklog/hooklog/sealing"
)

// secretive is a value whose String hides a part of it.
type secretive interface{ reveal() string }

// connectionString is the setting of an EventStoreDB. It is shown without its password.
func connectionString(target *sealing.Secret) pflag.Value {
	parse := func(s string) (sealing.Secret, error) { return sealing.NewSecret(s), nil }
	return &connectionValue{value[sealing.Secret]{target, "text", parse, shownURL}.begin(""), target}
}

type connectionValue struct {
	pflag.Value
	target *sealing.Secret
}

func (v *connectionValue) reveal() string { return v.target.Reveal() }

// shownURL hides what lies between the user name and the host.
func shownURL(url sealing.Secret) string {
	scheme, rest, found := strings.Cut(url.Reveal(), "://")
	if !found {
		if url.IsZero() {
			return ""
		}
		return hiddenText
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return scheme + "://" + rest
	}
	user, _, _ := strings.Cut(rest[:at], ":")
	return scheme + "://" + user + ":" + hiddenText + rest[at:]
}
