package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"path/filepath"

	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/eventlog/esdbserver"
)

// facadeSettings say where and to whom a log speaks EventStoreDB's protocol.
type facadeSettings struct {
	listen           string
	users            string
	certificate, key string
	insecure         bool
}

// ownGroups begin the names of the consumer groups that only Hooklog's nodes may touch.
const ownGroups = "hooklog-"

// facade speaks EventStoreDB's protocol for an embedded log.
type facade struct {
	server   *esdbserver.Server
	listener net.Listener
	// said is the connection string without a password.
	said string
}

// url is how clients reach the façade; nothing where there is none.
func (f *facade) url() string {
	if f == nil {
		return ""
	}
	return f.said
}

// serve serves until ctx ends.
func (f *facade) serve(ctx context.Context) error { return f.server.Serve(ctx, f.listener) }

// facadeKind is what a façade admits.
type facadeKind struct {
	log      esdbserver.Log
	readOnly bool
	// open says that neither TLS nor users are asked for.
	open bool
}

// openFacade offers the log of a node to readers, if it is asked to.
func (n *node) openFacade(ctx context.Context) (err error) {
	s := &n.settings.facade
	if s.listen == "" {
		return nil
	}
	own, ok := n.log.(ownLog)
	if !ok {
		return usage("--esdb-listen offers the log of the data directory; this node's log is on EventStoreDB, which is reached there")
	}
	open := !openToOthers(s.listen) && s.users == "" && s.certificate == ""
	n.facade, err = listenFacade(ctx, n.settings, facadeKind{own.Log, true, open}, part(n.logger, "esdb"))
	if err == nil {
		n.atClose(func() error { return ignoreClosed(n.facade.listener.Close()) })
	}
	return err
}

// listenFacade takes the address and joins everything; nothing is served yet.
func listenFacade(ctx context.Context, s *settings, kind facadeKind, logger zerolog.Logger) (*facade, error) {
	c := esdbserver.Config{Log: kind.log, Insecure: kind.open, ReadOnly: kind.readOnly, Protected: []string{ownGroups}, Logger: logger}
	authority := ""
	if !kind.open {
		var err error
		if authority, err = s.secure(&c, logger); err != nil {
			return nil, err
		}
	}
	server, err := esdbserver.New(c)
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.facade.listen)
	if err != nil {
		return nil, fmt.Errorf("--esdb-listen %s: %w", s.facade.listen, err)
	}
	return &facade{server: server, listener: listener, said: connectionURL(listener, kind, authority)}, nil
}

// secure gives a façade its certificate and its users, which are made where none are given, and returns the file of the
// authority that clients are to trust, if it was made here.
func (s *settings) secure(c *esdbserver.Config, logger zerolog.Logger) (authority string, err error) {
	f := &s.facade
	if (f.certificate == "") != (f.key == "") {
		return "", usage("--esdb-certificate and --esdb-certificate-key go together")
	}
	certificate, key, hosts := f.certificate, f.key, []string(nil)
	if certificate == "" {
		certificate, key = s.esdbCertificatePath(), s.esdbKeyPath()
		if hosts, err = hostsOf(f.listen); err != nil {
			return "", fmt.Errorf("--esdb-listen %s: %w", f.listen, err)
		}
		if authority, err = filepath.Abs(certificate); err != nil {
			return "", err
		}
	}
	made, pair, err := openCertificate(certificate, key, hosts)
	if err != nil {
		return "", err
	}
	if made {
		logger.Warn().Str("certificate", certificate).Strs("hosts", hosts).
			Msg("made a certificate that vouches for itself; clients trust it with ?tlsCAFile=")
	}
	c.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	made, c.Users, err = openUsers(s.esdbUsersPath(), c.ReadOnly)
	if made && err == nil {
		logger.Warn().Str("file", s.esdbUsersPath()).Msg("made users for the log; their passwords are in this file")
	}
	return authority, err
}

// connectionURL tells clients how to reach a façade.
func connectionURL(l net.Listener, kind facadeKind, authority string) string {
	at := hostPort(l)
	if kind.open {
		return "esdb://" + at + "?tls=false"
	}
	user := nodeUser
	if kind.readOnly {
		user = readerUser
	}
	said := "esdb://" + user + ":PASSWORD@" + at
	if authority != "" {
		said += "?tlsCAFile=" + url.QueryEscape(authority)
	}
	return said
}
