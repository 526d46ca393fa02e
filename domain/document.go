package domain

import "bytes"

// Document is a canonical JSON text made ready to be looked into: where its values stand, in one pass and one list,
// without any of them being decoded. Texts that are no JSON give a document in which nothing is found.
type Document struct {
	text     []byte
	elements []element
}

// element is a value, or the name before one. Those inside an array or object follow it, up to next.
type element struct{ start, end, next uint32 }

// ReadDocument looks through a canonical JSON text, which must not change afterwards.
func ReadDocument(text []byte) Document {
	d := Document{text: text, elements: make([]element, 0, 8+len(text)/16)}
	var open []int
	for at := 0; at < len(text); {
		end := at + 1
		switch c := text[at]; c {
		case ',', ':':
		case '{', '[':
			open = append(open, len(d.elements))
			d.elements = append(d.elements, element{start: uint32(at)})
		case '}', ']':
			if len(open) == 0 {
				return Document{}
			}
			e := &d.elements[open[len(open)-1]]
			e.end, e.next = uint32(end), uint32(len(d.elements))
			open = open[:len(open)-1]
		default:
			if end = scalarEnd(text, at); end < 0 {
				return Document{}
			}
			d.elements = append(d.elements, element{uint32(at), uint32(end), uint32(len(d.elements) + 1)})
		}
		at = end
	}
	if len(open) > 0 {
		return Document{}
	}
	return d
}

// scalarEnd returns the end of the string, number or word at a place, or -1 if it has none.
func scalarEnd(text []byte, at int) int {
	if text[at] != '"' {
		if n := bytes.IndexAny(text[at:], ",]}"); n >= 0 {
			return at + n
		}
		return len(text)
	}
	for at++; at < len(text); at++ {
		switch text[at] {
		case '"':
			return at + 1
		case '\\':
			at++
		}
	}
	return -1
}

// value returns the text of an element.
func (d Document) value(at int) []byte { return d.text[d.elements[at].start:d.elements[at].end] }

// next returns the element after one and all that is in it.
func (d Document) next(at int) int { return int(d.elements[at].next) }

// find follows a path from the outermost value. It returns false where there is nothing.
func (d Document) find(path []step) ([]byte, bool) {
	if len(d.elements) == 0 {
		return nil, false
	}
	at := 0
	for _, s := range path {
		if at = d.enter(at, s); at < 0 {
			return nil, false
		}
	}
	return d.value(at), true
}

// enter returns the value that a step leads to, or -1.
func (d Document) enter(at int, s step) int {
	end := d.next(at)
	switch d.text[d.elements[at].start] {
	case '{':
		for name := at + 1; name+1 < end; name = d.next(name + 1) {
			if string(d.value(name)) == s.name {
				return name + 1
			}
		}
	case '[':
		if s.index < 0 {
			return -1
		}
		n := 0
		for item := at + 1; item < end; item = d.next(item) {
			if n == s.index {
				return item
			}
			n++
		}
	}
	return -1
}
