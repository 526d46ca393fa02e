package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"
)

// ending is a component that notes in which order it ends, and takes its time for it.
func ending(name string, order chan<- string, after time.Duration) *component {
	return &component{name: name, run: func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(after)
		order <- name
		return ctx.Err()
	}}
}

func TestComponentsStopStageByStage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		order := make(chan string, 3)
		stages := [][]*component{
			{ending("slow", order, 3*time.Second), ending("quick", order, time.Second)},
			{ending("read side", order, 0)},
		}
		ctx, cancel := context.WithCancel(t.Context())
		var g errgroup.Group
		for _, stage := range stages {
			for _, c := range stage {
				c.start(ctx, &g)
			}
		}
		cancel()
		synctest.Wait()
		if len(order) > 0 {
			t.Fatalf("%s ended by the signal itself", <-order)
		}
		for _, stage := range stages {
			stopAll(stage)
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		got := []string{<-order, <-order, <-order}
		if want := []string{"quick", "slow", "read side"}; !slices.Equal(got, want) {
			t.Errorf("ended in the order %v, want %v", got, want)
		}
	})
}

func TestAComponentThatEndsUnaskedIsAFailure(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, c := range []struct {
		err  error
		says string
	}{{nil, "part ended by itself"}, {broken, "part: broken"}, {context.Canceled, "part: context canceled"}} {
		var g errgroup.Group
		p := &component{name: "part", run: func(context.Context) error { return c.err }}
		p.start(t.Context(), &g)
		if err := g.Wait(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("got %v, want %q", err, c.says)
		}
		p.stop()
	}
}
