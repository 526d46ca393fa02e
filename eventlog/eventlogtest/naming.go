package eventlogtest

import (
	"strings"

	"github.com/hooklog/hooklog/eventlog"
)

func nameRules() []Rule {
	return []Rule{
		{Name: "streams may have any UTF-8 name", check: anyStreamName},
		{Name: "types may have any UTF-8 name", check: anyTypeName},
		{Name: "names have at most 512 bytes and are UTF-8", check: badNames},
	}
}

// names that look alike to whoever escapes, folds, trims or cuts them.
func (x *run) names() []string {
	names := []string{
		"a", "A", "a ", " a", "a\x00", "a\x00\x01", "a\x00\xc3\xbf", "a\x00b", "\x00", "\x00\x00", "a-", "-a", "-", "--", "a-b", "a-b-c", "a/b", "a%2Fb",
		"a\n", "a\r\n", "\t", "\x01", "\x7f", "\u0080", "'", `"`, `\`, "ä", "a\u0308", "\U0001F4E8", "\U0001F468\u200D\U0001F469\u200D\U0001F467",
		"\u202Eright", "\uFEFF", "\uFFFD", "\uFFFF", "日本語-1", "hl_message-01J", "a$", "$$a$"[1:],
		strings.Repeat("n", eventlog.MaxName), strings.Repeat("\U0001F4E8", eventlog.MaxName/4),
	}
	if !x.backend.Features.ReservedDollar {
		return append(names, "$", "$all", "$a", "$ce-a")
	}
	kept := names[:0]
	for _, n := range names {
		if !strings.HasPrefix(n, "$") {
			kept = append(kept, n)
		}
	}
	return kept
}

func anyStreamName(x *run) {
	if x.backend.Features.SharedFeed {
		x.Skip("the names may be taken")
	}
	events := make(map[string][]eventlog.Event)
	for _, name := range x.names() {
		events[name] = newEvents("t", 2)
		x.append(name, eventlog.NoStream, events[name][0])
	}
	for _, name := range x.names() {
		x.append(name, eventlog.Exactly(0), events[name][1])
	}
	for _, name := range x.names() {
		x.holds(name, events[name]...)
	}
	x.ordered(x.readAll())
}

func anyTypeName(x *run) {
	stream := unique("types")
	var events []eventlog.Event
	for _, name := range x.names() {
		events = append(events, newEvent(name))
	}
	x.append(stream, eventlog.NoStream, events...)
	x.holds(stream, events...)
}

func badNames(x *run) {
	long := strings.Repeat("n", eventlog.MaxName+1)
	x.refused(eventlog.ErrInvalid, long, eventlog.Any, newEvent("t"))
	x.refused(eventlog.ErrInvalid, "a\xff", eventlog.Any, newEvent("t"))
	x.refused(eventlog.ErrInvalid, unique("bad"), eventlog.Any, newEvent(long))
	x.refused(eventlog.ErrInvalid, unique("bad"), eventlog.Any, newEvent("a\xff"))
}
