package openapi

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// document is what of a document its page shows.
type document struct {
	Info struct {
		Title, Version, Summary, Description string
	}
	Security   []requirement
	Tags       []tag
	Paths      named[pathItem]
	Components components
}

type tag struct{ Name, Description string }

// requirement names the scopes of which a key needs one, by the scheme that proves it.
type requirement map[string][]string

type components struct {
	Parameters map[string]parameter
	Headers    map[string]header
	Responses  map[string]response
	Schemas    named[*schema]
}

// pathItem is what is described of a path.
type pathItem struct {
	Parameters                    []parameter
	Servers                       []server
	Get, Post, Put, Patch, Delete *operation
}

type server struct{ URL, Description string }

type operation struct {
	ID                   string `yaml:"operationId"`
	Tags                 []string
	Summary, Description string
	Security             *[]requirement
	Parameters           []parameter
	RequestBody          *body `yaml:"requestBody"`
	Responses            named[response]
}

type parameter struct {
	Ref                   string `yaml:"$ref"`
	Name, In, Description string
	Required              bool
	Schema                *schema
}

type body struct {
	Description string
	Required    bool
	Content     named[content]
}

// content is a body of one media type. Line is the schema of each line of it, Row that of each row.
type content struct {
	Schema *schema
	Line   *schema `yaml:"x-line"`
	Row    *schema `yaml:"x-row"`
}

type response struct {
	Ref         string `yaml:"$ref"`
	Description string
	Headers     named[header]
	Content     named[content]
}

type header struct {
	Ref         string `yaml:"$ref"`
	Description string
	Required    bool
	Schema      *schema
}

// schema is a JSON Schema, as far as the documents use it.
type schema struct {
	Ref           string `yaml:"$ref"`
	Description   string
	Type          types
	Format        string
	Pattern       string
	Const         yaml.Node
	Default       yaml.Node
	Enum          []yaml.Node
	Examples      []yaml.Node
	Minimum       *int64
	Maximum       *int64
	MinLength     *int64 `yaml:"minLength"`
	MaxLength     *int64 `yaml:"maxLength"`
	MinItems      *int64 `yaml:"minItems"`
	MaxItems      *int64 `yaml:"maxItems"`
	MaxProperties *int64 `yaml:"maxProperties"`
	Properties    named[*schema]
	Required      []string
	Items         *schema
	Others        *schema   `yaml:"additionalProperties"`
	OneOf         []*schema `yaml:"oneOf"`
	AnyOf         []*schema `yaml:"anyOf"`
	// Never is the schema false.
	Never bool `yaml:"-"`
}

// UnmarshalYAML reads a schema, which may be just true or false.
func (s *schema) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		s.Never = n.Value == "false"
		return nil
	}
	type members schema
	return n.Decode((*members)(s))
}

// types are what a value may be.
type types []string

// UnmarshalYAML reads one type or a list of them.
func (t *types) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*t = types{n.Value}
		return nil
	}
	return n.Decode((*[]string)(t))
}

// named is an object whose members keep the order in which they were written.
type named[T any] []namedOne[T]

type namedOne[T any] struct {
	Name  string
	Value T
}

// UnmarshalYAML reads an object.
func (m *named[T]) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: no object", n.Line)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		one := namedOne[T]{Name: n.Content[i].Value}
		if err := n.Content[i+1].Decode(&one.Value); err != nil {
			return fmt.Errorf("%s: %w", one.Name, err)
		}
		*m = append(*m, one)
	}
	return nil
}
