package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
)

func (p *program) logCommand() *cobra.Command {
	return group("log", "The log: serve it alone, verify, dump and copy it while the server is stopped, back it up at any time",
		p.logServe(), p.logVerify(), p.logDump(), p.logCopy(), p.logBackup())
}

// storeCommand gives a command the stopped log of the data directory.
func (p *program) storeCommand(c *cobra.Command, readOnly bool, act func(ctx context.Context, log *embedded.Log, s *settings, args []string) error) *cobra.Command {
	cfg := configure(c, ofStore)
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if err := cfg.load(c.Flags(), p.env); err != nil {
			return err
		}
		logger, err := newLogger(&cfg.settings, p.err)
		if err != nil {
			return err
		}
		log, err := openStopped(&cfg.settings, logger.Level(atLeastWarn(logger.GetLevel())), readOnly)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, log.Close()) }()
		return act(c.Context(), log, &cfg.settings, args)
	}
	return c
}

// dumped is a fact as `log dump` prints it: what is sealed stays sealed.
type dumped struct {
	Position   string          `json:"position"`
	Stream     string          `json:"stream"`
	Revision   uint64          `json:"revision"`
	ID         string          `json:"id"`
	Type       string          `json:"type"`
	RecordedAt time.Time       `json:"recorded_at"`
	Data       json.RawMessage `json:"data"`
	Metadata   json.RawMessage `json:"metadata"`
}

func (p *program) logDump() *cobra.Command {
	c := &cobra.Command{Use: "dump", Short: "Print every fact of the log as NDJSON", Args: noArguments,
		Long: "Print every fact of the log, one JSON object a line, in order. Secrets, headers, payloads and stored answers stay\n" +
			"sealed: they are ciphertext. The server must be stopped."}
	return p.storeCommand(c, true, func(ctx context.Context, log *embedded.Log, _ *settings, _ []string) error {
		out := bufio.NewWriter(p.out)
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		for e, err := range log.ReadAll(ctx, eventlog.Position{}) {
			if err != nil {
				return err
			}
			if err := enc.Encode(dump(e)); err != nil {
				return fmt.Errorf("print the fact at %s: %w", e.Position, err)
			}
		}
		return out.Flush()
	})
}

func dump(e eventlog.Recorded) dumped {
	return dumped{Position: e.Position.String(), Stream: e.Stream, Revision: uint64(e.Revision), ID: e.ID.String(),
		Type: e.Type, RecordedAt: e.RecordedAt.UTC(), Data: jsonOf(e.Data), Metadata: jsonOf(e.Metadata)}
}

// jsonOf shows bytes that are not JSON, which only a stranger to this program can have written, as base64.
func jsonOf(b []byte) json.RawMessage {
	if json.Valid(b) {
		return b
	}
	text, err := json.Marshal(b)
	if err != nil {
		panic(err) // bytes always have a JSON form
	}
	return text
}

func (p *program) logVerify() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "verify", Short: "Check the whole log, and whether the keyset opens all of it", Args: noArguments,
		Long: "Walk the whole log: every checksum, every revision, every index entry; then try the keyset on everything that is\n" +
			"sealed or authenticated. Fails if anything is wrong. The server must be stopped."}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON for programs")
	return p.storeCommand(c, true, func(ctx context.Context, log *embedded.Log, s *settings, _ []string) error {
		report, err := log.Verify(ctx)
		if err != nil {
			return err
		}
		keys, err := keysetAtHand(s)
		if err != nil {
			return err
		}
		found := inspection{Events: report.Events, Streams: report.Streams, Groups: report.Groups, Parked: report.Parked,
			Bytes: report.Bytes, Head: report.Head.String(), Keyset: s.keysetPath()}
		if err := found.inspect(ctx, log, keys); err != nil {
			return err
		}
		if asJSON {
			err = found.writeJSON(p.out)
		} else {
			err = found.write(p.out)
		}
		return errors.Join(err, found.verdict())
	})
}

func (i *inspection) writeJSON(w io.Writer) error {
	raw, err := encodeJSON(i)
	if err != nil {
		return err
	}
	return show{out: w}.raw(raw)
}
