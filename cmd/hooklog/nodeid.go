package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

var nodeIDPattern = regexp.MustCompile(`^[0-9a-f]{16}$`)

// openNodeID reads the node's id from its file, or makes one. It says which node caused a fact and stays the same over
// restarts; nothing is decided by it.
func openNodeID(path string) (string, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeNodeID(path)
	}
	if err != nil {
		return "", fmt.Errorf("read the node's id: %w", err)
	}
	id := strings.TrimSpace(string(content))
	if !nodeIDPattern.MatchString(id) {
		return "", fmt.Errorf("%s does not hold a node's id: delete it and a new one is made", path)
	}
	return id, nil
}

func makeNodeID(path string) (string, error) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", fmt.Errorf("make the node's id: %w", err)
	}
	id := hex.EncodeToString(random[:])
	return id, writeNewFile(path, id+"\n")
}
