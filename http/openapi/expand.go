package openapi

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// expand returns a document as it is served: without the aliases and merges that its source is shortened by, nor the
// members x-… of the top that hold what they stand for.
func expand(root *yaml.Node) *yaml.Node {
	plain := expanded(root)
	kept := plain.Content[:0]
	for i := 0; i+1 < len(plain.Content); i += 2 {
		if !strings.HasPrefix(plain.Content[i].Value, "x-") {
			kept = append(kept, plain.Content[i], plain.Content[i+1])
		}
	}
	plain.Content = kept
	return plain
}

func expanded(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return expanded(n.Alias)
	}
	out := *n
	out.Anchor, out.Content = "", make([]*yaml.Node, 0, len(n.Content))
	if n.Kind != yaml.MappingNode {
		for _, child := range n.Content {
			out.Content = append(out.Content, expanded(child))
		}
		return &out
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], expanded(n.Content[i+1])
		if name.Tag != "!!merge" {
			out.Content = append(out.Content, expanded(name), value)
			continue
		}
		for j := 0; j+1 < len(value.Content); j += 2 {
			if find(n, value.Content[j].Value) == nil {
				out.Content = append(out.Content, value.Content[j], value.Content[j+1])
			}
		}
	}
	return &out
}
