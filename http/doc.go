// Package http is the REST side of Hooklog: the VantageClaw Partner API, VNTANA's Admin API, the platforms', auditors' and
// operators' API, and what an operator's monitoring asks for. A handler decodes, calls a command or a query, and encodes;
// one file holds one resource, routes.go all routes, surface.go what the routes of one published contract have in common,
// problem.go which refusals there are. docs/contract.md says what callers may rely on.
//
// It decides nothing about the domain and stores nothing but counters: who may call how often (ratelimit.go), and
// which addresses keep failing to authenticate (throttle.go), both of this node alone.
package http
