package http

import (
	"bytes"
	"html/template"
	"net/http"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
)

// addressBody is an address that notices may be mailed to.
type addressBody struct {
	Email       string    `json:"email"`
	ConfirmedAt timestamp `json:"confirmed_at"`
}

// setAddress confirms an address on the operator's word.
func (x *exchange) setAddress() error {
	o, err := x.organization()
	if err != nil {
		return err
	}
	var email string
	if err := x.decode(required("email", text(&email))); err != nil {
		return err
	}
	a, at, err := x.Commands.SetAddress(x.context(), x.by(), o.ID, email)
	if err != nil {
		return err
	}
	x.managed(at)
	return x.reply(http.StatusOK, addressBody{a.Address, timestamp(a.ConfirmedAt)})
}

// vouched is the address that a subscription is given if an operator does: it is confirmed with it. Whoever else gives
// one, it is asked by a mail.
func (x *exchange) vouched(email string) string {
	if x.key.Has(domain.ScopeOperator) {
		return email
	}
	return ""
}

// confirmPage is what people see who follow a link. Nothing is confirmed by looking: programs that check mails follow
// links, too.
var confirmPage = template.Must(template.New("confirm").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Webhook notices</title></head>
<body style="font-family:sans-serif;max-width:40em;margin:2em auto;padding:0 1em">
{{if .Confirmed}}<p>Notices about webhooks may be sent to {{.Address}}.</p>
{{else}}<form method="post"><p>May notices about webhooks be sent to {{.Address}}?</p><p><button type="submit">Confirm</button></p></form>
{{end}}</body></html>
`))

func (x *exchange) token() string { return x.r.URL.Query().Get("token") }

// askToConfirm shows a button to who followed a link.
func (x *exchange) askToConfirm() error {
	a, err := x.Commands.LinkedAddress(x.context(), x.token())
	if err != nil {
		return err
	}
	return x.showConfirm(a)
}

// confirmAddress confirms the address of a link.
func (x *exchange) confirmAddress() error {
	a, _, err := x.Commands.ConfirmAddress(x.context(), commands.By{Actor: "link", Request: x.id}, x.token())
	if err != nil {
		return err
	}
	return x.showConfirm(a)
}

func (x *exchange) showConfirm(a domain.Address) error {
	var page bytes.Buffer
	err := confirmPage.Execute(&page, struct {
		Address   string
		Confirmed bool
	}{a.Address, a.Confirmed()})
	if err != nil {
		return err
	}
	x.html(page.Bytes(), "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
	return nil
}
