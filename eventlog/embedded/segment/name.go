package segment

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kinds of files, by the ends of their names.
const (
	segmentEnd = ".seg"
	offsetsEnd = ".pos"
	tableEnd   = ".idx"
	// unfinishedEnd is added to what is still being written.
	unfinishedEnd = ".tmp"
)

func segmentName(first uint64) string { return fmt.Sprintf("%016x%s", first, segmentEnd) }
func offsetsName(first uint64) string { return fmt.Sprintf("%016x%s", first, offsetsEnd) }
func tableName(r span) string         { return fmt.Sprintf("%016x-%016x%s", r.first, r.last, tableEnd) }

// span is a run of positions, both ends included.
type span struct{ first, last uint64 }

func (r span) records() uint64 { return r.last - r.first + 1 }

// listing is what a directory holds, each in order of position.
type listing struct {
	segments   []uint64
	offsets    map[uint64]bool
	tables     []span
	unfinished []string
}

func sortNames(names []string) (listing, error) {
	l := listing{offsets: map[uint64]bool{}}
	for _, name := range names {
		if err := l.add(name); err != nil {
			return l, fmt.Errorf("the file %s has no place in a log: %w", name, err)
		}
	}
	slices.Sort(l.segments)
	// Of two that begin together the wider comes first.
	slices.SortFunc(l.tables, func(a, b span) int {
		switch {
		case a.first != b.first:
			return compare(a.first, b.first)
		default:
			return compare(b.last, a.last)
		}
	})
	return l, nil
}

func (l *listing) add(name string) error {
	base, kind, _ := strings.Cut(name, ".")
	if strings.HasSuffix(kind, unfinishedEnd[1:]) {
		l.unfinished = append(l.unfinished, name)
		return nil
	}
	switch "." + kind {
	case segmentEnd, offsetsEnd:
		first, err := parsePosition(base)
		if err != nil {
			return err
		}
		if "."+kind == segmentEnd {
			l.segments = append(l.segments, first)
		} else {
			l.offsets[first] = true
		}
		return nil
	case tableEnd:
		a, b, _ := strings.Cut(base, "-")
		first, err := parsePosition(a)
		if err != nil {
			return err
		}
		last, err := parsePosition(b)
		if err != nil {
			return err
		}
		l.tables = append(l.tables, span{first, last})
		return nil
	}
	return fmt.Errorf("its kind %q is unknown", kind)
}

func parsePosition(text string) (uint64, error) {
	if len(text) != 16 {
		return 0, fmt.Errorf("%q is no position", text)
	}
	return strconv.ParseUint(text, 16, 64)
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
