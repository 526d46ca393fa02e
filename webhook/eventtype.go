package webhook

import (
	"errors"
	"fmt"
	"strings"
)

const (
	maxTypeName = 128
	// ownPrefix begins the types that this service publishes itself; "*" does not match them.
	ownPrefix  = "hooklog."
	allTypes   = "*"
	anyFurther = ".*"
)

// TestType is the event type of the message that a subscription's test sends, in every profile. It belongs to the
// service: nobody defines or publishes it.
const TestType = "vc.test.ping"

// EventType is an entry of a catalogue.
type EventType struct {
	Name, Category, Description string
	// Example is a canonical JSON object as data of the type may look; where the contract publishes members, those.
	Example string
}

// ErrTypeName: a text that is no name of an event type; or, from CheckPattern, no pattern of such names either.
var ErrTypeName = errors.New("invalid event type name")

// CheckTypeName tells whether name is one to 128 characters of [a-z0-9_]+(\.[a-z0-9_]+)*.
func CheckTypeName(name string) error {
	if len(name) > maxTypeName {
		return fmt.Errorf("%w: longer than %d characters", ErrTypeName, maxTypeName)
	}
	partLength := 0
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '.' && partLength > 0:
			partLength = 0
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_':
			partLength++
		default:
			return fmt.Errorf("%w: byte %d is not of a-z, 0-9, _ or a single dot", ErrTypeName, i+1)
		}
	}
	if partLength == 0 {
		return fmt.Errorf("%w: empty, or ends in a dot", ErrTypeName)
	}
	return nil
}

// CheckPattern tells whether pattern is what a subscription may list: a type name, "*", or a type name followed by ".*";
// in all at most 128 characters.
func CheckPattern(pattern string) error {
	if pattern == allTypes {
		return nil
	}
	if len(pattern) > maxTypeName {
		return fmt.Errorf("%w: longer than %d characters", ErrTypeName, maxTypeName)
	}
	return CheckTypeName(strings.TrimSuffix(pattern, anyFurther))
}

// Matches tells whether an event type is of a checked pattern. "*" is every type but hooklog.…; "a.b.*" is every type
// with at least one more part; anything else is itself.
func Matches(pattern, name string) bool {
	if pattern == allTypes {
		return !strings.HasPrefix(name, ownPrefix)
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return len(name) > len(prefix) && strings.HasPrefix(name, prefix)
	}
	return pattern == name
}
