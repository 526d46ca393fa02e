// Package esdbserver serves an [eventlog.Store] as EventStoreDB's gRPC services do, so that EventStoreDB's clients can
// append to it, read it, follow it and consume from it. What the events mean and where they lie is left to others.
//
// Served are ServerFeatures, Gossip (one node, the leader), Streams and PersistentSubscriptions. Numbers, statuses and
// trailers are the real server's, with these differences:
//
//   - Positions are the log's own: dense, with commit and prepare the same.
//   - Regular expressions of filters are Go's, which have no look-around and no back-references.
//   - The settings and checkpoints of persistent subscriptions are notes beside the log, not events in
//     $persistentSubscriptionConfig and …-checkpoint streams, so they do not show in $all. Parked messages are link
//     events in $persistentsubscription-STREAM::GROUP-parked as they are there.
//   - A group that begins at the end begins where the end was when it was created, also after a restart before its first
//     checkpoint. A message is not past the checkpoint before it is parked. Of two events with the same id the second is
//     handed out once the first is finished.
//
// Projections, users, operations, monitoring and everything over plain HTTP answer Unimplemented or not at all.
package esdbserver
