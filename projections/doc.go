// Package projections is the read side of Hooklog. One [Fold] a node follows the whole log and keeps everything that is
// not a stream of its own: who exists, who gets what, how each delivery stands, what is due, what failed. All of it is
// folded from facts and may be thrown away; the next start folds it again. A fold only reads the log. It neither
// appends nor sends, so a rebuild can never reach a receiver.
//
// What is asked for by every publish or attempt (organizations, keys, event types, subscriptions, their health) is held
// in memory; what grows with the messages (deliveries, failures, what is due) is held in a Pebble store alone, one
// keyspace a projection.
//
// # Crashes
//
// Each batch of facts is one batch of the store that also holds the checkpoint, and the store has no write-ahead log.
// A crash loses the batches that were not flushed, always the latest ones, and with each its checkpoint; so the store
// always stands exactly as it did after some earlier fact, and the fold goes on from there.
//
// # Determinism
//
// Read models depend on the facts and their order, never on the clock, on how facts were gathered into batches, or on
// where a fold was interrupted. Every fact can be folded in every state: what makes no sense there is passed over,
// counted and reported.
package projections
