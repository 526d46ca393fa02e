// Package esdb is the event log on EventStoreDB, or on whatever speaks its gRPC protocol, through EventStoreDB's official
// Go client. It keeps the promises of package eventlog and nothing of the client shows outside.
//
// # Connection
//
// The client ends for good when its server is away for a second, blocks without regard to contexts while it looks for a
// server, and loses a connection each time it finds one again. So a client here makes one connection in its life: a
// generation. When the connection is lost the generation takes no more calls, the next one is made, with growing pauses
// and for ever, and the old client is closed once its last call has ended. A heartbeat finds out when a server does not
// answer although nothing says that the connection is lost. Which node of a cluster a generation speaks to is found out
// here, by gossip from the addresses of the connection string, or is what the last node named as its leader.
//
// # Appending
//
// The client makes each append a call of its own, which costs twice as much as the append. So each generation has a
// second connection to the same node, with the same settings and credentials, whose only use is one call of BatchAppend
// for all appends; every server of [LeastVersion] has it. Up to 1,024 appends are under way and are answered in any
// order. When the call ends, the outcome of those that were sent and not answered is unknown, and they are repeated in
// the next call where that is harmless. These messages are written and read by hand (package esdbwire). Subscriptions
// go there, too, whose events are read by hand. Reads do not: one may be answered before an append that was begun earlier.
//
// # Reading
//
// What belongs to EventStoreDB itself is not shown: streams and types whose names begin with "$". Positions are the
// server's two numbers, commit and prepare. The server reads from a position inclusively and subscribes after it; here
// everything is exclusive. EventStoreDB tells when a subscription has caught up but not when it falls behind, so
// [eventlog.Batch.Live] turns false only when the connection is lost.
//
// # Groups
//
// A group is a persistent subscription to $all that begins at an explicit position, so that a group that has never stored
// a checkpoint begins there again and not at the end. EventStoreDB does not tell the filter of a group. Its digest is
// therefore kept in a setting that has no other use here: the greatest number of consumers, far above any that could be
// reached. Verdicts are sent by one goroutine for each connection. A verdict counts only while the server still
// waits for it from this consumer: what took longer than the message timeout, or what the server has handed out again, is
// not answered.
package esdb
