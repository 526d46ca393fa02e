// Package sealing keeps secrets and payloads unreadable at rest. A [Keyset], which lives in a file beside the log and
// never in it, wraps one [DataKey] an organization and authenticates facts; a DataKey seals that organization's
// secrets, headers, payloads and stored answers. The package also hashes credentials that need only be recognised,
// makes random tokens, and has a [Secret] that no formatter prints.
//
// It knows bytes, keys and files; what is sealed, where it is stored and under which associated data are for others.
package sealing

import "errors"

// Errors that callers tell apart with errors.Is. None of them, nor any error of this package, carries key material,
// a plaintext or a secret.
var (
	// ErrOpen: a ciphertext, wrapped data key or probe was made with other keys, belongs elsewhere (other organization
	// or associated data) or was changed. Which of these it was cannot be told.
	ErrOpen = errors.New("cannot be opened with this key")
	// ErrMAC: a MAC was made with other keys or over other parts.
	ErrMAC = errors.New("MAC does not match")
	// ErrKeysetFormat: bytes that are no keyset this release can read.
	ErrKeysetFormat = errors.New("not a readable keyset")
	// ErrKeysetExposed: a keyset file that others than its owner may read or write.
	ErrKeysetExposed = errors.New("keyset file is open to group or others")
)
