package segment

import "github.com/cespare/xxhash/v2"

// A key stands for a stream's name in the indexes. Most names end in an id that begins with the time at which it was made,
// and streams are asked for, and found to be new, at about the time of their ids. So the key of such a name begins with
// that time: streams of a time are neighbours in an index, and those of now have a place in older ones that stays in
// memory. Nothing but speed depends on the time being true.
const (
	// timedBit marks a key that begins with a time, in seconds of 1,024 ms in its upper half.
	timedBit    = 1
	secondShift = 10
	timeShift   = 32
	// maxTime is in the year 2109, in milliseconds since 1970.
	maxTime    = 1 << 42
	uuidLength = 36
	// timeEnd is where the time ends in a UUID: twelve hexadecimal digits, the ninth of them behind a hyphen.
	timeEnd = 13
)

// keyOf makes the key of a stream's name.
func keyOf(stream string) uint64 {
	hash := xxhash.Sum64String(stream)
	at, ok := timeIn(stream)
	if !ok {
		return hash &^ timedBit
	}
	return at>>secondShift<<timeShift | hash&(1<<timeShift-1) | timedBit
}

// timeIn reads the milliseconds since 1970 of a UUID of version 7 that ends a name. One that is from past the year 2109
// was made of a hash, and is none.
func timeIn(stream string) (at uint64, ok bool) {
	if len(stream) < uuidLength {
		return 0, false
	}
	id := stream[len(stream)-uuidLength:]
	if id[8] != '-' || id[timeEnd] != '-' || id[timeEnd+1] != '7' {
		return 0, false
	}
	for i := range timeEnd {
		if i == 8 {
			continue
		}
		switch digit := id[i]; {
		case '0' <= digit && digit <= '9':
			at = at<<4 | uint64(digit-'0')
		case 'a' <= digit && digit <= 'f':
			at = at<<4 | uint64(digit-'a'+10)
		default:
			return 0, false
		}
	}
	return at, at < maxTime
}
