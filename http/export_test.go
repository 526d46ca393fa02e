package http

import "github.com/hooklog/hooklog/domain"

// ReadPublication lets tests outside the package read a message as publishing does.
var ReadPublication = readPublication

// Route is a row of the table, for tests outside the package.
type Route struct {
	Method, Path string
	Scopes       []domain.Scope
}

// Routes are all rows.
func Routes() (all []Route) {
	for _, rt := range table() {
		all = append(all, Route{rt.method, rt.path, rt.scopes})
	}
	return all
}
