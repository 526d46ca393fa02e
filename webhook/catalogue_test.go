package webhook

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPublishedNames repeats the lists of names in docs/contract.md.
func TestPublishedNames(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"clawbook": "message.received|sent|delivered|failed integration.connected|disconnected|error ai.request|response|error|rate_limited " +
			"system.health backup.completed|failed",
		"vantagekit": "deal_room.created|updated|published|archived|viewed document.added|removed|published|viewed|downloaded " +
			"viewer.identified|email_captured agreement.signed|declined|expired link.created|updated|clicked|expired " +
			"team.member_joined|member_removed",
		"vntana": "product.added|pending|processing|completed|terminated|failed|published|deleted client.added user.added|revoked",
	}
	for profile, groups := range want {
		var names, got []string
		for _, group := range strings.Fields(groups) {
			prefix, rest, _ := strings.Cut(group, ".")
			for _, name := range strings.Split(rest, "|") {
				names = append(names, prefix+"."+name)
			}
		}
		for _, e := range named(t, profile).Catalogue() {
			got = append(got, e.Name)
		}
		if !slices.Equal(got, names) {
			t.Errorf("%s: got  %v\nwant %v", profile, got, names)
		}
	}
}

// TestExamplesHaveThePublishedMembers holds the known data of docs/contract.md, members in their order.
func TestExamplesHaveThePublishedMembers(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"clawbook message.received":         "message_id conversation_id platform sender content timestamp",
		"clawbook message.sent":             "message_id conversation_id platform recipient content ai_model tokens latency_ms",
		"clawbook integration.disconnected": "platform reason last_connected_at auto_reconnect",
		"vantagekit deal_room.created":      "dealRoomId name",
		"vantagekit deal_room.archived":     "dealRoomId name",
		"vantagekit deal_room.updated":      "dealRoomId name changes",
		"vantagekit deal_room.published":    "dealRoomId name version documentCount",
		"vantagekit deal_room.viewed":       "dealRoomId linkId viewerEmail pageCount duration timestamp",
		"vntana product.added":              "organization product client",
	}
	for key, members := range want {
		profile, name, _ := strings.Cut(key, " ")
		e, ok := named(t, profile).EventType(name)
		if !ok {
			t.Fatalf("no %s", key)
		}
		if got := strings.Join(memberNames(t, e.Example), " "); got != members {
			t.Errorf("%s has %s, want %s", key, got, members)
		}
	}
}

func memberNames(t *testing.T, object string) (names []string) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(object))
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, fmt.Sprint(name))
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

func TestCategoriesDivideTheCatalogue(t *testing.T) {
	t.Parallel()
	for _, p := range Profiles() {
		var joined []EventType
		seen := map[string]bool{}
		for _, c := range p.Categories() {
			if seen[c.Name] || c.UUID != CategoryUUID(c.Name) {
				t.Errorf("%s: category %s is there twice or has the UUID %s", p.Name(), c.Name, c.UUID)
			}
			seen[c.Name] = true
			joined = append(joined, c.Types...)
		}
		if !reflect.DeepEqual(joined, p.Catalogue()) {
			t.Errorf("%s: the categories hold %v", p.Name(), joined)
		}
	}
}

// TestUUIDsNeverChange: the values were computed with another tool (testdata/vectors.py) and are kept by receivers.
func TestUUIDsNeverChange(t *testing.T) {
	t.Parallel()
	wellFormed := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	want, seen := vectors(t).UUIDs, map[string]bool{}
	for _, c := range named(t, "vntana").Categories() {
		if got := CategoryUUID(c.Name); got != want["category "+c.Name] {
			t.Errorf("category %s is %s, want %s", c.Name, got, want["category "+c.Name])
		}
		for _, e := range c.Types {
			got := TypeUUID(e.Name)
			if got != want[e.Name] {
				t.Errorf("%s is %s, want %s", e.Name, got, want[e.Name])
			}
			if seen[got] || !wellFormed.MatchString(got) {
				t.Errorf("%s has %s, which is not its own or no UUID", e.Name, got)
			}
			seen[got] = true
		}
	}
	if len(want) != 14 || TypeUUID("Product") == CategoryUUID("Product") {
		t.Errorf("%d UUIDs are held; types and categories must differ", len(want))
	}
}
