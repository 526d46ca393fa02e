package commands

import "github.com/hooklog/hooklog/domain"

// newID makes an id for the time of a fact's metadata.
func newID[ID ~[16]byte](c *Commands, m domain.Meta) ID { return ID(domain.LayOut(c.ids.next(m.At))) }
