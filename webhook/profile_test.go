package webhook

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPolicies repeats the table of docs/contract.md in the contract's own spelling. It holds the rows wire.timeout,
// wire.waits and wire.disabling.
func TestPolicies(t *testing.T) {
	t.Parallel()
	type columns struct {
		timeout, schedule string
		attempts          int
		disable           DisableRule
		unhealthyAt       int
		warnings, notices string
		maxSubscriptions  int
		client, readable  bool
	}
	want := map[string]columns{
		"vantageclaw": {"10s", "1m 5m 30m 2h 6h 24h", 7, DisableRule{ConsecutiveFailures: 20}, 0,
			"[50 75 90]", "warning recovered disabled dead", 0, false, false},
		"clawbook":   {"30s", "1m 5m 30m 2h 12h", 6, DisableRule{}, 0, "[]", "dead+mail", 0, true, false},
		"vantagekit": {"10s", "1s 2s 4s 8s 16s", 6, DisableRule{}, 5, "[]", "unhealthy recovered dead", 10, false, false},
		"vntana": {"10s", "1m 5m 30m 2h 6h", 6, DisableRule{ConsecutiveFailures: 20}, 0,
			"[50 75 90]", "first_failure+mail warning recovered disabled+mail dead", 0, false, true},
		"standard": {"15s", "5s 5m 30m 2h 5h 10h 14h 20h 24h", 10, DisableRule{FailingFor: 120 * time.Hour}, 0,
			"[50 75 90]", "warning recovered disabled+mail dead", 0, false, false},
	}
	var names []string
	for _, p := range Profiles() {
		names = append(names, p.Name())
		var schedule []string
		for _, delay := range p.Schedule() {
			schedule = append(schedule, short(delay))
		}
		got := columns{
			short(p.Timeout()), strings.Join(schedule, " "), p.Attempts(), p.DisableRule(), p.UnhealthyAt(),
			fmt.Sprint(p.Warnings()), brief(p.Notices()), p.MaxSubscriptions(), p.ClientSupplied(), p.SecretReadable(),
		}
		if got != want[p.Name()] {
			t.Errorf("%s:\ngot  %+v\nwant %+v", p.Name(), got, want[p.Name()])
		}
	}
	if order := []string{"vantageclaw", "clawbook", "vantagekit", "vntana", "standard"}; !slices.Equal(names, order) {
		t.Errorf("profiles are %v; want %v", names, order)
	}
	if Default().Name() != "vantageclaw" {
		t.Errorf("the default is %s", Default().Name())
	}
	if p, ok := ByName("Standard"); ok {
		t.Errorf("names are exact, got %s", p.Name())
	}
}

// short writes a duration of one unit as the contract does.
func short(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return d.String()
	}
}

// brief lists the causes that somebody is told of.
func brief(notices []Notice) string {
	var causes []string
	for _, n := range notices {
		cause := string(n.Cause)
		if n.Mail {
			cause += "+mail"
		}
		causes = append(causes, cause)
	}
	return strings.Join(causes, " ")
}

// TestStatusRules tries every status against the contract's words. It holds the row wire.permanent.
func TestStatusRules(t *testing.T) {
	t.Parallel()
	is4xx := func(status int) bool { return status/100 == 4 }
	permanent := map[string]func(int) bool{
		"vantageclaw": func(int) bool { return false },
		"clawbook":    is4xx,
		"vantagekit":  func(status int) bool { return is4xx(status) && status != 429 },
		"vntana":      func(int) bool { return false },
		"standard":    func(status int) bool { return status == 410 },
	}
	for _, p := range Profiles() {
		t.Run(p.Name(), func(t *testing.T) {
			t.Parallel()
			for status := -1; status <= 1000; status++ {
				wantPermanent := permanent[p.Name()](status)
				if got := p.Permanent(status); got != wantPermanent {
					t.Errorf("Permanent(%d) is %v", status, got)
				}
				if got := p.Disables(status); got != (p.Name() == "standard" && status == 410) {
					t.Errorf("Disables(%d) is %v", status, got)
				}
				if got := p.RetryAfter(status); got != ((status == 429 || status == 503) && !wantPermanent) {
					t.Errorf("RetryAfter(%d) is %v", status, got)
				}
				if got := Success(status); got != (status >= 200 && status <= 299) {
					t.Errorf("Success(%d) is %v", status, got)
				}
			}
		})
	}
}

func TestCallersCannotChangeAProfile(t *testing.T) {
	t.Parallel()
	p := named(t, "vantageclaw")
	Profiles()[0] = nil
	p.Schedule()[0] = 0
	p.Catalogue()[0].Name = "changed"
	p.ReservedPrefixes()[0] = ""
	p.TestData()[0] = 'x'
	p.Warnings()[0] = 1
	p.Notices()[0].Mail = true
	p.Categories()[0].Types[0].Name = "changed"
	OperationalTypes()[0].Name = "changed"
	again := named(t, "vantageclaw")
	if again != p || again.Schedule()[0] != time.Minute || again.Catalogue()[0].Name != "vc.test.ping" ||
		again.Reserved("invoice.paid") || again.TestData()[0] != '{' ||
		again.Warnings()[0] != 50 || again.Notices()[0].Mail || OperationalTypes()[0].Name != TypeSubscriptionFailing {
		t.Error("a profile changed")
	}
}

// TestCatalogues holds the row wire.catalogue.
func TestCatalogues(t *testing.T) {
	t.Parallel()
	type shape struct {
		types      int
		categories string
	}
	want := map[string]shape{
		"vantageclaw": {1, "Test"},
		"clawbook":    {14, "Message Integration AI System Backup"},
		"vantagekit":  {21, "Deal room Document Viewer Agreement Link Team"},
		"vntana":      {11, "Product Folder User"},
		"standard":    {0, ""},
	}
	for _, p := range Profiles() {
		t.Run(p.Name(), func(t *testing.T) {
			t.Parallel()
			var names, categories []string
			for _, e := range p.Catalogue() {
				checkEventType(t, p, e)
				names = append(names, e.Name)
				categories = append(categories, e.Category)
			}
			got := shape{len(names), strings.Join(slices.Compact(categories), " ")}
			if got != want[p.Name()] {
				t.Errorf("got %v, want %v", got, want[p.Name()])
			}
			if slices.Sort(names); len(slices.Compact(names)) != got.types {
				t.Error("a name is there twice")
			}
			if CheckTypeName(TestType) != nil || p.CheckData(p.TestData()) != nil {
				t.Error("the test message cannot be sent")
			}
		})
	}
	if _, ok := named(t, "clawbook").EventType("ai.rate_limited"); !ok {
		t.Error("ai.rate_limited is missing")
	}
	if _, ok := named(t, "clawbook").EventType("ai"); ok {
		t.Error("ai is no event type")
	}
}

func checkEventType(t *testing.T, p *Profile, e EventType) {
	t.Helper()
	if err := CheckTypeName(e.Name); err != nil {
		t.Errorf("%s: %v", e.Name, err)
	}
	if found, ok := p.EventType(e.Name); !ok || found != e {
		t.Errorf("%s is not found", e.Name)
	}
	if e.Category == "" || e.Description == "" || p.Reserved(e.Name) {
		t.Errorf("%s: incomplete or reserved", e.Name)
	}
	canonical, err := Canonical([]byte(e.Example))
	if err != nil || !bytes.Equal(canonical, []byte(e.Example)) || p.CheckData(canonical) != nil {
		t.Errorf("%s: the example is not canonical data: %v", e.Name, err)
	}
}

func TestReservedNames(t *testing.T) {
	t.Parallel()
	p := named(t, "vantageclaw")
	for _, prefix := range []string{"vc.lead.", "vc.intake.", "vc.record.", "vc.skill.", "vc.agent."} {
		if !p.Reserved(prefix+"created") || !p.Reserved(prefix+"*") || p.Reserved(strings.TrimSuffix(prefix, ".")) {
			t.Errorf("%s is not reserved as documented", prefix)
		}
	}
	if p.Reserved("vc.test.ping") || p.Reserved("x.vc.lead.created") || named(t, "standard").Reserved("vc.lead.created") {
		t.Error("too much is reserved")
	}
}

func TestOwnHeaders(t *testing.T) {
	t.Parallel()
	tests := []struct {
		profile, header string
		want            bool
	}{
		{"vantageclaw", "x-vc-signature", true}, {"vantageclaw", "X-VC-Timestamp", true}, {"vantageclaw", "content-type", true},
		{"vantageclaw", "User-Agent", false}, {"vantagekit", "user-agent", true}, {"vantagekit", "X-VantageKit-Delivery", true},
		{"standard", "Webhook-Id", true}, {"standard", "X-VC-Signature", false}, {"clawbook", "X-Tenant", false},
	}
	for _, test := range tests {
		if got := named(t, test.profile).OwnsHeader(test.header); got != test.want {
			t.Errorf("%s owns %s: %v", test.profile, test.header, got)
		}
	}
}

func TestWhatIsSignedIsSent(t *testing.T) {
	t.Parallel()
	for _, p := range Profiles() {
		if p.headerOf(signatureList) == "" {
			t.Errorf("%s sends no signature", p.Name())
		}
		for _, piece := range p.signature.signed {
			if piece.value != constant && piece.value != body && p.headerOf(piece.value) == "" {
				t.Errorf("%s signs something that it does not send", p.Name())
			}
		}
	}
}
