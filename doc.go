// Package hooklog is the root of a webhook delivery service whose only truth is an append-only event log. There is no
// code here: the service is cmd/hooklog, and the test beside this file holds the tree to its architecture, which
// package may import which.
package hooklog
