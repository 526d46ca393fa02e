package http

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hooklog/hooklog/domain"
)

// Who may use a route: a key needs one of the scopes. Operators have all of them.
var (
	anyKey      = []domain.Scope{domain.ScopeIdentity}
	partners    = []domain.Scope{domain.ScopeWebhooks}
	platforms   = []domain.Scope{domain.ScopePublish}
	auditors    = []domain.Scope{domain.ScopeAudit}
	caretakers  = []domain.Scope{domain.ScopeWebhooks, domain.ScopeAudit}
	observers   = []domain.Scope{domain.ScopePublish, domain.ScopeAudit}
	operators   = []domain.Scope{domain.ScopeOperator}
	cataloguers = []domain.Scope{domain.ScopeOperator, domain.ScopePublish, domain.ScopeAudit}
)

// route is one row of the contract's tables.
type route struct {
	method, path string
	// scopes are those of which a key needs one; a route without any needs no key.
	scopes []domain.Scope
	handle func(*exchange) error
	// surface is the contract that the route is part of; nil is Hooklog's own.
	surface *surface
	// prove takes the place of the surface's where the key is proven otherwise.
	prove func(*exchange) (domain.Key, bool, error)

	counters [6]prometheus.Counter
	seconds  prometheus.Observer
}

// operatorOnly reports whether only operators may use the route. Such routes answer while the node is behind, too.
func (rt *route) operatorOnly() bool {
	return len(rt.scopes) == 1 && rt.scopes[0] == domain.ScopeOperator
}

// table is every route of the public listener. The first that fits is taken, so the busiest comes first.
func table() []*route {
	const (
		partner  = "/api/v1/partner"
		webhooks = "/api/v1/webhooks"
		webhook  = webhooks + "/{webhook}"
		orgs     = "/api/v1/organizations"
		org      = orgs + "/{organization}"
		v1       = vntanaRoot
		v1hook   = v1 + "/webhooks/{webhook}"
	)
	vntana := vntanaSurface
	return []*route{
		{method: "POST", path: org + "/events", scopes: platforms, handle: (*exchange).publish},
		{method: "GET", path: org + "/events/{event}", scopes: observers, handle: (*exchange).explainMessage},

		{method: "GET", path: partner + "/me", scopes: anyKey, handle: (*exchange).identity},
		{method: "POST", path: partner + "/webhooks", scopes: partners, handle: (*exchange).createSubscription},
		{method: "GET", path: partner + "/webhooks", scopes: partners, handle: (*exchange).listSubscriptions},
		{method: "DELETE", path: partner + "/webhooks/{webhook}", scopes: partners, handle: (*exchange).deleteSubscription},
		{method: "POST", path: partner + "/webhooks/{webhook}/test", scopes: partners, handle: (*exchange).testSubscription},
		{method: "GET", path: partner + "/webhooks/{webhook}/failures", scopes: partners, handle: (*exchange).listFailures},

		{method: "POST", path: webhooks, scopes: partners, handle: (*exchange).createWebhook},
		{method: "GET", path: webhooks, scopes: partners, handle: (*exchange).listWebhooks},
		{method: "PATCH", path: webhook, scopes: partners, handle: (*exchange).changeWebhook},
		{method: "DELETE", path: webhook, scopes: partners, handle: (*exchange).deleteSubscription},
		{method: "POST", path: webhooks + "/{webhook}/test", scopes: partners, handle: (*exchange).testWebhook},
		{method: "POST", path: webhooks + "/{webhook}/rotate-secret", scopes: partners, handle: (*exchange).rotateSecret},
		{method: "POST", path: webhook + "/filter-test", scopes: partners, handle: (*exchange).testFilter},
		{method: "GET", path: webhook + "/deliveries", scopes: caretakers, handle: (*exchange).listDeliveries},
		{method: "POST", path: webhook + "/recover", scopes: partners, handle: (*exchange).recoverDeliveries},
		{method: "GET", path: webhook + "/recoveries/{recovery}", scopes: caretakers, handle: (*exchange).showRecovery},
		{method: "POST", path: "/api/v1/deliveries/{delivery}/redeliver", scopes: partners, handle: (*exchange).redeliver},
		{method: "GET", path: "/api/v1/event-types", scopes: partners, handle: (*exchange).listOwnEventTypes},
		{method: "GET", path: "/api/v1/meta", scopes: partners, handle: (*exchange).showMeta},
		{method: "GET", path: webhook, scopes: caretakers, handle: (*exchange).showSubscription},
		{method: "GET", path: webhook + "/history", scopes: caretakers, handle: (*exchange).listChanges},
		{method: "GET", path: webhook + "/explanation", scopes: caretakers, handle: (*exchange).explainSubscription},

		{method: "GET", path: "/api/v1/deliveries/{delivery}", scopes: auditors, handle: (*exchange).showDelivery},
		{method: "GET", path: "/api/v1/audit/facts", scopes: auditors, handle: (*exchange).listFacts},

		{method: "POST", path: orgs, scopes: operators, handle: (*exchange).registerOrganization},
		{method: "GET", path: orgs, scopes: operators, handle: (*exchange).listOrganizations},
		{method: "GET", path: org, scopes: operators, handle: (*exchange).showOrganization},
		{method: "PATCH", path: org, scopes: operators, handle: (*exchange).changeOrganization},
		{method: "DELETE", path: org, scopes: operators, handle: (*exchange).closeOrganization},

		{method: "POST", path: org + "/addresses", scopes: operators, handle: (*exchange).setAddress},
		{method: "GET", path: "/api/v1/notices/confirm", handle: (*exchange).askToConfirm},
		{method: "POST", path: "/api/v1/notices/confirm", handle: (*exchange).confirmAddress},

		{method: "POST", path: org + "/keys", scopes: operators, handle: (*exchange).issueKey},
		{method: "GET", path: org + "/keys", scopes: operators, handle: (*exchange).listKeys},
		{method: "POST", path: org + "/keys/{key}/rotate", scopes: operators, handle: (*exchange).rotateKey},
		{method: "DELETE", path: org + "/keys/{key}", scopes: operators, handle: (*exchange).revokeKey},
		{method: "POST", path: "/api/v1/keys", scopes: operators, handle: (*exchange).issueKey},
		{method: "GET", path: "/api/v1/keys", scopes: operators, handle: (*exchange).listKeys},
		{method: "POST", path: "/api/v1/keys/{key}/rotate", scopes: operators, handle: (*exchange).rotateKey},
		{method: "DELETE", path: "/api/v1/keys/{key}", scopes: operators, handle: (*exchange).revokeKey},

		{method: "POST", path: org + "/event-types", scopes: operators, handle: (*exchange).defineEventType},
		{method: "GET", path: org + "/event-types", scopes: cataloguers, handle: (*exchange).listEventTypes},
		{method: "GET", path: org + "/event-types/{name}", scopes: cataloguers, handle: (*exchange).showEventType},
		{method: "GET", path: org + "/event-types/{name}/subscribers", scopes: observers, handle: (*exchange).listGetters},
		{method: "PATCH", path: org + "/event-types/{name}", scopes: operators, handle: (*exchange).describeEventType},
		{method: "DELETE", path: org + "/event-types/{name}", scopes: operators, handle: (*exchange).retireEventType},

		{method: "GET", path: "/api/v1/projections", scopes: operators, handle: (*exchange).listProjections},
		{method: "POST", path: "/api/v1/projections/rebuild", scopes: operators, handle: (*exchange).rebuildAll},
		{method: "POST", path: "/api/v1/projections/{projection}/rebuild", scopes: operators, handle: (*exchange).rebuildProjection},
		{method: "DELETE", path: "/api/v1/projections/{projection}/rebuild", scopes: operators, handle: (*exchange).cancelRebuild},
		{method: "POST", path: "/api/v1/projections/{projection}/verify", scopes: operators, handle: (*exchange).verifyProjection},
		{method: "GET", path: "/api/v1/groups", scopes: operators, handle: (*exchange).listGroups},
		{method: "POST", path: "/api/v1/groups/{group}/replay-parked", scopes: operators, handle: (*exchange).replayParked},
		{method: "POST", path: "/api/v1/backups", scopes: operators, handle: (*exchange).makeBackup},
		{method: "POST", path: "/api/v1/simulations", scopes: operators, handle: (*exchange).simulate},
		{method: "GET", path: "/api/v1/doctor", scopes: operators, handle: (*exchange).diagnose},

		{method: "POST", path: v1 + "/auth/login/token", scopes: partners, surface: vntana, handle: (*exchange).beginSession, prove: (*exchange).keyInBody},
		{method: "POST", path: v1 + "/auth/refresh-token", scopes: partners, surface: vntana, handle: (*exchange).renewSession},
		{method: "GET", path: v1 + "/organizations", scopes: partners, surface: vntana, handle: (*exchange).vntanaOrganizations},
		{method: "GET", path: v1 + "/clients/client-organizations", scopes: partners, surface: vntana, handle: (*exchange).vntanaClients},
		{method: "GET", path: v1 + "/webhooks/events/", scopes: partners, surface: vntana, handle: (*exchange).vntanaEvents},
		{method: "POST", path: v1 + "/webhooks/", scopes: partners, surface: vntana, handle: (*exchange).createVntanaWebhook},
		{method: "PUT", path: v1hook, scopes: partners, surface: vntana, handle: (*exchange).changeVntanaWebhook},
		{method: "GET", path: v1hook, scopes: partners, surface: vntana, handle: (*exchange).showVntanaWebhook},
		{method: "GET", path: v1 + "/webhooks/organization/{organization}", scopes: partners, surface: vntana, handle: (*exchange).listVntanaWebhooks},
		{method: "DELETE", path: v1hook, scopes: partners, surface: vntana, handle: (*exchange).deleteVntanaWebhook},
		{method: "PATCH", path: v1hook + "/secret", scopes: partners, surface: vntana, handle: (*exchange).renewVntanaSecret},

		{method: "GET", path: "/openapi/", handle: (*exchange).listDescriptions},
		{method: "GET", path: "/openapi/{document}", handle: (*exchange).showDescription},
	}
}

// routed makes the router. What fits no route is answered like everything else, without asking for a key.
func (a *API) routed() *mux.Router {
	router := mux.NewRouter().SkipClean(true)
	for _, rt := range table() {
		methods := []string{rt.method}
		if rt.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		router.Handle(rt.path, a.serving(rt)).Methods(methods...)
	}
	router.NotFoundHandler = a.unrouted(func(*exchange) error {
		return domain.Refuse(domain.NotFound, "there is nothing at this path")
	})
	router.MethodNotAllowedHandler = a.unrouted(func(x *exchange) error {
		allowed := allowedMethods(router, x.r)
		x.w.Header().Set("Allow", strings.Join(allowed, ", "))
		return domain.Refuse(codeMethod, "this path takes %s", strings.Join(allowed, ", "))
	})
	return router
}

// allowedMethods tries which methods would fit a path.
func allowedMethods(router *mux.Router, r *http.Request) []string {
	var allowed []string
	for _, method := range []string{"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"} {
		other := r.Clone(r.Context())
		other.Method = method
		var match mux.RouteMatch
		if router.Match(other, &match) && match.MatchErr == nil && match.Route != nil {
			allowed = append(allowed, method)
		}
	}
	return slices.Clip(allowed)
}
