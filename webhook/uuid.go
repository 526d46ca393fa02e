package webhook

import (
	"crypto/sha1"
	"encoding/hex"
)

// The namespaces of name-based UUIDs (RFC 9562, version 5). They never change: receivers keep the UUIDs.
var (
	typeNamespace     = [16]byte{0x3f, 0x0c, 0x6a, 0x2e, 0x9d, 0x41, 0x4b, 0x77, 0x8e, 0x5a, 0x1c, 0x92, 0x6b, 0xd0, 0xf3, 0x58}
	categoryNamespace = [16]byte{0xa8, 0x54, 0xe1, 0x07, 0x2b, 0xc6, 0x4d, 0x1f, 0x9a, 0x33, 0x70, 0xee, 0x5d, 0x84, 0x19, 0xcb}
	clientNamespace   = [16]byte{0x5e, 0x21, 0xd4, 0x90, 0xf7, 0x3b, 0x45, 0x6c, 0xb2, 0x08, 0xc9, 0x15, 0x6a, 0xfe, 0x47, 0x8d}
)

// TypeUUID is the UUID of the event type called name, where a contract names types by UUID (VNTANA). It follows from the
// name alone, so that types which organizations define have one too, and it is the same for ever and everywhere.
func TypeUUID(name string) string { return nameUUID(typeNamespace, name) }

// CategoryUUID is the UUID of the category called name, made like TypeUUID.
func CategoryUUID(name string) string { return nameUUID(categoryNamespace, name) }

// ClientUUID is the UUID of the folder that an organization, given by its UUID, calls name. It is made like TypeUUID.
func ClientUUID(organization, name string) string {
	return nameUUID(clientNamespace, organization+"/"+name)
}

// nameUUID is a UUID of version 5 in lower case.
func nameUUID(namespace [16]byte, name string) string {
	sum := sha1.Sum(append(namespace[:], name...))
	id := sum[:16]
	id[6] = id[6]&0x0f | 5<<4
	id[8] = id[8]&0x3f | 0x80
	text := make([]byte, 0, 36)
	for i, part := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, part)
	}
	return string(text)
}
