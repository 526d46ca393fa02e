package http

import (
	"net/http"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/webhook"
)

// Organizations finds organizations in this node's fold.
type Organizations interface {
	Organization(id domain.OrganizationID) (domain.Organization, bool)
	// Organizations lists all of them, newest first.
	Organizations(limit int, cursor string) (page []domain.Organization, next string, err error)
}

// organizationBody is an organization. Overrides and the closing are there only where there are any.
type organizationBody struct {
	ID            domain.OrganizationID `json:"id"`
	Slug          string                `json:"slug"`
	Name          string                `json:"name"`
	Profile       string                `json:"profile"`
	RetrySchedule []domain.Duration     `json:"retry_schedule,omitempty"`
	Timeout       domain.Duration       `json:"timeout,omitzero"`
	CreatedAt     timestamp             `json:"created_at"`
	ClosedAt      *timestamp            `json:"closed_at,omitempty"`
}

func showOrganization(o domain.Organization) organizationBody {
	return organizationBody{ID: o.ID, Slug: o.Slug, Name: o.Name, Profile: o.Profile, RetrySchedule: o.RetrySchedule,
		Timeout: o.Timeout, CreatedAt: timestamp(o.CreatedAt), ClosedAt: when(o.ClosedAt)}
}

func (x *exchange) registerOrganization() error {
	slug, profile := "", webhook.Default().Name()
	var s domain.OrganizationSettings
	err := x.decode(required("slug", text(&slug)), required("name", text(&s.Name)), optional("profile", text(&profile)),
		optional("retry_schedule", durations(&s.RetrySchedule)), optional("timeout", givenTimeout(&s.Timeout)))
	if err != nil {
		return err
	}
	o, at, err := x.Commands.RegisterOrganization(x.context(), x.by(), slug, profile, s)
	if err != nil {
		return err
	}
	x.managed(at)
	return x.reply(http.StatusCreated, showOrganization(o))
}

// givenTimeout reads a timeout. Zero would mean that none was given, so it is refused here.
func givenTimeout(to *domain.Duration) reader {
	return func(field string, value []byte) []domain.FieldError {
		if bad := duration(to)(field, value); bad != nil {
			return bad
		}
		if *to == 0 {
			return wrong(field, "must be from 1s to 1m")
		}
		return nil
	}
}

func (x *exchange) listOrganizations() error {
	m, past, err := x.moment()
	if err != nil {
		return err
	}
	return replyPage(x, func(limit int, cursor string) ([]domain.Organization, string, error) {
		if past {
			return x.Fold.OrganizationsAt(x.context(), m, limit, cursor)
		}
		return x.Fold.Organizations(limit, cursor)
	}, showOrganization)
}

func (x *exchange) showOrganization() error {
	o, err := x.organization()
	if err != nil {
		return err
	}
	m, past, err := x.moment()
	if past && err == nil {
		o, err = x.Fold.OrganizationAt(x.context(), o.ID, m)
	}
	if err != nil {
		return err
	}
	return x.reply(http.StatusOK, showOrganization(o))
}

// changeOrganization changes what was given; null gives the schedule or the timeout back to the profile.
func (x *exchange) changeOrganization() error {
	o, err := x.organization()
	if err != nil {
		return err
	}
	var name noted[string]
	var schedule noted[[]domain.Duration]
	var timeout noted[domain.Duration]
	err = x.decode(optional("name", note(&name, text)), optional("retry_schedule", note(&schedule, nullable(durations))),
		optional("timeout", note(&timeout, nullable(givenTimeout))))
	if err != nil {
		return err
	}
	o, at, err := x.Commands.ChangeOrganization(x.context(), x.by(), o.ID, func(s domain.OrganizationSettings) domain.OrganizationSettings {
		s.Name, s.RetrySchedule, s.Timeout = name.or(s.Name), schedule.or(s.RetrySchedule), timeout.or(s.Timeout)
		return s
	})
	if err != nil {
		return err
	}
	x.managed(at)
	return x.reply(http.StatusOK, showOrganization(o))
}

func (x *exchange) closeOrganization() error {
	o, err := x.organization()
	if err != nil {
		return err
	}
	at, err := x.Commands.CloseOrganization(x.context(), x.by(), o.ID)
	if err != nil {
		return err
	}
	x.managed(at)
	return x.empty()
}
