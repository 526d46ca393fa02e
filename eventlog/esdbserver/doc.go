// Package esdbserver serves an [eventlog.Store] as EventStoreDB's gRPC services do, so that EventStoreDB's clients can
// append to it, read it, follow it and consume from it. What the events mean and where they lie is left to others.
// docs/clients.md tells which clients were run against it.
//
// Served are ServerFeatures, Gossip (one node, the leader), Streams and PersistentSubscriptions, all their methods.
// Projections, users, operations and monitoring answer Unimplemented; nothing is served over plain HTTP.
//
// Numbers, statuses and trailers are the real server's, with these differences:
//
//   - Positions are the log's own: dense, with commit and prepare the same.
//   - An append is at most [eventlog.MaxAppend] bytes, a name [eventlog.MaxName]. It waits as long as the client does.
//   - Regular expressions of filters are Go's, which have no look-around and no back-references.
//   - Access lists in a stream's metadata are kept and not obeyed: [User] says who may do what. Nothing is scavenged.
//   - A subscription to a stream that is tombstoned ends with the error, without the event that tombstoned it before.
//     That a subscription fell behind is not told, as the real server does not; that it has caught up is told of $all
//     whenever it has.
//   - The settings and checkpoints of persistent subscriptions are notes beside the log, not events in
//     $persistentSubscriptionConfig and …-checkpoint streams, so they do not show in $all and do not go along with a
//     copy of its events. Parked messages are link events in $persistentsubscription-STREAM::GROUP-parked as they are there.
//   - A group that begins at the end begins where the end was when it was created, also after a restart before its first
//     checkpoint. A message is not past the checkpoint before it is parked, nor gone from the parked ones before it was
//     replayed and finished. Of two events with the same id the second is handed out once the first is finished.
//   - Of the consumer strategies PinnedByCorrelation is missing, which the official Go client does not offer. Measurements
//     for ExtraStatistics are not made.
//   - A group holds at most 10,000 messages and 64 MiB in memory, and a consumer has at most 10,000 in hand, whatever
//     the settings ask for; there are at most 1,000 groups.
package esdbserver
