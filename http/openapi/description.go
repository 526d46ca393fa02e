package openapi

import (
	"embed"
	"fmt"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed *.yaml
var sources embed.FS

// surfaces are the names of the documents, in the order in which they are shown.
var surfaces = []string{"partner", "management", "vntana", "platform", "audit", "operators", "public"}

// Surface is one part of the API, described.
type Surface struct {
	// Name is that of its documents, without an ending.
	Name, Title, Summary string
	// JSON and YAML are the same document. It refers to nothing outside itself.
	JSON, YAML []byte
	// Page is the document as HTML.
	Page []byte
}

// Descriptions are all surfaces, and the page that lists them.
type Descriptions struct {
	Surfaces []Surface
	Index    []byte
}

// Load reads the documents, once in a process. It fails if one of them is no YAML or refers to what is not there.
var Load = sync.OnceValues(load)

func load() (*Descriptions, error) {
	common, err := parse("common")
	if err != nil {
		return nil, err
	}
	d := &Descriptions{}
	for _, name := range surfaces {
		s, err := describe(name, common)
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", name, err)
		}
		d.Surfaces = append(d.Surfaces, s)
	}
	d.Index, err = renderIndex(d.Surfaces)
	return d, err
}

func parse(name string) (*yaml.Node, error) {
	text, err := sources.ReadFile(name + ".yaml")
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("%s.yaml: %w", name, err)
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s.yaml is no object", name)
	}
	return expand(document.Content[0]), nil
}

// describe makes what is served of a surface.
func describe(name string, common *yaml.Node) (Surface, error) {
	s := Surface{Name: name}
	root, err := parse(name)
	if err != nil {
		return s, err
	}
	if err := bundle(root, common); err != nil {
		return s, err
	}
	if s.JSON, err = indentedJSON(root); err != nil {
		return s, err
	}
	if s.YAML, err = yaml.Marshal(root); err != nil {
		return s, err
	}
	var d document
	if err := root.Decode(&d); err != nil {
		return s, err
	}
	s.Title, s.Summary = d.Info.Title, d.Info.Summary
	s.Page, err = renderPage(name, &d)
	return s, err
}
