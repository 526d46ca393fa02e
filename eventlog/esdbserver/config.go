package esdbserver

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/rs/zerolog"
)

// Config says what is served and to whom. Log is needed, and either TLS and Users or Insecure.
type Config struct {
	// Log is what is served. It must number its positions with the lower half alone, and make appends in the order in which
	// they are handed over. Close it after Serve has returned.
	Log Log
	// TLS holds the certificate.
	TLS *tls.Config
	// Users are those who may call, by name.
	Users map[string]User
	// Insecure does without TLS and credentials: everybody who reaches the listener may do everything that ReadOnly does
	// not forbid.
	Insecure bool
	// ReadOnly refuses, with PermissionDenied, to append, delete and change metadata, and whatever concerns a protected
	// group. Other groups may be made and consumed: they are kept beside the events.
	ReadOnly bool
	// Protected are the beginnings of the names of the groups that only a node may join, answer, change, replay or
	// delete.
	Protected []string
	// Advertise is the host and port that clients which discover their node are sent to. Empty is where they have reached
	// the server.
	Advertise string
	// Logger gets what an operator should know.
	Logger zerolog.Logger
}

// Log is a log that can be served.
type Log interface {
	eventlog.Store
	eventlog.Pipeline
}

// User is somebody who calls with a name and password. Everybody may read, follow and consume.
type User struct {
	Password string
	// Node may append and delete too, and use protected groups.
	Node bool
}

func (c Config) check() error {
	switch {
	case c.Log == nil:
		return errors.New("there is no log to serve")
	case c.Insecure && c.TLS != nil:
		return errors.New("an insecure server has no TLS")
	case c.Insecure:
		return nil
	case c.TLS == nil:
		return errors.New("a server that is not insecure needs TLS")
	case len(c.Users) == 0:
		return errors.New("a server that is not insecure needs users")
	}
	for name, user := range c.Users {
		if name == "" || user.Password == "" {
			return fmt.Errorf("user %q lacks a name or a password", name)
		}
	}
	return nil
}
