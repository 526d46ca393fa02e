// Package embedded is the event log on one machine's disk. It implements [eventlog.Store]: what is acknowledged is
// synced, what is shown is synced, and what a crash tears is dropped whole. Encryption, replication and the meaning of
// events are left to others.
//
// # On disk
//
// A log is a directory. The file FORMAT holds the line "hooklog-log 2": the version of everything described here,
// written before anything else and asked before anything else is opened. The directory records holds the events, as
// package segment describes it. The rest is a Pebble store with what is kept about groups. Numbers are big-endian unless
// said otherwise. Its keys:
//
//	'g' group                        a group's settings and checkpoint
//	'p' name position(8)             a parked event: its retries(8)
//	'r' name position(8)             an event that was parked and is to be handed out again: its retries(8)
//	's' stream                       how a stream stands that has metadata or was tombstoned
//	'n' note                         a note: its content and the CRC-32C(4) of that
//
// A name is the group's name with each byte 00 written as 00 FF, ended by 00 01: so no name is the beginning of another
// and names sort as their bytes do. Positions are dense from 1. Other first bytes are free for what comes later.
//
// An event's record:
//
//	version(1) = 1
//	flags(1) = 0, or 1 if the data is not JSON; others are refused
//	recorded at(8), nanoseconds since 1970
//	revision(8)
//	left(4): how many events of the same append follow; 0 in its last
//	id(16)
//	stream, type, data, metadata: each a uvarint length and that many bytes
//	CRC-32C(4) of, in this order: id to metadata, version to left, and the position(8)
//
// A group's record:
//
//	version(1) = 1, checkpoint(8), message timeout(8) in nanoseconds, maximum of retries(8),
//	uvarint number of type prefixes, each a uvarint length and that many bytes, CRC-32C(4) of all before
//
// How a stream stands follows from the last event of its metadata stream and from an event that tombstones it. It is made
// durable before them, together with how it stood before, to be put back if the event does not survive a crash. Each:
//
//	version(1) = 1
//	flags(1): 1 if there is metadata, 2 if the stream was tombstoned
//	truncate before(8), maximum count(8), maximum age(8) in nanoseconds
//	position(8) of the event that it follows from
//	CRC-32C(4) of all before
//
// # Durability
//
// One goroutine writes. It gathers the appends that wait into one write and one sync, and answers, and lets readers in,
// only afterwards. If a write or sync fails nothing is known any more about what the disk holds: [Options].Fatal is
// called, which by default ends the process; opening the log again recovers the groups that are whole.
//
// The state of groups is written without waiting for the disk, about every second or every 1,000 finished events and on
// Close. A crash puts a group back by that much and never forward: what was finished since is handed out again, with
// Retries at 0.
//
// # What the disk must do
//
// A sync that returns has reached the medium; a file's synced bytes do not change by themselves (if they do, the
// checksums tell). Blocks that were not synced may be there or not, in any order.
package embedded
