package http

import (
	"net/http"
	"strings"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/http/openapi"
)

// listDescriptions shows which surfaces there are. The first who asks waits until they are read, so that a start need not.
func (x *exchange) listDescriptions() error {
	d, err := openapi.Load()
	if err != nil {
		return err
	}
	x.html(d.Index, openapi.Policy)
	return nil
}

// showDescription shows a surface's description: as a page, or as a document that its ending names.
func (x *exchange) showDescription() error {
	d, err := openapi.Load()
	if err != nil {
		return err
	}
	name, ending, _ := strings.Cut(x.variable("document"), ".")
	for _, s := range d.Surfaces {
		if s.Name != name {
			continue
		}
		switch ending {
		case "":
			x.html(s.Page, openapi.Policy)
			return nil
		case "json":
			x.file("application/json", s.JSON)
			return nil
		case "yaml":
			x.file("application/yaml", s.YAML)
			return nil
		}
	}
	return domain.Refuse(domain.NotFound, "no such description")
}

// file sends what is the same for everybody until the next version.
func (x *exchange) file(mediaType string, content []byte) {
	h := x.w.Header()
	h.Set("Cache-Control", "max-age=300")
	h.Set("X-Content-Type-Options", "nosniff")
	x.send(mediaType, http.StatusOK, content)
}
