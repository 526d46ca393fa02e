package egress

import "fmt"

// Refusal is the error of a URL that the guard does not let out. It never holds the URL, a query or an address, so
// that it may be shown to whoever asked: an address would tell strangers what internal names resolve to.
type Refusal struct {
	Reason string  // a sentence without full stop, for "webhook url rejected: <reason>"
	Why    Verdict // one word, for "dns_resolved_to_private:<why>"
}

// Error returns the reason.
func (r *Refusal) Error() string { return r.Reason }

// The words of refusals that are not about an address.
const (
	BadURL         Verdict = "bad_url"         // breaks the syntax rules
	InsecureScheme Verdict = "insecure_scheme" // plain http outside the development networks
	NonPublicName  Verdict = "non_public_name" // localhost, .internal, a single label, …
)

func badURL(format string, args ...any) *Refusal {
	return &Refusal{Reason: fmt.Sprintf(format, args...), Why: BadURL}
}
