package domain

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
)

// A MAC is the last member of an authenticated fact's metadata, in unpadded base64.
const (
	macOpen  = `,"mac":"`
	macClose = `"}`
	// macSize is more than the longest MAC in base64 has.
	macSize = 128
	// metaSize is about how many bytes metadata and MAC have.
	metaSize = 224
)

// macText refuses second spellings of one MAC.
var macText = base64.RawStdEncoding.Strict()

// sealed is what a MAC is made over: stream, id, revision, type, data and the metadata without it. It is kept for reuse.
type sealed struct {
	parts [6][]byte
	names []byte
	meta  []byte
	mac   [macSize]byte
}

// lay puts the parts in place. Only names and metadata are copied.
func (s *sealed) lay(at Place, typ string, data []byte) {
	s.names = append(append(append(s.names[:0], at.Stream...), typ...), at.ID[:]...)
	s.names = binary.BigEndian.AppendUint64(s.names, at.Revision)
	typed := len(at.Stream)
	identified := typed + len(typ)
	placed := identified + len(at.ID)
	s.parts = [6][]byte{s.names[:typed], s.names[identified:placed], s.names[placed:], s.names[typed:identified], data, nil}
}

// seal returns the metadata of an encoded fact with its MAC.
func (c *Codec) seal(at Place, e Encoded) []byte {
	s := c.borrow()
	defer c.giveBack(s)
	s.lay(at, e.Type, e.Data)
	s.parts[5] = e.Metadata
	mac := c.keys.AppendMAC(s.mac[:0], s.parts[:]...)
	b := append(e.Metadata[:len(e.Metadata)-1], macOpen...)
	return append(macText.AppendEncode(b, mac), macClose...)
}

// authentic checks the MAC at the end of the metadata over the bytes as they were when it was made.
func (c *Codec) authentic(at Place, typ string, data, metadata []byte) bool {
	rest, closed := bytes.CutSuffix(metadata, []byte(macClose))
	begin := bytes.LastIndexByte(rest, '"') + 1
	text, before := rest[begin:], rest[:begin]
	before, named := bytes.CutSuffix(before, []byte(macOpen))
	if !closed || !named || len(text) > macSize {
		return false
	}
	s := c.borrow()
	defer c.giveBack(s)
	n, err := macText.Decode(s.mac[:], text)
	if err != nil {
		return false
	}
	s.lay(at, typ, data)
	s.meta = append(append(s.meta[:0], before...), '}')
	s.parts[5] = s.meta
	return c.keys.VerifyMAC(s.mac[:n], s.parts[:]...) == nil
}

func (c *Codec) borrow() *sealed {
	if s, ok := c.sealed.Get().(*sealed); ok {
		return s
	}
	return new(sealed)
}

// giveBack keeps no hold of the fact's data.
func (c *Codec) giveBack(s *sealed) {
	s.parts = [6][]byte{}
	c.sealed.Put(s)
}
