package esdbserver

import (
	"context"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
)

// Version is the version of EventStoreDB whose behaviour is served.
const Version = "24.10.4"

type features struct {
	serverfeatures.UnimplementedServerFeaturesServer
}

// offered are the methods that clients ask about, by service, with what each can do. Names are in lower case.
var offered = []struct {
	service, method string
	features        []string
}{
	{streamsName, "read", []string{"position", "events"}},
	{streamsName, "append", nil},
	{streamsName, "delete", nil},
	{streamsName, "tombstone", nil},
	{streamsName, "batchappend", []string{"deadline_duration"}},
	{persistentName, "create", groupKinds},
	{persistentName, "update", groupKinds},
	{persistentName, "delete", groupKinds},
	{persistentName, "read", groupKinds},
	{persistentName, "getinfo", groupKinds},
	{persistentName, "replayparked", groupKinds},
	{persistentName, "list", groupKinds},
	{persistentName, "restartsubsystem", nil},

	{"event_store.client.server_features.serverfeatures", "getsupportedmethods", nil},
	{"event_store.client.gossip.gossip", "read", nil},
}

const (
	streamsName    = "event_store.client.streams.streams"
	persistentName = "event_store.client.persistent_subscriptions.persistentsubscriptions"
)

var groupKinds = []string{"stream", "all"}

func (features) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	answer := &serverfeatures.SupportedMethods{EventStoreServerVersion: Version}
	for _, o := range offered {
		answer.Methods = append(answer.Methods, &serverfeatures.SupportedMethod{ServiceName: o.service, MethodName: o.method, Features: o.features})
	}
	return answer, nil
}
