package eventlog

import (
	"fmt"
	"slices"
)

// CheckGroup holds the port's rules about groups and those who join them. Every backend calls it first.
func CheckGroup(g Group, buffer int) error {
	if err := CheckName("consumer group", g.Name); err != nil {
		return err
	}
	switch {
	case len(g.TypePrefixes) == 0:
		return fmt.Errorf("%w: consumer group %s admits no type; the prefix \"\" admits all", ErrInvalid, g.Name)
	case g.MessageTimeout <= 0:
		return fmt.Errorf("%w: consumer group %s has a message timeout of %v", ErrInvalid, g.Name, g.MessageTimeout)
	case g.MaxRetries < 0:
		return fmt.Errorf("%w: consumer group %s has a maximum of %d retries", ErrInvalid, g.Name, g.MaxRetries)
	case buffer < 1:
		return fmt.Errorf("%w: a consumer of group %s has a buffer of %d", ErrInvalid, g.Name, buffer)
	}
	for _, p := range g.TypePrefixes {
		if p == "" {
			continue
		}
		if err := CheckName("type prefix", p); err != nil {
			return err
		}
	}
	return nil
}

// SameSettings reports whether two groups of one name are the same group. The order of the prefixes does not matter.
func (g Group) SameSettings(h Group) bool {
	return g.MessageTimeout == h.MessageTimeout && g.MaxRetries == h.MaxRetries &&
		slices.Equal(canonical(g.TypePrefixes), canonical(h.TypePrefixes))
}

func canonical(prefixes []string) []string {
	p := slices.Clone(prefixes)
	slices.Sort(p)
	return slices.Compact(p)
}
