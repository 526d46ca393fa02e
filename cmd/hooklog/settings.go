package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hooklog/hooklog/sealing"
)

// settings are all settings of the program as they are in effect.
type settings struct {
	config string

	data           string
	esdbURL        sealing.Secret
	facade         facadeSettings
	listen         string
	operatorListen string
	keyset         string
	allowInsecure  []netip.Prefix
	recoveryRate   int
	// sourceRanges are published, not enforced.
	sourceRanges []netip.Prefix
	stopGrace    time.Duration
	logLevel     string
	logFormat    string
	pprof        bool

	maxBacklog      int
	minFree         uint64
	maxInFlight     int
	perSubscription int
	perHost         int
	rateLimit       int
	rebuildRate     int
	reconcileRate   int

	// publicBase begins the links in mails.
	publicBase       string
	smtpHost         string
	smtpPort         int
	smtpSecurity     string
	smtpUser         string
	smtpPassword     sealing.Secret
	smtpPasswordFile string
	smtpFrom         string

	url string
	key sealing.Secret

	// wallClock is the node's clock; nil is the machine's.
	wallClock func() time.Time
}

// now is the node's clock, without a monotonic reading.
func (s *settings) now() func() time.Time {
	if s.wallClock != nil {
		return s.wallClock
	}
	return func() time.Time { return time.Now().Round(0) }
}

// use says which commands have a flag for a setting. A setting may stand in the file and the environment for all.
type use uint8

const (
	ofServer  use = 1 << iota // serve, demo
	ofClient                  // commands that speak to a running server
	ofStore                   // commands that open a stopped log themselves
	ofLogNode                 // log serve
	ofCopy                    // log copy
)

// setting is one row of the table that drives flags, environment, file and `hooklog config`.
type setting struct {
	name   string // in the file and of the flag; HOOKLOG_NAME in the environment
	value  pflag.Value
	use    use
	doc    string
	hidden bool // a secret: never shown, and no flag, since other users of the machine can read those
}

// table lists every setting; its values write into s.
func (s *settings) table() []setting {
	return []setting{
		{name: "data", use: ofServer | ofClient | ofStore | ofLogNode, value: text(&s.data, "data"),
			doc: "`DIR` with the log, the read models, the keyset and the operator key"},
		{name: "esdb-url", use: ofServer, value: connectionString(&s.esdbURL),
			doc: "`URL` of an EventStoreDB that holds the log (esdb://…); the log in the data directory if empty. One with a password belongs into the environment or the file"},
		{name: "esdb-listen", use: ofServer | ofLogNode, value: text(&s.facade.listen, ""),
			doc: "`ADDRESS` at which EventStoreDB's clients reach the log; serve lets them read only, and does not listen if it is empty; log serve listens at 127.0.0.1:2113 then"},
		{name: "esdb-users", use: ofServer | ofLogNode, value: text(&s.facade.users, ""),
			doc: "`FILE` with the users of --esdb-listen; esdb-users.toml in the data directory if empty, made if needed"},
		{name: "esdb-certificate", use: ofServer | ofLogNode, value: text(&s.facade.certificate, ""),
			doc: "`FILE` with the certificate of --esdb-listen, PEM; one in the data directory if empty, made if needed"},
		{name: "esdb-certificate-key", use: ofServer | ofLogNode, value: text(&s.facade.key, ""),
			doc: "`FILE` with the key of --esdb-certificate, PEM"},
		{name: "insecure", use: ofLogNode, value: toggle(&s.facade.insecure, "false"),
			doc: "let everybody who reaches --esdb-listen do everything, without TLS and users; on loopback only"},
		{name: "listen", use: ofServer, value: text(&s.listen, "127.0.0.1:8080"),
			doc: "`ADDRESS` of the public API"},
		{name: "operator-listen", use: ofServer, value: text(&s.operatorListen, "127.0.0.1:8081"),
			doc: "`ADDRESS` of /healthz, /readyz and /metrics, which ask for no key"},
		{name: "keyset", use: ofServer | ofStore, value: text(&s.keyset, ""),
			doc: "`FILE` with the keyset that opens the log; keyset.json in the data directory if empty"},
		{name: "allow-insecure-targets", use: ofServer, value: networks(&s.allowInsecure, ""),
			doc: "development only: `CIDR,…` whose addresses may be delivered to, also over plain http"},
		{name: "stop-grace", use: ofServer, value: duration(&s.stopGrace, "15s"),
			doc: "`DURATION` for which attempts and requests under way may go on after a signal to stop"},
		{name: "log-level", use: ofServer | ofStore | ofLogNode | ofCopy, value: oneOf(&s.logLevel, "info", "trace", "debug", "info", "warn", "error"),
			doc: "least `LEVEL` that is logged: trace, debug, info, warn or error"},
		{name: "log-format", use: ofServer | ofStore | ofLogNode | ofCopy, value: oneOf(&s.logFormat, "auto", "auto", "json", "console"),
			doc: "`FORM` of the log on stderr: json, console, or auto: console on a terminal"},
		{name: "pprof", use: ofServer, value: toggle(&s.pprof, "false"),
			doc: "offer Go's profiles under /debug/pprof/ on the operator listener"},
		{name: "max-backlog", use: ofServer, value: number(&s.maxBacklog, "1000000", 0),
			doc: "`NUMBER` of deliveries without an attempt past which publishing is refused for a while; 0 for no bound"},
		{name: "min-free", use: ofServer, value: size(&s.minFree, "256MiB"),
			doc: "`SIZE` of free disk below which publishing is refused for a while"},
		{name: "max-in-flight", use: ofServer, value: number(&s.maxInFlight, "512", 1),
			doc: "`NUMBER` of attempts at once in this process"},
		{name: "max-per-subscription", use: ofServer, value: number(&s.perSubscription, "16", 1),
			doc: "`NUMBER` of attempts at once to one subscription; twice as many while its receiver answers within 20 ms"},
		{name: "max-per-host", use: ofServer, value: number(&s.perHost, "64", 1),
			doc: "`NUMBER` of attempts at once to one host and port"},
		{name: "recovery-rate", use: ofServer, value: number(&s.recoveryRate, "100", 1),
			doc: "`NUMBER` of deliveries a second that recoveries redeliver together"},
		{name: "rate-limit", use: ofServer, value: number(&s.rateLimit, "600", 1),
			doc: "`NUMBER` of requests a minute that the partner keys of an organization have together; a key may carry its own"},
		{name: "rebuild-rate", use: ofServer, value: number(&s.rebuildRate, "3000", 1),
			doc: "`NUMBER` of facts a second that a rebuild or verification of read models folds at most, so that deliveries do not suffer"},
		{name: "reconcile-rate", use: ofServer, value: number(&s.reconcileRate, "50", 0),
			doc: "`NUMBER` of facts a second that are checked against the read models, all the time; 0 checks none"},
		{name: "source-ranges", use: ofServer, value: networks(&s.sourceRanges, ""),
			doc: "`CIDR,…` from which receivers see deliveries come, as published to partners"},
		{name: "public-url", use: ofServer, value: text(&s.publicBase, ""),
			doc: "`URL` at which people reach the public listener, such as https://hooks.example.com: links in mails begin with it"},
		{name: "smtp-host", use: ofServer, value: text(&s.smtpHost, ""),
			doc: "`HOST` of the mail server that notices are sent through; without one there are no mails"},
		{name: "smtp-port", use: ofServer, value: number(&s.smtpPort, "0", 0),
			doc: "`PORT` of the mail server; 0 is the usual one: 587, 465 or 25, by smtp-security"},
		{name: "smtp-security", use: ofServer, value: oneOf(&s.smtpSecurity, "starttls", "starttls", "tls", "none"),
			doc: "`HOW` the connection to the mail server is encrypted: starttls (demanded), tls (from the first byte) or none"},
		{name: "smtp-user", use: ofServer, value: text(&s.smtpUser, ""),
			doc: "`NAME` that the mail server is told; without one it is told none"},
		{name: "smtp-password", use: ofServer, value: secret(&s.smtpPassword), hidden: true,
			doc: "password that the mail server is told"},
		{name: "smtp-password-file", use: ofServer, value: text(&s.smtpPasswordFile, ""),
			doc: "`FILE` with that password, instead of smtp-password"},
		{name: "smtp-from", use: ofServer, value: text(&s.smtpFrom, ""),
			doc: "`ADDRESS` that notices come from, such as 'Webhooks <webhooks@example.com>'"},
		{name: "url", use: ofClient, value: text(&s.url, "http://127.0.0.1:8080"),
			doc: "`URL` of the server that client commands speak to"},
		{name: "key", use: ofClient, value: secret(&s.key), hidden: true,
			doc: "API key of client commands; if empty, operator.key in the data directory"},
	}
}

// environment is the name of the variable that holds the setting.
func (r setting) environment() string {
	return "HOOKLOG_" + strings.ToUpper(strings.ReplaceAll(r.name, "-", "_"))
}

// Where a value can come from.
const (
	fromDefault     = "default"
	fromFile        = "file"
	fromEnvironment = "environment"
	fromFlag        = "flag"
)

// effective is a setting with where its value came from.
type effective struct {
	setting
	source string
}

// configuration is the table as bound to the flags of one command.
type configuration struct {
	settings
	rows []effective
	// strangers are HOOKLOG_ variables of the environment that are no setting.
	strangers []string
}

// configure gives a command the flags of the settings it uses. The returned configuration holds the defaults until
// load is called, once the flags are parsed.
func configure(c *cobra.Command, use use) *configuration {
	cfg := &configuration{}
	c.Flags().StringVar(&cfg.config, "config", "", "TOML `FILE` with settings (also HOOKLOG_CONFIG)")
	for _, row := range cfg.table() {
		cfg.rows = append(cfg.rows, effective{row, fromDefault})
		if row.use&use != 0 && !row.hidden {
			if c.Flags().VarPF(row.value, row.name, "", row.doc); row.value.Type() == "bool" {
				c.Flags().Lookup(row.name).NoOptDefVal = "true"
			}
		}
	}
	return cfg
}

// load applies file, environment and flags, the last one winning. A setting that none of them names has its default.
func (cfg *configuration) load(flags *pflag.FlagSet, env []string) error {
	given := map[string]string{}
	flags.Visit(func(f *pflag.Flag) {
		given[f.Name] = f.Value.String()
		if v, ok := f.Value.(secretive); ok {
			given[f.Name] = v.reveal()
		}
	})
	if cfg.config == "" {
		cfg.config = lookup(env, "HOOKLOG_CONFIG")
	}
	file, err := cfg.readFile()
	if err != nil {
		return err
	}
	cfg.strangers = cfg.unknownVariables(env)
	for i := range cfg.rows {
		if err := cfg.rows[i].settle(file, env, given); err != nil {
			return err
		}
	}
	return nil
}

// settle gives one setting its value.
func (r *effective) settle(file map[string]string, env []string, flags map[string]string) error {
	if value, ok := flags[r.name]; ok && !r.hidden {
		r.source = fromFlag
		return r.set(value, "--"+r.name)
	}
	if value := lookup(env, r.environment()); value != "" {
		r.source = fromEnvironment
		return r.set(value, r.environment())
	}
	if value, ok := file[r.name]; ok {
		r.source = fromFile
		return r.set(value, r.name)
	}
	return nil
}

func (r *effective) set(value, where string) error {
	if err := r.value.Set(value); err != nil {
		if r.hidden {
			return usage("%s has a bad value", where)
		}
		return usage("%s: %q: %w", where, value, err)
	}
	return nil
}

// readFile reads the settings file into the texts that the settings are set from.
func (cfg *configuration) readFile() (map[string]string, error) {
	if cfg.config == "" {
		return nil, nil
	}
	content, err := os.ReadFile(cfg.config)
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	var found map[string]any
	if err := toml.Unmarshal(content, &found); err != nil {
		return nil, cfg.explainTOML(err)
	}
	texts := map[string]string{}
	for name, value := range found {
		if !slices.ContainsFunc(cfg.rows, func(r effective) bool { return r.name == name }) {
			return nil, usage("settings file %s: there is no setting %q", cfg.config, name)
		}
		if texts[name], err = settingText(value); err != nil {
			return nil, usage("settings file %s: %s: %w", cfg.config, name, err)
		}
	}
	return texts, nil
}

// explainTOML keeps the place of a mistake and drops the line itself, which may hold a secret.
func (cfg *configuration) explainTOML(err error) error {
	var at toml.ParseError
	if errors.As(err, &at) {
		return usage("settings file %s: line %d is not TOML", cfg.config, at.Position.Line)
	}
	return usage("settings file %s is not TOML", cfg.config)
}

// settingText writes a TOML value as a flag would be written.
func settingText(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool, int64:
		return fmt.Sprint(v), nil
	case []any:
		texts := make([]string, len(v))
		for i, element := range v {
			one, ok := element.(string)
			if !ok {
				return "", errors.New("a list must hold strings")
			}
			texts[i] = one
		}
		return strings.Join(texts, ","), nil
	}
	return "", errors.New("must be a string, a number, true, false or a list of strings")
}

// lookup finds a variable; as in a shell, the last one of a name counts.
func lookup(env []string, name string) string {
	for _, line := range slices.Backward(env) {
		if found, value, ok := strings.Cut(line, "="); ok && found == name {
			return value
		}
	}
	return ""
}

// unknownVariables lists what looks like a setting in the environment and is none: most likely a slip.
func (cfg *configuration) unknownVariables(env []string) []string {
	var unknown []string
	for _, line := range env {
		name, _, _ := strings.Cut(line, "=")
		known := name == "HOOKLOG_CONFIG" || slices.ContainsFunc(cfg.rows, func(r effective) bool { return r.environment() == name })
		if strings.HasPrefix(name, "HOOKLOG_") && !known {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// given reports whether somebody chose the value of a setting.
func (cfg *configuration) given(name string) bool {
	return slices.ContainsFunc(cfg.rows, func(r effective) bool { return r.name == name && r.source != fromDefault })
}
