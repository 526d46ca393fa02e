package http

import (
	"net/http"
	"strings"

	"github.com/hooklog/hooklog/domain"
)

// surface is what the routes of one published contract have in common: how they know their callers, and what their
// refusals look like.
type surface struct {
	// prove finds the caller's key; false if the request proves to hold none.
	prove func(*exchange) (key domain.Key, good bool, err error)
	// unknown is the one refusal of everything that proves nothing.
	unknown *domain.Error
	// admit refuses callers that the contract is not for; nil refuses nobody.
	admit func(*exchange) error
	// show writes the body of a refusal, whose headers are set.
	show func(*exchange, *domain.Error, kind)
}

// ownSurface is everything that Hooklog's own contract shapes.
var ownSurface = &surface{prove: (*exchange).bearerKey, unknown: errUnauthenticated, show: (*exchange).showProblem}

// unrouted answers what fits no route, in the manner of the surface that the path belongs to and without asking for a key.
func (a *API) unrouted(refuse func(*exchange) error) handler {
	own, vntana := a.serving(&route{path: "none", handle: refuse}), a.serving(&route{path: "none", handle: refuse, surface: vntanaSurface})
	return func(w http.ResponseWriter, r *http.Request, path map[string]string) {
		if strings.HasPrefix(r.URL.Path, vntanaRoot+"/") {
			vntana(w, r, path)
			return
		}
		own(w, r, path)
	}
}
