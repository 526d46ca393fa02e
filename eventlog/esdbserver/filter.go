package esdbserver

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/hooklog/hooklog/eventlog"
)

// Bounds of what a client may ask to have compared with every event.
const (
	maxPrefixes = 1000
	maxRegex    = 4 << 10
)

// filterSettings say which events are wanted: by stream or else by type, by prefixes or else by a regular expression.
type filterSettings struct {
	ByStream bool     `json:"by_stream,omitempty"`
	Prefixes []string `json:"prefixes,omitempty"`
	Regex    string   `json:"regex,omitempty"`
}

// filter is what events of $all are compared with. The zero filter admits everything.
type filter struct {
	byStream bool
	prefixes []string
	regex    *regexp.Regexp
}

func newFilter(f *filterSettings) (filter, error) {
	if f == nil {
		return filter{}, nil
	}
	if len(f.Prefixes) > maxPrefixes || len(f.Regex) > maxRegex {
		return filter{}, fmt.Errorf("a filter has at most %d prefixes or %d bytes of regular expression", maxPrefixes, maxRegex)
	}
	if len(f.Prefixes) > 0 {
		return filter{byStream: f.ByStream, prefixes: f.Prefixes}, nil
	}
	regex, err := regexp.Compile(f.Regex)
	if err != nil {
		return filter{}, fmt.Errorf("the filter: %w", err)
	}
	return filter{byStream: f.ByStream, regex: regex}, nil
}

func (f filter) admits(e *eventlog.Recorded) bool {
	name := e.Type
	if f.byStream {
		name = e.Stream
	}
	if f.regex != nil {
		return f.regex.MatchString(name)
	}
	for _, p := range f.prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return len(f.prefixes) == 0
}

// hidden are the events that no subscription to $all is shown: the bookkeeping of the groups on it.
func hidden(e *eventlog.Recorded) bool {
	const ours = "$persistentsubscription-$all::"
	return e.Type[0] == '$' && e.Type == "$epoch-information" ||
		e.Stream[0] == '$' && strings.HasPrefix(e.Stream, ours) && strings.HasSuffix(e.Stream, "-parked")
}

// search is a filter with how often a checkpoint is told.
type search struct {
	filter
	filtered bool
	interval uint64 // considered events between two checkpoints
}

// searchWindow is the window of a client that has no wish.
const searchWindow = 32

func readSearch(o *streams.ReadReq_Options_FilterOptions) (search, error) {
	if o == nil {
		return search{}, nil
	}
	var wanted filterSettings
	switch v := o.GetFilter().(type) {
	case *streams.ReadReq_Options_FilterOptions_StreamIdentifier:
		wanted = filterSettings{ByStream: true, Prefixes: v.StreamIdentifier.GetPrefix(), Regex: v.StreamIdentifier.GetRegex()}
	case *streams.ReadReq_Options_FilterOptions_EventType:
		wanted = filterSettings{Prefixes: v.EventType.GetPrefix(), Regex: v.EventType.GetRegex()}
	default:
		return search{}, fmt.Errorf("the filter is empty")
	}
	f, err := newFilter(&wanted)
	if err != nil {
		return search{}, err
	}
	window := uint64(searchWindow)
	if v, ok := o.GetWindow().(*streams.ReadReq_Options_FilterOptions_Max); ok {
		window = uint64(v.Max)
	}
	return search{filter: f, filtered: true, interval: window * uint64(o.GetCheckpointIntervalMultiplier())}, nil
}

func groupFilter(o *persistent.CreateReq_AllOptions_FilterOptions) *filterSettings {
	switch v := o.GetFilter().(type) {
	case *persistent.CreateReq_AllOptions_FilterOptions_StreamIdentifier:
		return &filterSettings{ByStream: true, Prefixes: v.StreamIdentifier.GetPrefix(), Regex: v.StreamIdentifier.GetRegex()}
	case *persistent.CreateReq_AllOptions_FilterOptions_EventType:
		return &filterSettings{Prefixes: v.EventType.GetPrefix(), Regex: v.EventType.GetRegex()}
	}
	return nil
}
