package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	httpd "github.com/hooklog/hooklog/http"
)

// severity says how much a finding matters.
type severity int

const (
	note severity = iota
	warning
	critical
)

var severityNames = [...]string{"note", "warning", "critical"}

func (s severity) String() string { return severityNames[s] }

// parseSeverity reads what String writes; what it does not know is critical.
func parseSeverity(text string) severity {
	if i := slices.Index(severityNames[:], text); i >= 0 {
		return severity(i)
	}
	return critical
}

// finding is something that a check found, and what to do about it.
type finding struct {
	check string
	severity
	found, do string
}

// findings come the worst first.
type findings []finding

func (f findings) sort() {
	slices.SortStableFunc(f, func(a, b finding) int { return int(b.severity) - int(a.severity) })
}

// worst is the highest severity; note if nothing was found.
func (f findings) worst() (s severity) {
	for _, one := range f {
		s = max(s, one.severity)
	}
	return s
}

// told returns the findings as the API tells them.
func (f findings) told() []httpd.Finding {
	told := make([]httpd.Finding, len(f))
	for i, one := range f {
		told[i] = httpd.Finding{Check: one.check, Severity: one.severity.String(), Found: one.found, Do: one.do}
	}
	return told
}

// write shows the findings to a person.
func (f findings) write(w io.Writer) {
	for _, one := range f {
		fmt.Fprintf(w, "%-8s  %s\n", one.severity, one.check)
		for _, text := range []string{one.found, "→ " + one.do} {
			for _, line := range wrap(printable(text), 100) {
				fmt.Fprintf(w, "          %s\n", line)
			}
		}
	}
}

// wrap breaks a text between words into lines of at most width characters, longer words excepted.
func wrap(text string, width int) (lines []string) {
	var line string
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
