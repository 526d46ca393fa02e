package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// configCommand shows every setting as it is in effect, in the form of a settings file.
func (p *program) configCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "config",
		Short: "Show the effective settings and where each comes from",
		Long: "Show the effective settings in the form of a settings file, each with where it comes from: its default, the\n" +
			"file (--config), the environment (HOOKLOG_…) or a flag; the later of these wins. Secrets are not shown.",
		Args: noArguments,
	}
	cfg := configure(c, ofServer|ofClient|ofStore|ofLogNode)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON for programs")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := cfg.load(c.Flags(), p.env); err != nil {
			return err
		}
		for _, name := range cfg.strangers {
			fmt.Fprintf(p.err, "hooklog: %s is no setting and has no effect\n", name)
		}
		if asJSON {
			return cfg.writeJSON(p.out)
		}
		return cfg.writeTOML(p.out)
	}
	return c
}

// writeTOML writes a file that --config reads back; what is secret is left out of it.
func (cfg *configuration) writeTOML(w io.Writer) error {
	for _, r := range cfg.rows {
		if strings.Contains(r.value.String(), hiddenText) {
			if _, err := fmt.Fprintf(w, "# %s: %s, from %s\n", r.name, hiddenText, r.source); err != nil {
				return err
			}
			continue
		}
		line, err := r.toml()
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%-46s # %s\n", line, r.source); err != nil {
			return err
		}
	}
	return nil
}

// toml is the line of a settings file; its strings are spelled as in JSON, which TOML reads the same.
func (r effective) toml() (string, error) {
	switch r.value.Type() {
	case "bool", "number":
		return r.name + " = " + r.value.String(), nil
	}
	quoted, err := encodeJSON(r.value.String())
	return r.name + " = " + string(quoted), err
}

func (cfg *configuration) writeJSON(w io.Writer) error {
	type row struct {
		Name        string `json:"name"`
		Value       string `json:"value"`
		Source      string `json:"source"`
		Environment string `json:"environment"`
	}
	rows := make([]row, len(cfg.rows))
	for i, r := range cfg.rows {
		rows[i] = row{r.name, r.value.String(), r.source, r.environment()}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(rows)
}
