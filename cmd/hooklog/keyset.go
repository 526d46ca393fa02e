package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/hooklog/hooklog/sealing"
)

func (p *program) keysetCommand() *cobra.Command {
	return group("keyset", "Keysets: make one, rotate one", p.keysetNew(), p.keysetRotate())
}

func (p *program) keysetNew() *cobra.Command {
	return &cobra.Command{Use: "new FILE", Short: "Make a keyset in a new file", Args: arguments("FILE"),
		Long: "Make a keyset of fresh random keys in a new file that its owner alone can read. Whoever has it and the log can\n" +
			"read everything; without it nobody can. A log is opened only with the keyset that was made with it.",
		RunE: func(_ *cobra.Command, args []string) error {
			keys, err := sealing.NewKeyset()
			if err != nil {
				return err
			}
			err = keys.Write(args[0])
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s exists already and is left as it is", args[0])
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(p.out, "Made the keyset %s. Keep a copy apart from the log.\n", args[0])
			return err
		}}
}

func (p *program) keysetRotate() *cobra.Command {
	return &cobra.Command{Use: "rotate FILE", Short: "Give a keyset new keys; the old ones still open", Args: arguments("FILE"),
		Long: "Add new keys to a keyset: what is sealed from now on is sealed with them, and the old ones still open what they\n" +
			"sealed. Servers read the file when they start. Every node that shares the log needs it before any seals with it.",
		RunE: func(_ *cobra.Command, args []string) error {
			keys, err := sealing.ReadKeyset(args[0])
			if err != nil {
				return err
			}
			rotated, err := keys.Rotate()
			if err != nil {
				return err
			}
			if err := rotated.Replace(args[0]); err != nil {
				return err
			}
			_, err = fmt.Fprintf(p.out, "Rotated the keyset %s. Restart the servers that use it, and renew its copy.\n", args[0])
			return err
		}}
}
