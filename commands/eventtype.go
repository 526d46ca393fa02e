package commands

import (
	"context"
	"slices"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/webhook"
)

// DefineEventType adds a type to an organization's catalogue.
func (c *Commands) DefineEventType(ctx context.Context, by By, org domain.OrganizationID, name string, s domain.EventTypeSettings) (domain.EventType, eventlog.Position, error) {
	if err := checkTypeName(name); err != nil {
		return domain.EventType{}, eventlog.Position{}, err
	}
	if err := checkSchema(s); err != nil {
		return domain.EventType{}, eventlog.Position{}, err
	}
	return c.changeEventType(ctx, by, org, name, func(o domain.Organization, e domain.EventType) (domain.Fact, error) {
		return e.DecideDefine(o, name, s)
	})
}

// DescribeEventType replaces a type's settings with what edit makes of them.
func (c *Commands) DescribeEventType(ctx context.Context, by By, org domain.OrganizationID, name string, edit func(domain.EventTypeSettings) domain.EventTypeSettings) (domain.EventType, eventlog.Position, error) {
	return c.changeEventType(ctx, by, org, name, func(_ domain.Organization, e domain.EventType) (domain.Fact, error) {
		s := edit(e.EventTypeSettings)
		f, err := e.DecideDescribe(s)
		if err == nil {
			err = checkSchema(s)
		}
		return f, err
	})
}

// RetireEventType closes a type to new subscriptions.
func (c *Commands) RetireEventType(ctx context.Context, by By, org domain.OrganizationID, name string) (eventlog.Position, error) {
	_, at, err := c.changeEventType(ctx, by, org, name, func(_ domain.Organization, e domain.EventType) (domain.Fact, error) {
		return e.DecideRetire()
	})
	return at, err
}

// changeEventType changes a type of an organization that is open.
func (c *Commands) changeEventType(ctx context.Context, by By, org domain.OrganizationID, name string, decide func(domain.Organization, domain.EventType) (domain.Fact, error)) (domain.EventType, eventlog.Position, error) {
	o, err := c.openOrganization(ctx, org)
	if err != nil {
		return domain.EventType{}, eventlog.Position{}, err
	}
	if webhook.CheckTypeName(name) != nil {
		return domain.EventType{}, eventlog.Position{}, domain.Refuse(domain.NotFound, "no such event type")
	}
	return change(ctx, c, by, domain.EventTypeStream(org, name), domain.EventType{}, foldEventType,
		func(e domain.EventType) (domain.Fact, error) { return decide(o, e) })
}

func foldEventType(e domain.EventType, f recordedFact) domain.EventType {
	return e.Apply(f.Fact, f.Meta)
}

func checkTypeName(name string) error {
	if err := webhook.CheckTypeName(name); err != nil {
		return domain.RefuseFields(domain.FieldError{Field: "name", Message: err.Error()})
	}
	return nil
}

// catalogue answers what an organization's event types are: its own, those of its profile, and the reserved names.
type catalogue struct {
	commands *Commands
	ctx      context.Context
	org      domain.Organization
	profile  *webhook.Profile
	err      error
}

func (c *Commands) catalogue(ctx context.Context, o domain.Organization) (*catalogue, error) {
	p, err := profileOf(o)
	return &catalogue{commands: c, ctx: ctx, org: o, profile: p}, err
}

// publishable reports whether messages of the type are accepted, and returns the type if it is the organization's own.
// Retired types still are. The test's type is not for publishing.
func (k *catalogue) publishable(name string) (own domain.EventType, yes bool) {
	if name == webhook.TestType {
		return own, false
	}
	own = k.own(name)
	return own, own.Exists() || k.inProfile(name)
}

// subscribable reports whether a subscription may name the type: retired ones may not, reserved and operational ones may.
func (k *catalogue) subscribable(name string) bool {
	if own := k.own(name); own.Exists() {
		return !own.Retired()
	}
	return name == webhook.TestType || k.inProfile(name) || k.profile.Reserved(name) || isOperational(name)
}

// own returns the organization's own type of that name, from the directory or else from its stream.
func (k *catalogue) own(name string) domain.EventType {
	if e, ok := k.commands.Directory.EventType(k.org.ID, name); ok || k.err != nil {
		return e
	}
	l, err := load(k.ctx, k.commands, domain.EventTypeStream(k.org.ID, name), domain.EventType{}, foldEventType)
	k.err = err
	return l.state
}

func isOperational(name string) bool {
	return slices.ContainsFunc(webhook.OperationalTypes(), func(t webhook.EventType) bool { return t.Name == name })
}

func (k *catalogue) inProfile(name string) bool {
	_, ok := k.profile.EventType(name)
	return ok
}
