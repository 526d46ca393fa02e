// Package notices is the process manager that tells people of turns in the life of their subscriptions: by mail, and as
// operational messages to subscriptions that name such types.
//
// Turns are found by this node's fold, in log order, so every node finds the same ones. Of each a notice is decided once:
// its stream is named by the cause, and its first fact is appended at NoStream. The consumer group hands the decided
// notice to one node, which tells it and records that; what fails is recorded with the time of the next attempt, and the
// clock hands it out again then. So nothing is in memory that a crash could lose, a mail server's outage is waited out,
// and a group that is rewound finds what was told already. A notice is told at least once; the Message-ID of its mail
// and the id of its message are always the same.
//
// An address gets notices once it is confirmed: by the link in a mail that is sent when a subscription is given it, or
// by an operator. An organization is mailed at most [domain.MaxMails] notices within any hour; what goes beyond is told
// by one summary at the end of the hour of the clock, with hidden recipients. Not counted are messages: those are
// bounded by their receivers like all others.
package notices
