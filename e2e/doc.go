// Package e2e holds the tests that see Hooklog only from outside: the built program, its HTTP interfaces, its files and
// what reaches receivers, those of folder examples among them. How it is made inside is not known here, but for the
// documented format of the log's group state, which some tests damage on purpose.
package e2e
