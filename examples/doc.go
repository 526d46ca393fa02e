// Package examples starts the receivers of this folder, one a language, so that tests can send them requests. The
// receivers themselves are meant to be read and copied; README.md tells how they are run by hand.
package examples
