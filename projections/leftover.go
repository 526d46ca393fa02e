package projections

// Leftovers names the projections that have rows in the place that is not served although no rebuild and no
// verification uses it. Such rows are dropped when they are no longer needed, and at every start; if there are any,
// something went wrong.
func (x *Fold) Leftovers() (names []string, err error) {
	select {
	case x.rebuilds.shadowing <- struct{}{}:
	default:
		return nil, nil // somebody uses them
	}
	defer func() { <-x.rebuilds.shadowing }()
	if x.rebuildWaits() {
		return nil, nil
	}
	m := x.reading()
	defer m.done()
	other := m.colours.other()
	for _, p := range table {
		any := false
		for _, space := range p.spaces {
			prefix := []byte{space | other[space]}
			err := x.store.scan(prefix, after(prefix), func([]byte, []byte) (bool, error) { any = true; return false, nil })
			if err != nil {
				return nil, err
			}
		}
		if any {
			names = append(names, p.name)
		}
	}
	return names, nil
}

// rebuildWaits reports whether a rebuild is on its way: it may go on with rows that are there already.
func (x *Fold) rebuildWaits() bool {
	x.rebuilds.mu.Lock()
	defer x.rebuilds.mu.Unlock()
	return x.rebuilds.job != nil
}
