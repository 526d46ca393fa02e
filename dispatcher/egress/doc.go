// Package egress sends webhook requests to the public internet and to nothing else.
//
// A Guard decides which URLs, names and addresses may be dialled and gives the reason of each refusal. A Client
// resolves a name once for each new connection, refuses it if any address is not public, dials only the addresses
// it judged, and checks the address really dialled a second time, so that a name which changes its answer between
// the check and the dial gains nothing. Redirects are never followed, no proxy is taken from the environment, no
// answer is decompressed, certificates are always verified, and nothing a receiver sends or withholds costs more
// than the bounds of this package. Connections are kept for the next request, and a burst opens them a few at a time.
//
// When to attempt again, what counts as permanent and what is recorded are left to the dispatcher; bodies, header
// names and signatures are left to the wire profiles.
package egress
