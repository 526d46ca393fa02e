//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package egress

import "golang.org/x/sys/unix"

// isQuiet reports whether a socket has nothing to read: no bytes, no end, no error.
func isQuiet(fd uintptr) bool {
	look := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		news, err := unix.Poll(look[:], 0)
		if err != unix.EINTR {
			return err == nil && news == 0
		}
	}
}
