package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// exposed is what a /metrics page shows.
type exposed struct {
	help, kind map[string]string
	// labels are those of each sample's name: hooklog_attempt_seconds_bucket has le.
	labels map[string]map[string]bool
}

var sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? \S+$`)
var sampleLabel = regexp.MustCompile(`([a-zA-Z_]\w*)="(?:[^"\\]|\\.)*"`)

func parseMetrics(t *testing.T, page string) exposed {
	t.Helper()
	e := exposed{map[string]string{}, map[string]string{}, map[string]map[string]bool{}}
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, help, _ := strings.Cut(rest, " ")
			e.help[name] = help
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			e.kind[name] = kind
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("a line of /metrics is no sample: %q", line)
		}
		if e.labels[m[1]] == nil {
			e.labels[m[1]] = map[string]bool{}
		}
		for _, l := range sampleLabel.FindAllStringSubmatch(m[2], -1) {
			e.labels[m[1]][l[1]] = true
		}
	}
	return e
}

// busyNode shows the metrics of a node that has delivered, failed and backed up.
func busyNode(t *testing.T) exposed {
	t.Helper()
	h := startHook(t)
	h.answerNext(500)
	s := serve(t, t.TempDir())
	s.begin(t, "acme", h, "1s")
	s.publish(t, "acme", `{}`)
	succeed(t, s.env(), "log", "backup", t.TempDir()+"/copy")
	eventually(t, "both attempts and the group are shown", func() bool {
		page := fetch(t, s.operator+"/metrics")
		return strings.Contains(page, `hooklog_attempts_total{outcome="succeeded"} 1`) &&
			strings.Contains(page, `hooklog_attempt_failures_total{reason="http_5xx"} 1`) && strings.Contains(page, "hooklog_group_behind{")
	})
	return parseMetrics(t, fetch(t, s.operator+"/metrics"))
}

func TestDashboardAlertsAndDocumentsAgreeWithTheMetrics(t *testing.T) {
	t.Parallel()
	e := busyNode(t)
	t.Run("documents", func(t *testing.T) { documented(t, e) })
	t.Run("dashboard", func(t *testing.T) { dashboard(t, e) })
	t.Run("alerts", func(t *testing.T) { alerts(t, e) })
}

var documentedRow = regexp.MustCompile("(?m)^\\| `(hooklog_\\w+)` \\| (\\w+) \\| ([^|]*)\\| ([^|]+)\\|$")

// documented holds docs/metrics.md against what is shown: every metric once, with its kind and labels.
func documented(t *testing.T, e exposed) {
	doc, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, m := range documentedRow.FindAllStringSubmatch(string(doc), -1) {
		name := m[1]
		if told[name] {
			t.Errorf("%s is told twice", name)
		}
		told[name] = true
		if e.kind[name] != m[2] {
			t.Errorf("%s is told as a %s and shown as %q", name, m[2], e.kind[name])
		}
		var labels []string
		for _, l := range strings.Split(m[3], ",") {
			if l = strings.Trim(strings.TrimSpace(l), "`"); l != "" {
				labels = append(labels, l)
			}
		}
		slices.Sort(labels)
		if shown := e.labelsOf(name); !slices.Equal(labels, shown) {
			t.Errorf("%s is told with the labels %v and shown with %v", name, labels, shown)
		}
	}
	for name := range e.kind {
		if !strings.HasPrefix(name, "hooklog_") {
			continue
		}
		if e.help[name] == "" {
			t.Errorf("%s has no help", name)
		}
		if !told[name] {
			t.Errorf("docs/metrics.md does not tell of %s", name)
		}
	}
}

// labelsOf are the labels of a metric, without the one that histograms add.
func (e exposed) labelsOf(name string) []string {
	labels := e.labels[name]
	if e.kind[name] == "histogram" {
		labels = e.labels[name+"_count"]
	}
	return slices.Sorted(maps.Keys(labels))
}

// dashboard checks every query of the dashboard.
func dashboard(t *testing.T, e exposed) {
	raw, err := os.ReadFile("../../ops/grafana/hooklog.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title  string
		UID    string
		Panels []struct {
			ID          int
			Type, Title string
			Description string
			GridPos     struct{ H, W, X, Y int }
			Targets     []struct{ Expr, LegendFormat string }
		}
		Annotations struct{ List []struct{ Expr string } }
		Templating  struct {
			List []struct{ Name, Type, Definition string }
		}
	}
	if err := json.Unmarshal(raw, &board); err != nil {
		t.Fatalf("the dashboard is not JSON: %v", err)
	}
	ids, used := map[int]bool{}, map[string]bool{}
	taken := map[[2]int]string{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || p.Type != "row" && (len(p.Targets) == 0 || p.Description == "") {
			t.Errorf("panel %d %q: its id is taken, or it has no title, description or query", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, full := taken[[2]int{x, y}]; full || x >= 24 {
					t.Fatalf("panel %q lies on %q or off the board", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		for _, q := range p.Targets {
			metrics := e.check(t, p.Title, q.Expr, q.LegendFormat, "instance")
			maps.Copy(used, metrics)
		}
	}
	for _, a := range board.Annotations.List {
		e.check(t, "annotation", a.Expr, "", "instance")
	}
	for _, v := range board.Templating.List {
		if metric, ok := strings.CutPrefix(v.Definition, "label_values("); ok {
			metric, _, _ = strings.Cut(metric, ",")
			e.check(t, "variable "+v.Name, metric, "", "instance")
		}
	}
	for name := range e.kind {
		if base := strings.HasPrefix(name, "hooklog_"); base && !used[name] && !used[name+"_bucket"] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// alerts checks every rule.
func alerts(t *testing.T, e exposed) {
	raw, err := os.ReadFile("../../ops/prometheus/hooklog.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(raw)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatalf("the rules are not YAML of the form that Prometheus reads: %v", err)
	}
	seen := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if seen[r.Alert] || !strings.HasPrefix(r.Alert, "Hooklog") {
				t.Errorf("the name %q is taken or does not begin with Hooklog", r.Alert)
			}
			seen[r.Alert] = true
			if s := r.Labels["severity"]; s != "warning" && s != "critical" {
				t.Errorf("%s has the severity %q", r.Alert, s)
			}
			for _, name := range []string{"summary", "description", "action"} {
				if r.Annotations[name] == "" {
					t.Errorf("%s has no %s", r.Alert, name)
				}
			}
			if r.For != "" && !regexp.MustCompile(`^\d+[smhd]$`).MatchString(r.For) {
				t.Errorf("%s: for %q", r.Alert, r.For)
			}
			e.check(t, r.Alert, r.Expr, annotationLabels(r.Annotations), "instance", "job")
		}
	}
	if len(seen) < 15 {
		t.Errorf("there are only %d alerts", len(seen))
	}
}

var usedLabel = regexp.MustCompile(`\$labels\.(\w+)`)

// annotationLabels writes the labels that annotations show as a legend does.
func annotationLabels(annotations map[string]string) string {
	var legend strings.Builder
	for _, text := range annotations {
		for _, m := range usedLabel.FindAllStringSubmatch(text, -1) {
			fmt.Fprintf(&legend, "{{%s}}", m[1])
		}
	}
	return legend.String()
}

var legendLabel = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

// check finds the metrics and labels of a query. Each must be shown; so must the labels of its legend, or Prometheus adds
// them when it scrapes. It returns the metrics.
func (e exposed) check(t *testing.T, where, expr, legend string, scraped ...string) map[string]bool {
	t.Helper()
	q, err := readQuery(expr)
	if err != nil {
		t.Errorf("%s: %v in %s", where, err, expr)
	}
	if len(q.selectors) == 0 {
		t.Errorf("%s: no metric in %s", where, expr)
	}
	all, metrics := map[string]bool{}, map[string]bool{}
	for _, l := range scraped {
		all[l] = true
	}
	for _, s := range q.selectors {
		shown, ok := e.labels[s.metric]
		if !ok && s.metric != "up" {
			t.Errorf("%s: %s is not shown", where, s.metric)
		}
		for _, l := range s.labels {
			if !shown[l] && !slices.Contains(scraped, l) {
				t.Errorf("%s: %s has no label %s", where, s.metric, l)
			}
		}
		metrics[s.metric] = true
		maps.Copy(all, shown)
	}
	for _, m := range legendLabel.FindAllStringSubmatch(legend, -1) {
		if !all[m[1]] || q.grouped && !slices.Contains(q.groups, m[1]) {
			t.Errorf("%s: the legend's label %s is not in what is asked for", where, m[1])
		}
	}
	for _, l := range q.groups {
		if !all[l] {
			t.Errorf("%s: grouped by %s, which nothing in it has", where, l)
		}
	}
	return metrics
}
