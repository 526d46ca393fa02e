package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// component names something that a document refers to, as the responses' notFound.
type component struct{ section, name string }

const componentPrefix = "#/components/"

// parseReference reads a reference to a component of the same document; there are no others.
func parseReference(reference string) (component, error) {
	section, name, ok := strings.Cut(strings.TrimPrefix(reference, componentPrefix), "/")
	if !ok || !strings.HasPrefix(reference, componentPrefix) || strings.Contains(name, "/") {
		return component{}, fmt.Errorf("%q does not refer to a component", reference)
	}
	return component{section, name}, nil
}

// bundle adds to a document the common components that it refers to, and those that these refer to. A name is never in
// both.
func bundle(root, common *yaml.Node) error {
	wanted := references(root, nil)
	for len(wanted) > 0 {
		c, err := parseReference(wanted[0])
		if err != nil {
			return err
		}
		wanted = wanted[1:]
		shared := find(find(find(common, "components"), c.section), c.name)
		own := find(find(find(root, "components"), c.section), c.name)
		switch {
		case own == nil && shared == nil:
			return fmt.Errorf("there is no %s%s/%s", componentPrefix, c.section, c.name)
		case own == nil:
			section := grow(grow(root, "components"), c.section)
			section.Content = append(section.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: c.name}, shared)
			wanted = references(shared, wanted)
		case shared != nil && own != shared:
			return fmt.Errorf("%s%s/%s is in common.yaml, too", componentPrefix, c.section, c.name)
		}
	}
	return nil
}

// references adds to known every value of a member $ref, and the schemes that members security name.
func references(n *yaml.Node, known []string) []string {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 {
			switch name := n.Content[i-1].Value; {
			case name == "$ref" && child.Kind == yaml.ScalarNode:
				known = append(known, child.Value)
			case name == "security" && child.Kind == yaml.SequenceNode:
				known = appendSchemes(known, child)
			}
		}
		known = references(child, known)
	}
	return known
}

func appendSchemes(known []string, security *yaml.Node) []string {
	for _, requirement := range security.Content {
		for i := 0; i < len(requirement.Content); i += 2 {
			known = append(known, componentPrefix+"securitySchemes/"+requirement.Content[i].Value)
		}
	}
	return known
}

// find returns the value of a member; nil if there is none.
func find(n *yaml.Node, name string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

// grow returns an object's member, an object itself, which it makes if there is none.
func grow(n *yaml.Node, name string) *yaml.Node {
	if there := find(n, name); there != nil {
		return there
	}
	made := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}, made)
	return made
}

// indentedJSON writes a document as JSON, its members in the order in which they were written.
func indentedJSON(n *yaml.Node) ([]byte, error) {
	text, err := appendJSON(nil, n)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return nil, err
	}
	return append(out.Bytes(), '\n'), nil
}

func appendJSON(b []byte, n *yaml.Node) ([]byte, error) {
	switch n.Kind {
	case yaml.MappingNode, yaml.SequenceNode:
		return appendCollection(b, n)
	case yaml.ScalarNode:
		return appendScalar(b, n)
	}
	return nil, fmt.Errorf("line %d: there are no aliases here", n.Line)
}

func appendCollection(b []byte, n *yaml.Node) (_ []byte, err error) {
	opening, closing := byte('['), byte(']')
	if n.Kind == yaml.MappingNode {
		opening, closing = '{', '}'
	}
	b = append(b, opening)
	for i, child := range n.Content {
		switch {
		case n.Kind == yaml.MappingNode && i%2 == 1:
			b = append(b, ':')
		case i > 0:
			b = append(b, ',')
		}
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			b, err = appendText(b, child.Value) // names such as 200 are no numbers
		} else {
			b, err = appendJSON(b, child)
		}
		if err != nil {
			return nil, err
		}
	}
	return append(b, closing), nil
}

func appendScalar(b []byte, n *yaml.Node) ([]byte, error) {
	switch n.Tag {
	case "!!int", "!!float", "!!bool", "!!null":
		var value any
		if err := n.Decode(&value); err != nil {
			return nil, err
		}
		text, err := json.Marshal(value)
		return append(b, text...), err
	}
	return appendText(b, n.Value) // times too: JSON has none
}

func appendText(b []byte, s string) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(s)
	return append(b, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...), err
}
