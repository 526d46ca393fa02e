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
// always stands exactly as it did after some earlier fact, and the fold goes on from there. Until a fold is at the head
// of the log for the first time, it reads ahead and commits several batches as one; nobody sees what is between. As long as
// it does, and while a rebuild does, the store gathers more of what was flushed before it merges that.
//
// # Rebuilding
//
// A projection has a row in one table: its name, the version of its projector, its keyspaces, and the part that it
// belongs to. The projections of a part read one another while they fold, or share memory, so they are folded and
// switched together; a part that reads another one has that one folded beside it, as scratch. The first byte of a key
// has a colour, so every keyspace has two places. A rebuild fills the other place from the start of the log, with its
// own checkpoint and its own memory, while the live models serve and fold on ([Fold.Rebuild]).
//
// Three decisions carry it. The shadow never overtakes the live fold; when it is a few hundred facts behind, the live
// fold waits for some milliseconds while the shadow folds exactly those, so that both stand at one place whatever the
// rate of appends. The switch is one batch of the store (colours, versions, checkpoint, the end of the order) and one
// pointer, so a crash and a reader see all of it or nothing; who waits for a position does not notice, and who waits for
// something due is woken once too often. The old rows are dropped when their last reader is done, or at the next start.
//
// What could go wrong: a reader that never finishes keeps the old rows, and the next rebuild waiting; so readers take
// the models for one answer only. Without a write-ahead log a crash may take the switch back, together with all that was
// committed after it; then the rebuild goes on where its checkpoint stands. A second directory is in memory while the
// core is rebuilt, and the store needs room for both. How far a rebuild is can be told from counts of facts only,
// positions being opaque; so checkpoints carry one.
//
// [Fold.Verify] folds into the other place likewise, compares instead of switching, and drops it. The reconcile that
// runs with the fold walks the log slowly, and compares what follows from each fact's own stream; it believes rows about
// what other streams decide, and does not look for rows that nothing asks for. Both are Verify's.
//
// # Determinism
//
// Read models depend on the facts and their order, never on the clock, on how facts were gathered into batches, or on
// where a fold was interrupted. Every fact can be folded in every state: what makes no sense there is passed over,
// counted and reported.
package projections
