package main

import (
	"context"
	"io"
)

func measureIsolation(ctx context.Context, o options, out io.Writer) error { return nil }
