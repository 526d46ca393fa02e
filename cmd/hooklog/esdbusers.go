package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/hooklog/hooklog/eventlog/esdbserver"
	"github.com/hooklog/hooklog/sealing"
)

// Users of the log that are made where no file says who may call.
const (
	nodeUser   = "node"
	readerUser = "reader"
)

const usersHelp = "# Who may call the log over EventStoreDB's protocol. Everybody here may read, follow and consume all of it;\n" +
	"# those with node = true are the nodes of Hooklog: they may append, and use the groups of Hooklog.\n"

// openUsers reads who may call; a file with a user for each purpose is made if there is none.
func openUsers(path string, readOnly bool) (made bool, users map[string]esdbserver.User, err error) {
	if missing(path) {
		if err := makeUsers(path, readOnly); err != nil && !errors.Is(err, fs.ErrExist) {
			return false, nil, fmt.Errorf("make the users of the log: %w", err)
		}
		made = true
	}
	content, err := readPrivate(path)
	if err != nil {
		return made, nil, fmt.Errorf("read the users of the log: %w", err)
	}
	var rows map[string]struct {
		Password string `toml:"password"`
		Node     bool   `toml:"node"`
	}
	found, err := toml.Decode(string(content), &rows)
	if err != nil {
		return made, nil, fmt.Errorf("read the users of the log: %s is not a list of users, each with a password", path)
	}
	if strange := found.Undecoded(); len(strange) > 0 {
		return made, nil, fmt.Errorf("read the users of the log: %s: a user has no %q", path, strange[0][len(strange[0])-1])
	}
	users = make(map[string]esdbserver.User, len(rows))
	for name, row := range rows {
		users[name] = esdbserver.User{Password: row.Password, Node: row.Node}
	}
	return made, users, nil
}

// readPrivate reads a file that holds passwords, unless others can read it too.
func readPrivate(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		err = fmt.Errorf("%s can be read by others than its owner: chmod 600 %s", path, path)
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

func makeUsers(path string, readOnly bool) error {
	var text strings.Builder
	text.WriteString(usersHelp)
	for _, name := range []string{nodeUser, readerUser} {
		if name == nodeUser && readOnly {
			continue
		}
		password, err := sealing.NewToken(rand.Reader)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "\n[%s]\npassword = %q\n", name, password)
		if name == nodeUser {
			text.WriteString("node = true\n")
		}
	}
	return writeNewFile(path, text.String())
}
