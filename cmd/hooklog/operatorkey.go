package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/sealing"
)

// ensureOperatorKey gives a log that has no operator key its first one. The file comes first: a key of which nobody has
// the secret would be useless, and a file without its key is used at the next start. Who loses the race to issue it
// deletes its file.
func ensureOperatorKey(ctx context.Context, c *commands.Commands, by commands.By, path string, logger zerolog.Logger) error {
	key, err := c.LoadKey(ctx, domain.OperatorKeyID)
	if err != nil {
		return fmt.Errorf("look for the operator key: %w", err)
	}
	if key.Exists() {
		return nil
	}
	token, err := operatorToken(path)
	if err != nil {
		return err
	}
	_, err = c.IssueOperator(ctx, by, token)
	if domain.CodeOf(err) == domain.Conflict {
		logger.Info().Msg("another node issued the operator key; this node's file is deleted")
		return os.Remove(path)
	}
	if err != nil {
		return fmt.Errorf("issue the operator key: %w", err)
	}
	logger.Warn().Str("file", path).Msg("issued the operator key of the new log; its only copy is in this file")
	return nil
}

// operatorToken makes the file of a new operator key, or finds one that an interrupted start left behind.
func operatorToken(path string) (sealing.Secret, error) {
	token, err := commands.NewOperatorToken()
	if err != nil {
		return sealing.Secret{}, err
	}
	err = writeNewFile(path, token.Reveal()+"\n")
	if !errors.Is(err, fs.ErrExist) {
		return token, err
	}
	if token, err = readOperatorKey(filepath.Dir(path)); err != nil {
		return sealing.Secret{}, err
	}
	if id, _, ok := commands.ParseToken(token.Reveal()); !ok || id != domain.OperatorKeyID {
		return sealing.Secret{}, fmt.Errorf("%s is in the way: it is not the first operator key of this log; move it away", path)
	}
	return token, nil
}

// recoverKey issues a new operator key in a stopped log. Whoever may do that has the log and its keyset.
func (p *program) recoverKey(ctx context.Context, s *settings, show show) (err error) {
	logger, err := newLogger(s, p.err)
	if err != nil {
		return err
	}
	logger = logger.Level(atLeastWarn(logger.GetLevel()))
	log, err := openStopped(s, logger, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	keys, err := openKeyset(s, logger, false)
	if err != nil {
		return err
	}
	c, err := commands.New(commands.Config{Log: log, Keys: keys, Directory: noDirectory{}, URLs: noURLs{}, Logger: logger})
	if err != nil {
		return err
	}
	by := commands.By{Actor: "cli"}
	if err := c.CheckKeyset(ctx, by, false); err != nil {
		return err
	}
	issued, _, err := c.IssueKey(ctx, by, domain.KeyRequest{Scopes: []domain.Scope{domain.ScopeOperator}, Mode: "live"})
	if err != nil {
		return err
	}
	return showIssued(show, issued)
}

func showIssued(s show, issued commands.IssuedKey) error {
	k := apiKey{KeyID: string(issued.ID), Key: issued.Token.Reveal(), Mode: issued.Mode, CreatedAt: issued.CreatedAt.Format(time.RFC3339Nano)}
	for _, scope := range issued.Scopes {
		k.Scopes = append(k.Scopes, string(scope))
	}
	raw, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return s.key(raw)
}

// noDirectory knows nothing: commands then look in the log itself.
type noDirectory struct{}

func (noDirectory) Organization(domain.OrganizationID) (domain.Organization, bool) {
	return domain.Organization{}, false
}

func (noDirectory) OrganizationBySlug(string) (domain.Organization, bool) {
	return domain.Organization{}, false
}

func (noDirectory) EventType(domain.OrganizationID, string) (domain.EventType, bool) {
	return domain.EventType{}, false
}

func (noDirectory) Match(domain.OrganizationID, string, string) (domain.Matching, uint64) {
	return domain.Matching{}, 0
}

// noURLs admits no URL: who issues a key stores none.
type noURLs struct{}

func (noURLs) CheckURL(context.Context, string) error {
	return domain.Refuse(domain.Invalid, "no URL is accepted here")
}
