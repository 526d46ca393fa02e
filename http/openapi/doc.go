// Package openapi holds the description of every surface of the API, as OpenAPI 3.1: one document a surface, written by
// hand, and common.yaml with what they share. It makes of each what is served: the document whole, as JSON and as YAML,
// and a page for people. It knows nothing of the handlers; the tests of package http hold every request and every answer
// against it.
package openapi
