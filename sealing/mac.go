package sealing

import (
	"encoding/binary"
	"fmt"
)

// MAC returns a tag over parts: their number, order and bounds count, so ("ab","c") and ("a","bc") differ. The tag
// names the key it was made with; after a rotation VerifyMAC still accepts it.
func (k *Keyset) MAC(parts ...[]byte) []byte {
	tag, err := k.authorizer.ComputeMAC(join(parts))
	if err != nil {
		panic(fmt.Sprintf("sealing: HMAC over bytes in memory: %v", err)) // cannot fail once the key was accepted
	}
	return tag
}

// VerifyMAC returns nil if tag is a MAC over exactly these parts by this keyset or one it was rotated from, else
// ErrMAC. It compares in constant time.
func (k *Keyset) VerifyMAC(tag []byte, parts ...[]byte) error {
	if err := k.authorizer.VerifyMAC(tag, join(parts)); err != nil {
		return ErrMAC
	}
	return nil
}

// join writes each part after its length as 8 bytes: no two lists of parts give the same bytes.
func join(parts [][]byte) []byte {
	size := 0
	for _, part := range parts {
		size += 8 + len(part)
	}
	joined := make([]byte, 0, size)
	for _, part := range parts {
		joined = binary.BigEndian.AppendUint64(joined, uint64(len(part)))
		joined = append(joined, part...)
	}
	return joined
}
