package http

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/hooklog/hooklog/domain"
)

// vntanaRoot begins the paths of VNTANA's Admin API, vntanaProfile names the organizations that it is for.
const (
	vntanaRoot    = "/v1"
	vntanaProfile = "vntana"
)

// vntanaSurface is VNTANA's Admin API: session tokens instead of keys, one envelope around every answer.
var vntanaSurface = &surface{prove: (*exchange).sessionKey, admit: (*exchange).admitVntana, show: (*exchange).showVntanaRefusal,
	unknown: domain.Refuse(domain.Unauthenticated, "a valid token is needed: X-AUTH-TOKEN: Bearer <token>")}

// vntanaEnvelope is around every answer. Response is null where Errors has something.
type vntanaEnvelope struct {
	Success  bool     `json:"success"`
	Errors   []string `json:"errors"`
	Response any      `json:"response"`
}

// vntanaGrid is a list, always whole.
type vntanaGrid[T any] struct {
	TotalCount int `json:"totalCount"`
	Grid       []T `json:"grid"`
}

func vntanaGridOf[T any](rows []T) vntanaGrid[T] {
	if rows == nil {
		rows = []T{}
	}
	return vntanaGrid[T]{len(rows), rows}
}

// replyVntana answers with a response. Secrets and tokens may be in it, so nobody keeps it.
func (x *exchange) replyVntana(response any) error {
	x.writeVntana(http.StatusOK, vntanaEnvelope{Success: true, Errors: []string{}, Response: response})
	return nil
}

func (x *exchange) writeVntana(status int, e vntanaEnvelope) {
	x.header("Cache-Control", "no-store")
	x.write("application/json", status, e)
}

// vntanaCodes are the codes of refusals that are of no member.
var vntanaCodes = map[domain.Code]string{
	domain.Unauthenticated: "UNAUTHORIZED",
	domain.Forbidden:       "FORBIDDEN",
	domain.NotFound:        "NOT_FOUND",
	domain.Conflict:        "CONFLICT",
	domain.TooLarge:        "BODY_TOO_LARGE",
	domain.BadCursor:       "POSITION_INVALID", // there are no cursors here
	domain.Unavailable:     "UNAVAILABLE",
	codeMethod:             "METHOD_NOT_ALLOWED",
	codeMediaType:          "MEDIA_TYPE_NOT_SUPPORTED",
	codeTooMany:            "TOO_MANY_REQUESTS",
	codeFault:              "INTERNAL_ERROR",
}

// vntanaMemberCodes are the codes of members and headers that are wrong; what is not here has no place in a request.
var vntanaMemberCodes = map[string]string{
	"body":                  "BODY_INVALID",
	"personal-access-token": "PERSONAL_ACCESS_TOKEN_INVALID",
	"organizationUuid":      "ORGANIZATION_UUID_INVALID",
	"uuid":                  "UUID_INVALID",
	"userEmail":             "USER_EMAIL_INVALID",
	"name":                  "NAME_INVALID",
	"description":           "DESCRIPTION_INVALID",
	"disable":               "DISABLE_INVALID",
	"url":                   "URL_INVALID",
	"events":                "EVENTS_INVALID",
	"clients":               "CLIENTS_INVALID",
}

const vntanaUnknownMember = "UNKNOWN_MEMBER"

// detailHeader tells people what the codes of a refusal stand for.
const detailHeader = "Hooklog-Detail"

// showVntanaRefusal writes a refusal as its codes, each once; the sentences are in a header of Hooklog's own.
func (x *exchange) showVntanaRefusal(e *domain.Error, k kind) {
	codes, detail := []string{}, e.Detail
	for _, f := range e.Fields {
		root := f.Field
		if end := strings.IndexAny(root, "[."); end >= 0 {
			root = root[:end]
		}
		code, known := vntanaMemberCodes[root]
		if !known {
			code = vntanaUnknownMember
		}
		if !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
		detail += "; " + f.Field + ": " + f.Message
	}
	if len(codes) == 0 {
		codes = append(codes, vntanaCodes[e.Code])
	}
	x.header(detailHeader, headerText(detail))
	x.writeVntana(k.status, vntanaEnvelope{Errors: codes})
}

// maxDetail is the most bytes of a sentence in a header.
const maxDetail = 1024

// headerText makes a sentence fit for a header: visible ASCII and spaces, everything else escaped as in Go.
func headerText(sentence string) string {
	text := strconv.QuoteToASCII(sentence)
	text = strings.ReplaceAll(text[1:len(text)-1], `\"`, `"`)
	if len(text) > maxDetail {
		text = text[:maxDetail]
	}
	return text
}

// admitVntana refuses the keys of organizations that another contract is for.
func (x *exchange) admitVntana() error {
	o, err := x.organizationOf(x.key.Organization)
	if err == nil && o.Profile != vntanaProfile {
		err = domain.Refuse(domain.Forbidden, "this surface is for organizations of the profile %s", vntanaProfile)
	}
	return err
}

// vntanaText shows a text that need not be there; null if it is not.
func vntanaText(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
