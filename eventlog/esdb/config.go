package esdb

import (
	"errors"
	"fmt"
	"strings"

	client "github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/rs/zerolog"
)

// Config says which log to open.
type Config struct {
	// URL is an EventStoreDB connection string: esdb://[user:password@]host[:port][,host…][?setting=value&…], or
	// esdb+discover:// for a cluster behind one DNS name. Settings of the client that say how often it tries
	// (maxDiscoverAttempts, discoveryInterval) have no effect: this package tries for ever.
	URL string
	// Logger gets what happens to the connection, never credentials.
	Logger zerolog.Logger
}

// settings reads the connection string. Its errors hold nothing of the credentials.
func (c Config) settings() (*client.Configuration, error) {
	s, err := client.ParseConnectionString(c.URL)
	if err == nil {
		err = check(s)
	}
	if err != nil {
		return nil, fmt.Errorf("the connection string of EventStoreDB: %w", withoutCredentials(c.URL, err))
	}
	if s.DisableTLS && s.Username != "" {
		c.Logger.Warn().Msg("EventStoreDB is spoken to without TLS: the user name and password of its connection string are not sent")
	}
	s.MaxDiscoverAttempts, s.DiscoveryInterval = 1, 0
	return s, nil
}

func check(s *client.Configuration) error {
	switch {
	case s.Username != "" && s.Password == "":
		return errors.New("it has a user name but no password")
	case s.DefaultDeadline != nil && *s.DefaultDeadline <= 0:
		return errors.New("defaultDeadline must be a whole number of milliseconds above 0")
	case s.GossipTimeout < 1:
		return errors.New("gossipTimeout must be a whole number of seconds above 0")
	}
	return s.Validate()
}

// withoutCredentials finds out what is wrong with a connection string without its credentials, since the parser's errors
// quote what they could not read.
func withoutCredentials(url string, err error) error {
	scheme, rest, found := strings.Cut(url, "://")
	at := strings.LastIndexByte(rest, '@')
	if !found {
		return errors.New("it does not begin with esdb:// or esdb+discover://")
	}
	if at < 0 {
		return withoutPort(rest, err)
	}
	s, err := client.ParseConnectionString(scheme + "://u:p@" + rest[at+1:])
	if err == nil {
		err = check(s)
	}
	if err != nil {
		return err
	}
	return errors.New("its user name or password cannot be read; write characters other than letters, digits, and -._~ as %XX")
}

// withoutPort passes an error on unless it may quote a password to which the host is missing.
func withoutPort(rest string, err error) error {
	hosts, _, _ := strings.Cut(rest, "?")
	for _, host := range strings.Split(hosts, ",") {
		_, port, _ := strings.Cut(host, ":")
		if strings.Trim(strings.TrimSuffix(port, "/"), "0123456789") != "" {
			return errors.New("a port is no number; a user name and password are followed by @ and the host")
		}
	}
	return err
}
