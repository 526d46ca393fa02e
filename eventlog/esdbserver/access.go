package esdbserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// caller is who makes a call.
type caller struct {
	name string
	node bool
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// doorkeeper knows who may call.
type doorkeeper struct {
	insecure, readOnly bool
	protected          []string
	users              map[string]knownUser
}

type knownUser struct {
	password [sha256.Size]byte
	node     bool
}

func newDoorkeeper(c Config) doorkeeper {
	d := doorkeeper{insecure: c.Insecure, readOnly: c.ReadOnly, protected: c.Protected, users: make(map[string]knownUser)}
	for name, user := range c.Users {
		d.users[name] = knownUser{password: sha256.Sum256([]byte(user.Password)), node: user.Node}
	}
	return d
}

// open are the services that clients ask before they give their credentials.
var open = []string{"/event_store.client.server_features.", "/event_store.client.gossip."}

// admit finds out who calls. Without a name and password a secure server tells nothing but what it offers.
func (d doorkeeper) admit(ctx context.Context, method string) (context.Context, error) {
	if d.insecure {
		return context.WithValue(ctx, callerKey{}, caller{node: true}), nil
	}
	for _, prefix := range open {
		if strings.HasPrefix(method, prefix) {
			return ctx, nil
		}
	}
	given := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(given) == 0 {
		return nil, accessDenied(ctx)
	}
	c, ok := d.known(given[0])
	if !ok {
		return nil, status.Error(codes.Unauthenticated, "the name or password is wrong")
	}
	return context.WithValue(ctx, callerKey{}, c), nil
}

// known checks the value of an Authorization header.
func (d doorkeeper) known(authorization string) (caller, bool) {
	scheme, encoded, _ := strings.Cut(authorization, " ")
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil || !strings.EqualFold(scheme, "basic") {
		return caller{}, false
	}
	name, password, _ := strings.Cut(string(plain), ":")
	user, exists := d.users[name]
	sum := sha256.Sum256([]byte(password))
	same := subtle.ConstantTimeCompare(sum[:], user.password[:]) == 1
	return caller{name: name, node: user.node}, exists && same
}

// mayWrite refuses those who may not append or delete.
func (d doorkeeper) mayWrite(ctx context.Context) error {
	if d.readOnly || !callerOf(ctx).node {
		return accessDenied(ctx)
	}
	return nil
}

// mayUse refuses protected groups to those who are no node, and to everybody on a server that is read-only.
func (d doorkeeper) mayUse(ctx context.Context, group string) error {
	if !d.guards(group) || callerOf(ctx).node && !d.readOnly {
		return nil
	}
	return accessDenied(ctx)
}

func (d doorkeeper) guards(group string) bool {
	for _, prefix := range d.protected {
		if strings.HasPrefix(group, prefix) {
			return true
		}
	}
	return false
}

func (d doorkeeper) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	ctx, err := d.admit(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return handle(ctx, req)
}

func (d doorkeeper) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	ctx, err := d.admit(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	return handle(srv, admitted{stream, ctx})
}

// admitted is a stream whose caller is known.
type admitted struct {
	grpc.ServerStream
	ctx context.Context
}

func (a admitted) Context() context.Context { return a.ctx }
