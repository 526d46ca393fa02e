package esdbserver

import (
	"errors"
	"fmt"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
)

// How a group chooses the consumer of a message.
const (
	roundRobin       = "RoundRobin"
	dispatchToSingle = "DispatchToSingle"
	pinned           = "Pinned"
)

// Bounds of what a group keeps in memory, whatever its settings ask for.
const (
	maxBuffered      = 10_000
	maxBufferedBytes = 64 << 20
	maxUnfinished    = 64 << 10 // events from the first unfinished one to the last that was read
	maxGroups        = 1000
)

// settings are those of a group, as they are kept.
type settings struct {
	ResolveLinks    bool            `json:"resolve_links"`
	ExtraStatistics bool            `json:"extra_statistics"`
	MaxRetries      int32           `json:"max_retries"`
	MinCheckpoint   int32           `json:"min_checkpoint"`
	MaxCheckpoint   int32           `json:"max_checkpoint"`
	MaxConsumers    int32           `json:"max_consumers"`
	LiveBuffer      int32           `json:"live_buffer"`
	ReadBatch       int32           `json:"read_batch"`
	HistoryBuffer   int32           `json:"history_buffer"`
	Strategy        string          `json:"strategy"`
	MessageTimeout  int32           `json:"message_timeout_ms"`
	CheckpointAfter int32           `json:"checkpoint_after_ms"`
	Filter          *filterSettings `json:"filter,omitempty"`
	// Start is where the client wanted the group to begin, as it is shown.
	Start string `json:"start"`
	// From is the place after which the group begins: a revision, a position in $all, or -1.
	From int64 `json:"from"`
}

func (s settings) timeout() time.Duration { return time.Duration(s.MessageTimeout) * time.Millisecond }
func (s settings) checkpointAfter() time.Duration {
	return time.Duration(s.CheckpointAfter) * time.Millisecond
}

// check returns a [settingsError].
func (s settings) check() error {
	if err := s.invalid(); err != nil {
		return settingsError{err}
	}
	return nil
}

func (s settings) invalid() error {
	switch {
	case s.Strategy != roundRobin && s.Strategy != dispatchToSingle && s.Strategy != pinned:
		return fmt.Errorf("consumer strategy %.40q does not exist", s.Strategy)
	case s.ReadBatch >= s.HistoryBuffer:
		return fmt.Errorf("the read batch size (%d) must be below the buffer size (%d)", s.ReadBatch, s.HistoryBuffer)
	case s.ReadBatch < 0 || s.LiveBuffer < 0 || s.MaxRetries < 0 || s.MaxConsumers < 0 || s.MinCheckpoint < 0 || s.MaxCheckpoint < 0:
		return errors.New("a setting is negative")
	case s.MessageTimeout < 0 || s.CheckpointAfter < 0:
		return errors.New("a time is negative")
	case s.MinCheckpoint > s.MaxCheckpoint:
		return fmt.Errorf("the least checkpoint count (%d) is above the most (%d)", s.MinCheckpoint, s.MaxCheckpoint)
	}
	_, err := newFilter(s.Filter)
	return err
}

// milliseconds makes one number of the two units in which clients give times.
func milliseconds(ms int32, ticks int64) int32 {
	if ticks != 0 {
		return int32(time.Duration(ticks) * tick / time.Millisecond)
	}
	return ms
}

func updateSettings(s *persistent.UpdateReq_Settings) settings {
	return settings{
		ResolveLinks: s.GetResolveLinks(), ExtraStatistics: s.GetExtraStatistics(), MaxRetries: s.GetMaxRetryCount(),
		MinCheckpoint: s.GetMinCheckpointCount(), MaxCheckpoint: s.GetMaxCheckpointCount(), MaxConsumers: s.GetMaxSubscriberCount(),
		LiveBuffer: s.GetLiveBufferSize(), ReadBatch: s.GetReadBatchSize(), HistoryBuffer: s.GetHistoryBufferSize(),
		Strategy:        s.GetNamedConsumerStrategy().String(),
		MessageTimeout:  milliseconds(s.GetMessageTimeoutMs(), s.GetMessageTimeoutTicks()),
		CheckpointAfter: milliseconds(s.GetCheckpointAfterMs(), s.GetCheckpointAfterTicks()),
	}
}

func createSettings(s *persistent.CreateReq_Settings) settings {
	strategy := s.GetConsumerStrategy()
	if strategy == "" {
		strategy = s.GetNamedConsumerStrategy().String() //lint:ignore SA1019 the official Go client sends no other
	}
	return settings{
		ResolveLinks: s.GetResolveLinks(), ExtraStatistics: s.GetExtraStatistics(), MaxRetries: s.GetMaxRetryCount(),
		MinCheckpoint: s.GetMinCheckpointCount(), MaxCheckpoint: s.GetMaxCheckpointCount(), MaxConsumers: s.GetMaxSubscriberCount(),
		LiveBuffer: s.GetLiveBufferSize(), ReadBatch: s.GetReadBatchSize(), HistoryBuffer: s.GetHistoryBufferSize(),
		Strategy:        strategy,
		MessageTimeout:  milliseconds(s.GetMessageTimeoutMs(), s.GetMessageTimeoutTicks()),
		CheckpointAfter: milliseconds(s.GetCheckpointAfterMs(), s.GetCheckpointAfterTicks()),
	}
}
