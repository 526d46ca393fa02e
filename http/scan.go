package http

import (
	"bytes"
	"encoding/json"

	"github.com/hooklog/hooklog/webhook"
)

// members walks over the members of one JSON object. It is strict about what lies between them and after the object;
// of a value it finds only the end: whoever takes the value judges it.
type members struct {
	in []byte
	at int

	// name is the text between the quotes of the present member's name, value its value without white space around.
	name, value []byte
	begun, done bool
	err         error
}

// next moves to the next member. It is false at the end and at a fault, which err then tells.
func (m *members) next() bool {
	if m.done {
		return false
	}
	m.at = skipSpace(m.in, m.at)
	if !m.begun {
		if !m.take('{') {
			return m.fail()
		}
		m.begun = true
		if m.at = skipSpace(m.in, m.at); m.take('}') {
			return m.end()
		}
	} else if m.take('}') {
		return m.end()
	} else if !m.take(',') {
		return m.fail()
	}
	return m.member()
}

func (m *members) member() bool {
	m.at = skipSpace(m.in, m.at)
	start := m.at
	if m.at = skipString(m.in, m.at); m.at < 0 {
		return m.fail()
	}
	m.name = m.in[start+1 : m.at-1]
	if m.at = skipSpace(m.in, m.at); !m.take(':') {
		return m.fail()
	}
	start = skipSpace(m.in, m.at)
	if m.at = skipValue(m.in, start); m.at < 0 {
		return m.fail()
	}
	m.value = m.in[start:m.at]
	return true
}

func (m *members) take(c byte) bool {
	if m.at < 0 || m.at >= len(m.in) || m.in[m.at] != c {
		return false
	}
	m.at++
	return true
}

func (m *members) end() bool {
	m.done = true
	if skipSpace(m.in, m.at) < len(m.in) {
		m.err = webhook.ErrSyntax
	}
	return false
}

func (m *members) fail() bool {
	m.done, m.err = true, webhook.ErrSyntax
	return false
}

// plainName returns the member's name without escapes; as it stands if they are broken.
func (m *members) plainName() string {
	if bytes.IndexByte(m.name, '\\') < 0 {
		return string(m.name)
	}
	var s string
	if err := json.Unmarshal(append(append([]byte{'"'}, m.name...), '"'), &s); err != nil {
		return string(m.name)
	}
	return s
}

// elements walks over the elements of one JSON array, in the same way.
type elements struct {
	in []byte
	at int

	value       []byte
	begun, done bool
	err         error
}

// next moves to the next element. It is false at the end and at a fault, which err then tells.
func (e *elements) next() bool {
	if e.done {
		return false
	}
	m := members{in: e.in, at: skipSpace(e.in, e.at)}
	if !e.begun {
		if !m.take('[') {
			return e.fail()
		}
		e.begun = true
		if m.at = skipSpace(m.in, m.at); m.take(']') {
			return e.end(m.at)
		}
	} else if m.take(']') {
		return e.end(m.at)
	} else if !m.take(',') {
		return e.fail()
	}
	start := skipSpace(e.in, m.at)
	if e.at = skipValue(e.in, start); e.at < 0 {
		return e.fail()
	}
	e.value = e.in[start:e.at]
	return true
}

func (e *elements) end(at int) bool {
	e.done = true
	if skipSpace(e.in, at) < len(e.in) {
		e.err = webhook.ErrSyntax
	}
	return false
}

func (e *elements) fail() bool {
	e.done, e.err = true, webhook.ErrSyntax
	return false
}

func skipSpace(b []byte, at int) int {
	for at < len(b) && (b[at] == ' ' || b[at] == '\n' || b[at] == '\r' || b[at] == '\t') {
		at++
	}
	return at
}

// skipString returns the place after the string that begins at at, or -1.
func skipString(b []byte, at int) int {
	if at >= len(b) || b[at] != '"' {
		return -1
	}
	for at++; at < len(b); at++ {
		i := bytes.IndexByte(b[at:], '"')
		if i < 0 {
			return -1
		}
		escape := bytes.IndexByte(b[at:at+i], '\\')
		if escape < 0 {
			return at + i + 1
		}
		at += escape + 1 // the loop steps over what is escaped
	}
	return -1
}

// skipValue returns the place after the value that begins at at, or -1 if it does not end. It counts brackets without
// telling them apart and takes any run of other characters for a value.
func skipValue(b []byte, at int) int {
	if at >= len(b) {
		return -1
	}
	switch b[at] {
	case '"':
		return skipString(b, at)
	case '{', '[':
		return skipNested(b, at)
	}
	start := at
	for at < len(b) && !bytes.ContainsRune(delimiters, rune(b[at])) {
		at++
	}
	if at == start {
		return -1
	}
	return at
}

var delimiters = []byte(",:]}\" \t\r\n")

func skipNested(b []byte, at int) int {
	depth := 0
	for at < len(b) {
		switch b[at] {
		case '"':
			if at = skipString(b, at); at < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return at + 1
			}
		}
		at++
	}
	return -1
}

// readText reads a JSON string as strictly as everything else that is published: valid UTF-8, no lone surrogates.
func readText(value []byte) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	if plain(value[1 : len(value)-1]) {
		return string(value[1 : len(value)-1]), value[len(value)-1] == '"'
	}
	canonical, err := webhook.Canonical(value)
	if err != nil {
		return "", false
	}
	var s string
	err = json.Unmarshal(canonical, &s)
	return s, err == nil
}

// plain reports whether the inside of a string is what it looks like: ASCII without escapes or control characters.
func plain(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			return false
		}
	}
	return true
}
