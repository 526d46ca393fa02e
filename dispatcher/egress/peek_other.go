//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package egress

// isQuiet cannot be told on this system: a stale connection shows in the failure of the attempt that meets it.
func isQuiet(uintptr) bool { return true }
