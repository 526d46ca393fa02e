package http

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hooklog/hooklog/domain"
)

// TestEveryMemberOfEveryFactSaysWhatAuditorsSeeOfIt holds the table against the samples that the domain keeps of every
// type; in each of them every member is there.
func TestEveryMemberOfEveryFactSaysWhatAuditorsSeeOfIt(t *testing.T) {
	t.Parallel()
	for _, name := range domain.FactTypes() {
		text, err := os.ReadFile(filepath.Join("../domain/testdata/facts", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var sample struct{ Data map[string]json.RawMessage }
		if err := json.Unmarshal(text, &sample); err != nil {
			t.Fatal(err)
		}
		for _, fault := range unsaid(name, sample.Data) {
			t.Error(fault)
		}
	}
	if len(shownFacts) != len(domain.FactTypes()) {
		t.Errorf("%d rows for %d types", len(shownFacts), len(domain.FactTypes()))
	}
	if unsaid("hooklog.Added.v1", nil) == nil || unsaid("hooklog.SlugReserved.v1", map[string]json.RawMessage{"slug": nil, "added": nil}) == nil {
		t.Error("a new type or member goes unnoticed")
	}
}

// unsaid tells what the table does not say of a type, and what it says too much.
func unsaid(name string, data map[string]json.RawMessage) (faults []string) {
	row, ok := shownFacts[name]
	if !ok {
		return []string{name + " has no row: say what auditors see of it"}
	}
	said := map[string]bool{}
	for _, m := range row {
		if said[m.recorded] = true; data[m.recorded] == nil {
			faults = append(faults, name+" has no member "+m.recorded)
		}
		if secret := strings.Contains(m.recorded, "secret") || m.recorded == "wrapped" || m.recorded == "sealed"; secret && (m.how != never || m.shown != "") {
			faults = append(faults, name+" shows "+m.recorded)
		}
	}
	for member := range data {
		if !said[member] {
			faults = append(faults, name+" does not say what is shown of "+member)
		}
	}
	return faults
}

func TestACSVCellIsNoFormulaAndOneLine(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@a": "'@a", "\ta": "\"'\ta\"", "a=b": "a=b", "": "",
		`a"b,c`: `"a""b,c"`, "a\nb\r": "a\uFFFDb\uFFFD", "\n=1": "\uFFFD=1"} {
		got, err := appendCSV(nil, []string{"fact", cell})
		if err != nil || strings.Count(string(got), "\n") != 1 {
			t.Errorf("%q: got %q, %v", cell, got, err)
		}
		if rest := strings.TrimSuffix(strings.TrimPrefix(string(got), "fact,"), "\n"); rest != want && rest != strings.Trim(want, `"`) {
			t.Errorf("%q: got %s, want %s", cell, rest, want)
		}
	}
}
