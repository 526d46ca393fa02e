package sealing

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

const maxKeysetBytes = 1 << 20

// ReadKeyset reads a keyset file. A file that group or others may read or write is refused with ErrKeysetExposed: a
// keyset that was readable must be treated as known, and a warning in a log is too easily missed. A missing file is
// fs.ErrNotExist. Systems without such permission bits are not judged.
func ReadKeyset(path string) (*Keyset, error) {
	data, err := readPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("read keyset %s: %w", path, err)
	}
	k, err := ParseKeyset(data)
	if err != nil {
		return nil, fmt.Errorf("read keyset %s: %w", path, err)
	}
	return k, nil
}

func readPrivate(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkPrivate(info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, maxKeysetBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeysetBytes {
		return nil, fmt.Errorf("%w: it is larger than 1 MiB", ErrKeysetFormat)
	}
	return data, nil
}

func checkPrivate(info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: it is no regular file", ErrKeysetFormat)
	}
	if runtime.GOOS == "windows" {
		return nil
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w (its mode is %04o; make it 0600)", ErrKeysetExposed, mode)
	}
	return nil
}

// Write stores the keyset in a new file of mode 0600 and returns once it is durable. The file appears whole or not at
// all; one that is there already is left alone and the error is fs.ErrExist.
func (k *Keyset) Write(path string) error {
	return k.store(path, os.Link)
}

// Replace is Write for a path that may hold a keyset already, such as the one k was rotated from: whoever reads it
// meets the old or the new one, never something between.
func (k *Keyset) Replace(path string) error {
	return k.store(path, os.Rename)
}

// store writes a private temporary file beside path and lets publish give it its name: a link refuses a name that is
// taken, a rename takes it over.
func (k *Keyset) store(path string, publish func(from, to string) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write keyset %s: %w", path, err)
		}
	}()
	data, err := k.Marshal()
	if err != nil {
		return err
	}
	temporary, err := writeTemporary(filepath.Dir(path), data)
	if err != nil {
		return err
	}
	err = publish(temporary, path)
	if removal := os.Remove(temporary); removal != nil && !errors.Is(removal, fs.ErrNotExist) {
		err = errors.Join(err, removal)
	}
	if err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

// writeTemporary returns the name of a synced file with data; os.CreateTemp makes it 0600.
func writeTemporary(directory string, data []byte) (string, error) {
	file, err := os.CreateTemp(directory, ".keyset-*")
	if err != nil {
		return "", err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

func syncDirectory(path string) error {
	if runtime.GOOS == "windows" {
		return nil // a directory cannot be synced there; the rename is journaled
	}
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}
