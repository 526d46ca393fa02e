package domain

import (
	"bytes"
	"encoding/base64"
)

// A MAC is the last member of an authenticated fact's metadata, in unpadded base64.
const (
	macOpen  = `,"mac":"`
	macClose = `"}`
	// macSize is more than the longest MAC in base64 has.
	macSize = 128
	// metaSize is about how many bytes metadata and MAC have.
	metaSize = 320
)

// macText refuses second spellings of one MAC.
var macText = base64.RawStdEncoding.Strict()

// sealed is what a MAC is made over: stream, id, type, data and the metadata without it. It is kept for reuse.
type sealed struct {
	parts [5][]byte
	names []byte
	meta  []byte
	mac   [macSize]byte
}

// lay puts the parts in place. Only names and metadata are copied.
func (s *sealed) lay(stream string, id [16]byte, typ string, data []byte) {
	s.names = append(append(append(s.names[:0], stream...), typ...), id[:]...)
	n, m := len(stream), len(stream)+len(typ)
	s.parts = [5][]byte{s.names[:n], s.names[m:], s.names[n:m], data, nil}
}

// seal returns the metadata of an encoded fact with its MAC.
func (c *Codec) seal(stream string, id [16]byte, e Encoded) []byte {
	s := c.borrow()
	defer c.giveBack(s)
	s.lay(stream, id, e.Type, e.Data)
	s.parts[4] = e.Metadata
	mac := c.keys.MAC(s.parts[:]...)
	b := append(e.Metadata[:len(e.Metadata)-1], macOpen...)
	return append(macText.AppendEncode(b, mac), macClose...)
}

// authentic checks the MAC at the end of the metadata over the bytes as they were when it was made.
func (c *Codec) authentic(stream string, id [16]byte, typ string, data, metadata []byte) bool {
	at := bytes.LastIndex(metadata, []byte(macOpen))
	if at < 0 || !bytes.HasSuffix(metadata, []byte(macClose)) {
		return false
	}
	text := metadata[at+len(macOpen):]
	if len(text) < len(macClose) || len(text) > macSize {
		return false
	}
	s := c.borrow()
	defer c.giveBack(s)
	n, err := macText.Decode(s.mac[:], text[:len(text)-len(macClose)])
	if err != nil {
		return false
	}
	s.lay(stream, id, typ, data)
	s.meta = append(append(s.meta[:0], metadata[:at]...), '}')
	s.parts[4] = s.meta
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
	s.parts = [5][]byte{}
	c.sealed.Put(s)
}
