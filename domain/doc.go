// Package domain is the language of Hooklog: the facts that the log holds, the aggregates folded from them, and every
// decision that does not need the outside. It is pure. Time, randomness and new ids are arguments; nothing here does
// I/O, reads a clock or logs.
//
// Each aggregate lives in a file of its own with its facts: a Decide function turns state and request into facts or an
// [*Error]; Apply folds one fact into the state and never fails. What spans aggregates stands beside them: matching
// messages to subscriptions (match.go), the delays between attempts (policy.go) and the health of a subscription
// (health.go).
package domain
