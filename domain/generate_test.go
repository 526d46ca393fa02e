package domain

import (
	"strings"
	"time"

	"github.com/hooklog/hooklog/sealing"
	"pgregory.net/rapid"
)

// Generators of random values. Texts lean towards what JSON spells in a way of its own.

func drawID[K kind](t *rapid.T, label string) ID[K] {
	var id ID[K]
	copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
	return id
}

func drawTime(t *rapid.T, label string) time.Time {
	const first, last = -62135596800, 253402300799 // the years 1 to 9999
	return time.Unix(rapid.Int64Range(first, last).Draw(t, label), rapid.Int64Range(0, 999_999).Draw(t, label)*1000).UTC()
}

var awkward = []string{"", "a", "vc.test.ping", "http_503", "é", "\u2028", "\ufffd", "\xff", "\"", "\\", "\n", "\x7f", "<&>", "\U0001F4E8", "\x00"}

func drawText(t *rapid.T, label string) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(awkward), 0, 4).Draw(t, label), "")
}

func drawBytes(t *rapid.T, label string) []byte {
	b := rapid.SliceOfN(rapid.Byte(), 0, 70).Draw(t, label)
	if len(b) == 0 && rapid.Bool().Draw(t, label) {
		return nil
	}
	return b
}

func drawInt(t *rapid.T, label string) int {
	return rapid.OneOf(rapid.IntRange(-2, 12), rapid.Int()).Draw(t, label)
}

func drawUint(t *rapid.T, label string) uint64 {
	return rapid.OneOf(rapid.Uint64Range(0, 12), rapid.Uint64()).Draw(t, label)
}

func drawDuration(t *rapid.T, label string) Duration {
	return Duration(rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64()).Draw(t, label)) *
		Duration(rapid.SampledFrom([]time.Duration{1, time.Millisecond, time.Second, time.Minute, time.Hour}).Draw(t, label))
}

func drawTargets(t *rapid.T, label string) []Target {
	n := rapid.IntRange(-1, 4).Draw(t, label)
	if n < 0 {
		return nil
	}
	targets := make([]Target, n)
	for i := range targets {
		targets[i] = Target{drawID[subscriptionKind](t, label), drawUint(t, label)}
	}
	return targets
}

func drawWithheld(t *rapid.T, label string) []Withheld {
	var all []Withheld
	for range rapid.IntRange(0, 3).Draw(t, label) {
		all = append(all, Withheld{drawID[subscriptionKind](t, label), WithheldWhy(drawText(t, label))})
	}
	return all
}

func drawDeliveryOf(t *rapid.T) DeliveryOf {
	return DeliveryOf{
		Message: drawID[messageKind](t, "message"), Subscription: drawID[subscriptionKind](t, "subscription"),
		Organization: drawID[organizationKind](t, "organization"), EventType: drawText(t, "type"),
		PublishedAt: drawTime(t, "published"),
	}
}

func drawAttempt(t *rapid.T) Attempt {
	return Attempt{
		DeliveryOf: drawDeliveryOf(t), Round: drawInt(t, "round"), Number: drawInt(t, "number"),
		StartedAt: drawTime(t, "started"), TookMicros: int64(drawInt(t, "took")), Status: drawInt(t, "status"),
		Address: drawText(t, "address"), BodySHA256: drawBytes(t, "sum"), Revision: drawUint(t, "revision"),
		RoundRevision: drawUint(t, "round revision"), Extra: rapid.Bool().Draw(t, "extra"),
	}
}

// drawHotFact makes a fact of any type that is written by hand.
func drawHotFact(t *rapid.T) Fact {
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		return &MessagePublished{
			Organization: drawID[organizationKind](t, "organization"), EventType: drawText(t, "type"),
			Client: drawText(t, "client"), OccurredAt: drawTime(t, "occurred"),
			OccurredGiven: rapid.Bool().Draw(t, "given"), Payload: drawBytes(t, "payload"),
			PayloadSHA256: drawBytes(t, "sum"), Targets: drawTargets(t, "targets"), Total: drawInt(t, "total"),
			Only: rapid.Bool().Draw(t, "only"), Withheld: drawWithheld(t, "withheld"),
			WithheldTotal: drawInt(t, "withheld total"), Seen: drawUint(t, "seen"),
		}
	case 1:
		return &AttemptSucceeded{drawAttempt(t)}
	case 2:
		f := &AttemptFailed{Attempt: drawAttempt(t), Reason: drawText(t, "reason"), Answer: drawBytes(t, "answer"),
			Dead: rapid.Bool().Draw(t, "dead")}
		if rapid.Bool().Draw(t, "again") {
			f.NextAttemptAt = drawTime(t, "next")
			f.Delay = &Delay{drawDuration(t, "scheduled"), drawDuration(t, "jitter"), drawDuration(t, "retry after")}
		}
		return f
	case 3:
		return &MessageTargets{MessageOf{drawID[organizationKind](t, "organization"), drawText(t, "type"), drawTime(t, "published")}, drawTargets(t, "targets")}
	}
	return &RetryDue{drawDeliveryOf(t), drawInt(t, "round"), drawInt(t, "number"), drawTime(t, "due"), drawUint(t, "revision")}
}

func drawMeta(t *rapid.T) Meta {
	return Meta{At: drawTime(t, "at"), Actor: drawText(t, "actor"), Correlation: drawText(t, "correlation"),
		Causation: drawText(t, "causation")}
}

// mustKeyset makes a keyset; a test cannot go on without.
func mustKeyset(t interface{ Fatal(...any) }) *sealing.Keyset {
	keys, err := sealing.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
