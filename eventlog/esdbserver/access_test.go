package esdbserver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/eventlog/esdbserver"
)

// certificate makes one for this machine.
func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	must(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func secure(t *testing.T, change func(*esdbserver.Config)) (n *node, as func(user string) *esdb.Client) {
	t.Helper()
	config := esdbserver.Config{
		TLS: certificate(t), Protected: []string{"hooklog-"},
		Users: map[string]esdbserver.User{"node": {Password: "n:1", Node: true}, "reader": {Password: "r1"}},
	}
	if change != nil {
		change(&config)
	}
	n = newNode(t, config)
	return n, func(user string) *esdb.Client { return dial(t, "esdb://"+user+n.address+"?tlsVerifyCert=false") }
}

func appendOne(t *testing.T, c *esdb.Client) error {
	t.Helper()
	return told(func() error {
		_, err := c.AppendToStream(soon(t), "s", esdb.AppendToStreamOptions{}, event("a"))
		return err
	})
}

// groupCalls are all that can be done to a group, each with what it says.
func groupCalls(t *testing.T, c *esdb.Client, group string) map[string]error {
	t.Helper()
	calls := map[string]error{
		"create": c.CreatePersistentSubscriptionToAll(soon(t), group, esdb.PersistentAllSubscriptionOptions{}),
		"update": c.UpdatePersistentSubscriptionToAll(soon(t), group, esdb.PersistentAllSubscriptionOptions{Settings: settings(nil)}),
		"replay": c.ReplayParkedMessagesToAll(soon(t), group, esdb.ReplayParkedMessagesOptions{}),
	}
	s, err := c.SubscribeToPersistentSubscriptionToAll(soon(t), group, esdb.SubscribeToPersistentSubscriptionOptions{})
	if calls["join"] = err; err == nil {
		s.Close()
	}
	calls["delete"] = c.DeletePersistentSubscriptionToAll(soon(t), group, esdb.DeletePersistentSubscriptionOptions{})
	return calls
}

// told repeats an append until the client tells why it was refused: if the server refuses while it is still sending, the
// client loses the reason and says EOF.
func told(append func() error) error {
	var err error
	for range 100 {
		if err = append(); err == nil || !strings.Contains(err.Error(), "EOF") {
			break
		}
	}
	return err
}

func allFail(t *testing.T, what string, calls map[string]error) {
	t.Helper()
	for name, err := range calls {
		t.Run(what+": "+name, func(t *testing.T) { hasCode(t, err, esdb.ErrorCodeAccessDenied) })
	}
}

func allSucceed(t *testing.T, what string, calls map[string]error) {
	t.Helper()
	for name, err := range calls {
		if err != nil {
			t.Errorf("%s: %s: %v", what, name, err)
		}
	}
}

func TestASecureServerAsksWhoCalls(t *testing.T) {
	t.Parallel()
	_, as := secure(t, nil)
	for user, code := range map[string]esdb.ErrorCode{
		"":              esdb.ErrorCodeAccessDenied,
		"node:wrong@":   esdb.ErrorCodeUnauthenticated,
		"nobody:n1@":    esdb.ErrorCodeUnauthenticated,
		"reader:r1@":    esdb.ErrorCodeAccessDenied,
		"reader:r1xxx@": esdb.ErrorCodeUnauthenticated,
	} {
		hasCode(t, appendOne(t, as(user)), code)
	}
	node, reader := as("node:n%3A1@"), as("reader:r1@")
	if err := appendOne(t, node); err != nil {
		hasCode(t, err, esdb.ErrorCodeUnknown)
		t.Fatalf("the node: %v", err)
	}
	if got := shows(t, reader, "s"); len(got) != 1 {
		t.Errorf("the reader sees %v", got)
	}
	_, err := reader.DeleteStream(soon(t), "s", esdb.DeleteStreamOptions{})
	hasCode(t, err, esdb.ErrorCodeAccessDenied)
	_, err = reader.TombstoneStream(soon(t), "s", esdb.TombstoneStreamOptions{})
	hasCode(t, err, esdb.ErrorCodeAccessDenied)
	hasCode(t, told(func() error {
		_, err := reader.SetStreamMetadata(soon(t), "s", esdb.AppendToStreamOptions{}, esdb.StreamMetadata{})
		return err
	}), esdb.ErrorCodeAccessDenied)
	allFail(t, "the reader, a protected group", groupCalls(t, reader, "hooklog-dispatch.v1"))
	allSucceed(t, "the reader, another group", groupCalls(t, reader, "mine"))
	allSucceed(t, "the node, a protected group", groupCalls(t, node, "hooklog-dispatch.v1"))
	hasCode(t, reader.RestartPersistentSubscriptionSubsystem(soon(t), esdb.RestartPersistentSubscriptionSubsystemOptions{}), esdb.ErrorCodeAccessDenied)
}

func TestAReadOnlyServerLetsNobodyWrite(t *testing.T) {
	t.Parallel()
	insecureReadOnly := newNode(t, esdbserver.Config{Insecure: true, ReadOnly: true, Protected: []string{"hooklog-"}}).client()
	_, as := secure(t, func(c *esdbserver.Config) { c.ReadOnly = true })
	for _, c := range []*esdb.Client{insecureReadOnly, as("node:n%3A1@")} {
		hasCode(t, appendOne(t, c), esdb.ErrorCodeAccessDenied)
		_, err := c.DeleteStream(soon(t), "s", esdb.DeleteStreamOptions{})
		hasCode(t, err, esdb.ErrorCodeAccessDenied)
		allFail(t, "a protected group", groupCalls(t, c, "hooklog-dispatch.v1"))
		allSucceed(t, "another group", groupCalls(t, c, "mine"))
		s, err := c.SubscribeToAll(soon(t), esdb.SubscribeToAllOptions{From: esdb.Start{}})
		must(t, err)
		untilCaughtUp(t, s)
		s.Close()
	}
}

func TestANodeIsDiscovered(t *testing.T) {
	t.Parallel()
	n, _ := insecure(t)
	if err := appendOne(t, dial(t, "esdb+discover://"+n.address+"?tls=false")); err != nil {
		t.Errorf("append: %v", err)
	}
}

func TestAConfigurationThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	log := openLog(t)
	for name, config := range map[string]esdbserver.Config{
		"no log":         {Insecure: true},
		"no TLS":         {Log: log, Users: map[string]esdbserver.User{"a": {Password: "b"}}},
		"no users":       {Log: log, TLS: &tls.Config{}},
		"no password":    {Log: log, TLS: &tls.Config{}, Users: map[string]esdbserver.User{"a": {}}},
		"insecure, TLS?": {Log: log, TLS: &tls.Config{}, Insecure: true},
	} {
		if _, err := esdbserver.New(config); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func openLog(t *testing.T) *embedded.Log {
	t.Helper()
	log, err := embedded.Open(t.TempDir(), embedded.Options{})
	must(t, err)
	t.Cleanup(func() { log.Close() })
	return log
}
