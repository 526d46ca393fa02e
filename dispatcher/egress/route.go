package egress

import "sync"

// maxRoutes bounds the URLs whose parsed form is remembered, each of which takes some 500 bytes.
const maxRoutes = 1 << 14

// route is what a URL means for a request: where to, and how it begins.
type route struct {
	target target
	prefix string // request line and Host
}

// routes remembers parsed URLs. The syntax rules are pure, so that nothing in it grows old; when it is full it
// starts anew.
type routes struct {
	mu    sync.RWMutex
	byURL map[string]*route
}

func (r *routes) find(raw string) (*route, *Refusal) {
	r.mu.RLock()
	known := r.byURL[raw]
	r.mu.RUnlock()
	if known != nil {
		return known, nil
	}
	t, refusal := parseTarget(raw)
	if refusal != nil {
		return nil, refusal
	}
	fresh := &route{target: t, prefix: "POST " + t.uri + " HTTP/1.1\r\nHost: " + t.hostHeader() + "\r\n"}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byURL == nil || len(r.byURL) >= maxRoutes {
		r.byURL = make(map[string]*route)
	}
	r.byURL[raw] = fresh
	return fresh, nil
}
