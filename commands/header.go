package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hooklog/hooklog/domain"
)

// HeaderEdit changes one extra header of a subscription: it gets a value, or none if that is nil.
type HeaderEdit struct {
	Name  string
	Value *string
}

func (c *Commands) sealHeaders(ctx context.Context, org domain.OrganizationID, owner domain.SubscriptionID, headers []domain.Header) ([]domain.SealedHeader, error) {
	var sealed []domain.SealedHeader
	for _, h := range headers {
		value, err := c.seal(ctx, org, h.Value, owner.String())
		if err != nil {
			return nil, err
		}
		sealed = append(sealed, domain.SealedHeader{Name: h.Name, Value: value})
	}
	return sealed, nil
}

// openHeaders returns a subscription's extra headers in the clear.
func (c *Commands) openHeaders(ctx context.Context, s domain.Subscription) ([]domain.Header, error) {
	if len(s.Headers) == 0 {
		return nil, nil
	}
	key, err := c.DataKey(ctx, s.Organization)
	if err != nil {
		return nil, err
	}
	var opened []domain.Header
	for _, h := range s.Headers {
		value, err := key.Open(h.Value, []byte(s.ID.String()))
		if err != nil {
			return nil, fmt.Errorf("open a header of %s: %w", s.ID, err)
		}
		opened = append(opened, domain.Header{Name: h.Name, Value: string(value)})
	}
	return opened, nil
}

// editHeaders applies edits, in their order; a header keeps its place.
func editHeaders(headers []domain.Header, edits []HeaderEdit) []domain.Header {
	for _, e := range edits {
		i := slices.IndexFunc(headers, func(h domain.Header) bool { return strings.EqualFold(h.Name, e.Name) })
		switch {
		case e.Value == nil && i >= 0:
			headers = slices.Delete(headers, i, i+1)
		case e.Value == nil:
		case i >= 0:
			headers[i] = domain.Header{Name: e.Name, Value: *e.Value}
		default:
			headers = append(headers, domain.Header{Name: e.Name, Value: *e.Value})
		}
	}
	return headers
}
