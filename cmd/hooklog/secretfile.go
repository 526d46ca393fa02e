package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hooklog/hooklog/sealing"
)

// readOperatorKey reads the operator key that a server left in its data directory; zero if there is none.
func readOperatorKey(data string) (sealing.Secret, error) {
	content, err := os.ReadFile(filepath.Join(data, operatorKeyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return sealing.Secret{}, nil
	}
	if err != nil {
		return sealing.Secret{}, fmt.Errorf("read the operator key: %w", err)
	}
	return sealing.NewSecret(strings.TrimSpace(string(content))), nil
}

// writeNewFile makes a durable file that its owner alone can read, whole or not at all; fs.ErrExist if there is one of
// that name.
func writeNewFile(path, content string) error {
	temporary, err := writeTemporary(filepath.Dir(path), content)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	err = os.Link(temporary, path)
	if err = errors.Join(err, os.Remove(temporary)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncDirectory(filepath.Dir(path))
}

// writeTemporary returns the name of a synced file; os.CreateTemp makes it 0600.
func writeTemporary(dir, content string) (string, error) {
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}
