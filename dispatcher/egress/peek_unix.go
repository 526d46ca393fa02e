//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package egress

import "golang.org/x/sys/unix"

// isQuiet reports whether a socket has nothing to read: no bytes, no end, no error.
func isQuiet(fd uintptr) bool {
	var one [1]byte
	for {
		_, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch err {
		case unix.EAGAIN:
			return true
		case unix.EINTR:
			continue
		}
		return false
	}
}
