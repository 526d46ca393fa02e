package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// runningLog is a running `hooklog log serve`.
type runningLog struct {
	data, url string
	said      *buffer
	stop      func() int
}

// serveLogNode runs a log node on a free port of an address; the test stops it.
func serveLogNode(t *testing.T, data string, args ...string) *runningLog {
	t.Helper()
	n := &runningLog{data: data, said: &buffer{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan int, 1)
	args = append([]string{"log", "serve", "--data", data, "--esdb-listen", "127.0.0.1:0"}, args...)
	go func() { ended <- run(ctx, args, nil, strings.NewReader(""), &buffer{}, n.said) }()
	n.stop = sync.OnceValue(func() int {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if code := n.stop(); code != exitOK {
			t.Errorf("the log node ended with %d:\n%s", code, n.said)
		}
	})
	eventually(t, "the log node serves", func() bool { n.url = saidURL(n.said, "serving the log"); return n.url != "" })
	return n
}

// saidURL finds how EventStoreDB's clients are said to reach a process.
func saidURL(log *buffer, message string) string {
	for line := range strings.Lines(log.String()) {
		var said struct{ Message, Esdb string }
		if json.Unmarshal([]byte(line), &said) == nil && said.Message == message {
			return said.Esdb
		}
	}
	return ""
}

// passwordOf finds the password of a user in the file that was made.
func passwordOf(t *testing.T, data, user string) string {
	t.Helper()
	path := filepath.Join(data, "esdb-users.toml")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the users are in a file with mode %v, %v", info.Mode(), err)
	}
	m := regexp.MustCompile(`\[` + user + `\]\npassword = "(.{43})"`).FindSubmatch(content)
	if m == nil {
		t.Fatalf("%s lacks the user %s", path, user)
	}
	return string(m[1])
}

// dialESDB opens EventStoreDB's own client.
func dialESDB(t *testing.T, url string) *esdb.Client {
	t.Helper()
	settings, err := esdb.ParseConnectionString(url)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	settings.Logger = esdb.NoopLogging()
	c, err := esdb.NewClient(settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() }) // A client that never connected fails to close.
	return c
}

// shortly is a context that outlasts what takes milliseconds when all is well.
func shortly(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func stranger() esdb.EventData {
	return esdb.EventData{EventID: uuid.New(), EventType: "stranger", ContentType: esdb.ContentTypeJson, Data: []byte(`{}`)}
}

// appendAs repeats an append until the client tells why it was refused: if the server refuses while it is still sending,
// the client loses the reason and says EOF.
func appendAs(t *testing.T, c *esdb.Client, stream string) (err error) {
	t.Helper()
	for range 100 {
		_, err = c.AppendToStream(shortly(t), stream, esdb.AppendToStreamOptions{}, stranger())
		if err == nil || !strings.Contains(err.Error(), "EOF") {
			return err
		}
	}
	return err
}

func readAs(t *testing.T, c *esdb.Client) error {
	t.Helper()
	events, err := c.ReadAll(shortly(t), esdb.ReadAllOptions{}, 10)
	if err != nil {
		return err
	}
	defer events.Close()
	for err == nil {
		_, err = events.Recv()
	}
	if err.Error() == "EOF" {
		return nil
	}
	return err
}

// code is the reason of a refusal, wherever the client has put it.
func code(err error) codes.Code {
	var own *esdb.Error
	if errors.As(err, &own) {
		switch own.Code() {
		case esdb.ErrorCodeAccessDenied:
			return codes.PermissionDenied
		case esdb.ErrorCodeUnauthenticated:
			return codes.Unauthenticated
		}
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if s, ok := status.FromError(err); ok {
			return s.Code()
		}
	}
	return codes.OK
}

// groupUses are all that can be done with a group, in an order in which it works.
func groupUses(t *testing.T, c *esdb.Client, group string) map[string]error {
	t.Helper()
	settings := esdb.SubscriptionSettingsDefault()
	done := map[string]error{}
	done["create"] = c.CreatePersistentSubscriptionToAll(shortly(t), group, esdb.PersistentAllSubscriptionOptions{Settings: &settings})
	done["change"] = c.UpdatePersistentSubscriptionToAll(shortly(t), group, esdb.PersistentAllSubscriptionOptions{Settings: &settings, StartFrom: esdb.Start{}})
	done["join"] = joinAs(t, c, group)
	done["replay"] = c.ReplayParkedMessagesToAll(shortly(t), group, esdb.ReplayParkedMessagesOptions{})
	done["delete"] = c.DeletePersistentSubscriptionToAll(shortly(t), group, esdb.DeletePersistentSubscriptionOptions{})
	done["create on a stream"] = c.CreatePersistentSubscription(shortly(t), "s", group, esdb.PersistentStreamSubscriptionOptions{Settings: &settings})
	done["delete on a stream"] = c.DeletePersistentSubscription(shortly(t), "s", group, esdb.DeletePersistentSubscriptionOptions{})
	return done
}

func joinAs(t *testing.T, c *esdb.Client, group string) error {
	t.Helper()
	joined, err := c.SubscribeToPersistentSubscriptionToAll(shortly(t), group, esdb.SubscribeToPersistentSubscriptionOptions{})
	if err != nil {
		return err
	}
	return joined.Close()
}

// mayAll demands that every use of a group is admitted, or none.
func mayAll(t *testing.T, who string, c *esdb.Client, group string, may bool) {
	t.Helper()
	for what, err := range groupUses(t, c, group) {
		if may && err != nil {
			t.Errorf("%s: %s group %s: %v", who, what, group, err)
		}
		if !may && code(err) != codes.PermissionDenied {
			t.Errorf("%s: %s group %s: got %v, want PermissionDenied", who, what, group, err)
		}
	}
}

func TestALogNodeDemandsTLSAndCredentials(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "log")
	n := serveLogNode(t, data)
	if !strings.HasPrefix(n.url, "esdb://node:PASSWORD@127.0.0.1:") || !strings.Contains(n.url, "tlsCAFile=") {
		t.Fatalf("the log node says that it is reached at %s", n.url)
	}
	as := func(user, password string) *esdb.Client {
		return dialESDB(t, strings.Replace(n.url, "node:PASSWORD", user+":"+password, 1))
	}
	if strings.Contains(n.said.String(), passwordOf(t, data, "node")) {
		t.Error("the log node logs a password")
	}
	node, reader := as("node", passwordOf(t, data, "node")), as("reader", passwordOf(t, data, "reader"))
	if err := errors.Join(appendAs(t, node, "s"), readAs(t, node), readAs(t, reader)); err != nil {
		t.Errorf("a node and a reader: %v", err)
	}
	mayAll(t, "a node", node, "hooklog-dispatcher-v1", true)
	mayAll(t, "a reader", reader, "hooklog-dispatcher-v1", false)
	mayAll(t, "a reader", reader, "mine", true)
	if err := appendAs(t, reader, "s"); code(err) != codes.PermissionDenied {
		t.Errorf("a reader appends: %v", err)
	}
	at, _ := url.Parse(n.url)
	for who, c := range map[string]*esdb.Client{
		"a wrong password": as("node", "wrong"), "nobody": dialESDB(t, strings.Replace(n.url, "node:PASSWORD@", "", 1)),
		"no TLS": dialESDB(t, "esdb://"+at.Host+"?tls=false"), "a certificate not vouched for": dialESDB(t, "esdb://node:x@"+at.Host),
	} {
		if err := appendAs(t, c, "s"); err == nil {
			t.Errorf("%s: appended", who)
		}
		if err := readAs(t, c); err == nil {
			t.Errorf("%s: read", who)
		}
	}
	n.stop()
	again := serveLogNode(t, data)
	if err := readAs(t, dialESDB(t, strings.Replace(again.url, "node:PASSWORD", "reader:"+passwordOf(t, data, "reader"), 1))); err != nil {
		t.Errorf("after a restart the certificate and users are others: %v", err)
	}
}

func TestAnInsecureLogNodeIsForLoopbackAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:2113", "log.example:2113"} {
		fail(t, exitUsage, nil, []string{"log", "serve", "--data", dir, "--insecure", "--esdb-listen", address}, "loopback", address)
	}
	fail(t, exitUsage, nil, []string{"log", "serve", "--data", dir, "--insecure", "--esdb-users", "u"}, "--esdb-users")
	fail(t, exitUsage, nil, []string{"serve", "--data", dir, "--insecure"}, "unknown flag")
	c := dialESDB(t, serveLogNode(t, dir, "--insecure").url)
	if err := errors.Join(appendAs(t, c, "s"), readAs(t, c)); err != nil {
		t.Errorf("everybody: %v", err)
	}
	mayAll(t, "everybody", c, "hooklog-dispatcher-v1", true)
	if _, err := os.Stat(filepath.Join(dir, "esdb-users.toml")); err == nil {
		t.Error("an insecure log node made users")
	}
}

func TestTheServiceOffersItsLogToReaders(t *testing.T) {
	t.Parallel()
	s := serve(t, filepath.Join(t.TempDir(), "data"), "--esdb-listen", "127.0.0.1:0")
	c := dialESDB(t, saidURL(s.log, "serving"))
	if err := readAs(t, c); err != nil {
		t.Errorf("read: %v", err)
	}
	for what, err := range map[string]error{
		"append":    appendAs(t, c, "hl_key-live_operator"),
		"delete":    second(c.DeleteStream(shortly(t), "hl_key-live_operator", esdb.DeleteStreamOptions{})),
		"tombstone": second(c.TombstoneStream(shortly(t), "hl_key-live_operator", esdb.TombstoneStreamOptions{})),
		"truncate":  second(c.SetStreamMetadata(shortly(t), "hl_key-live_operator", esdb.AppendToStreamOptions{}, esdb.StreamMetadata{})),
	} {
		if code(err) != codes.PermissionDenied {
			t.Errorf("%s: got %v, want PermissionDenied", what, err)
		}
	}
	mayAll(t, "a reader", c, "hooklog-dispatcher-v1", false)
	mayAll(t, "a reader", c, "mine", true)
}

func second[T any](_ T, err error) error { return err }

func TestOffLoopbackReadersNeedTLSAndCredentials(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	s := serve(t, data, "--esdb-listen", "0.0.0.0:0")
	said := saidURL(s.log, "serving")
	reader := dialESDB(t, strings.Replace(said, "PASSWORD", passwordOf(t, data, "reader"), 1))
	if err := readAs(t, reader); err != nil {
		t.Errorf("a reader: %v", err)
	}
	if err := appendAs(t, reader, "s"); code(err) != codes.PermissionDenied {
		t.Errorf("a reader appends: %v", err)
	}
	mayAll(t, "a reader", reader, "hooklog-dispatcher-v1", false)
	at, _ := url.Parse(said)
	for who, c := range map[string]*esdb.Client{
		"nobody": dialESDB(t, strings.Replace(said, "reader:PASSWORD@", "", 1)), "no TLS": dialESDB(t, "esdb://"+at.Host+"?tls=false"),
	} {
		if err := readAs(t, c); err == nil {
			t.Errorf("%s: read", who)
		}
	}
}

func TestAFacadeIsRefusedWithWhatItLacks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	node := func(args ...string) []string {
		return append([]string{"log", "serve", "--data", filepath.Join(dir, "log"), "--esdb-listen", "127.0.0.1:0"}, args...)
	}
	fail(t, exitUsage, nil, node("--esdb-certificate", "c.pem"), "go together")
	fail(t, exitFailed, nil, node("--esdb-certificate", filepath.Join(dir, "c.pem"), "--esdb-certificate-key", "k.pem"), "read the certificate")
	open := write("open.toml", "[node]\npassword = \"secretsecret\"\nnode = true\n", 0o644)
	fail(t, exitFailed, nil, node("--esdb-users", open), "chmod 600")
	for name, content := range map[string]string{"not a list of users": "password = \"secretsecret\"\n", `no "admin"`: "[a]\npassword = \"secretsecret\"\nadmin = true\n",
		"lacks a name or a password": "[secretsecret]\nnode = true\n", "needs users": ""} {
		said := fail(t, exitFailed, nil, node("--esdb-users", write("users", content, 0o600)), name)
		if name != "lacks a name or a password" && strings.Contains(said, "secretsecret") {
			t.Errorf("a password is told: %s", said)
		}
	}
	fail(t, exitFailed, nil, []string{"log", "serve", "--data", filepath.Join(dir, "log"), "--esdb-listen", taken.Addr().String()}, "--esdb-listen", "address already in use")

	keyset := filepath.Join(dir, "keyset.json")
	succeed(t, nil, "keyset", "new", keyset)
	log := serveLogNode(t, filepath.Join(dir, "other"), "--insecure")
	fail(t, exitUsage, nil, []string{"serve", "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0",
		"--keyset", keyset, "--esdb-url", log.url, "--esdb-listen", "127.0.0.1:0"}, "--esdb-listen", "on EventStoreDB")
}

func TestAnEndedCertificateIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	if err := makeCertificate(certificate, key, []string{"localhost"}, time.Now().Add(-certificateLife-24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	fail(t, exitFailed, nil, []string{"log", "serve", "--data", filepath.Join(dir, "log"), "--esdb-listen", "127.0.0.1:0",
		"--esdb-certificate", certificate, "--esdb-certificate-key", key}, "ended on")
}
