package http

import (
	"context"
	"fmt"
	"net/http"
)

// Groups tells how the consumer groups of the log stand, as this node knows them.
type Groups interface {
	// Groups returns all groups that the log keeps, Hooklog's own and those of others, in order of their names.
	Groups(ctx context.Context) ([]GroupState, error)
	// ReplayParked puts the parked facts of a group back to be handed out and says how many there were; a *domain.Error
	// (NotFound) if there is no such group.
	ReplayParked(ctx context.Context, name string) (int, error)
}

// GroupState is how a consumer group stands.
type GroupState struct {
	Name string
	// Own says that it is the group of this program's dispatchers.
	Own bool
	// Checkpoint is the place up to which all facts are finished or parked, LastKnown the last that was looked at.
	Checkpoint, LastKnown fmt.Stringer
	// Behind counts the facts in the log after the checkpoint; nil if the log cannot tell.
	Behind                      *uint64
	InFlight, Parked, Consumers int
}

// groupBody is a consumer group.
type groupBody struct {
	Name       string  `json:"name"`
	Own        bool    `json:"own"`
	Checkpoint string  `json:"checkpoint"`
	LastKnown  string  `json:"last_known"`
	Behind     *uint64 `json:"behind"`
	InFlight   int     `json:"in_flight"`
	Parked     int     `json:"parked"`
	Consumers  int     `json:"consumers"`
}

func showGroup(g GroupState) groupBody {
	return groupBody{Name: g.Name, Own: g.Own, Checkpoint: g.Checkpoint.String(), LastKnown: g.LastKnown.String(), Behind: g.Behind,
		InFlight: g.InFlight, Parked: g.Parked, Consumers: g.Consumers}
}

// ofNode is a list that is this node's own: another node may answer otherwise.
type ofNode[T any] struct {
	Node string `json:"node"`
	page[T]
}

// replyOfNode answers with a whole list of this node.
func replyOfNode[R, T any](x *exchange, rows []R, show func(R) T) error {
	return x.reply(http.StatusOK, ofNode[T]{x.Node, pageOf(rows, "", show)})
}

func (x *exchange) listGroups() error {
	groups, err := x.Groups.Groups(x.context())
	if err != nil {
		return err
	}
	return replyOfNode(x, groups, showGroup)
}

// replayedBody says what came of a replay.
type replayedBody struct {
	Node     string `json:"node"`
	Name     string `json:"name"`
	Replayed int    `json:"replayed"`
}

func (x *exchange) replayParked() error {
	if err := x.decodeOptional(); err != nil {
		return err
	}
	name := x.variable("group")
	n, err := x.Groups.ReplayParked(x.context(), name)
	if err != nil {
		return err
	}
	x.Logger.Info().Str("group", name).Int("parked", n).Str("key", string(x.key.ID)).Str("request", x.id).Msg("parked facts were put back")
	return x.reply(http.StatusOK, replayedBody{x.Node, name, n})
}
