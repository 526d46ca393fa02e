package esdb

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"time"

	client "github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// seeds are the addresses at which a cluster is asked for its nodes, in any order; none if the connection string names
// one node, which is the one to use.
func seeds(s *client.Configuration) []string {
	if s.DnsDiscover {
		return []string{s.Address}
	}
	addresses := make([]string, len(s.GossipSeeds))
	for i, at := range rand.Perm(len(addresses)) {
		addresses[i] = s.GossipSeeds[at].String()
	}
	return addresses
}

// discover asks a seed for the nodes of its cluster, and returns the address of the one that the connection string prefers.
func discover(ctx context.Context, s *client.Configuration, seed string) (string, error) {
	conn, err := dialNode(s, seed)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(s.GossipTimeout)*time.Second)
	defer cancel()
	cluster, err := gossip.NewGossipClient(conn).Read(ctx, &shared.Empty{})
	if err != nil {
		return "", fmt.Errorf("ask %s for its cluster: %w", seed, err)
	}
	node := best(cluster.GetMembers(), s.NodePreference)
	if node == nil {
		return "", fmt.Errorf("ask %s for its cluster: %w", seed, errNoNode)
	}
	at := node.GetHttpEndPoint()
	return net.JoinHostPort(at.GetAddress(), strconv.FormatUint(uint64(at.GetPort()), 10)), nil
}

var errNoNode = errors.New("no node of it can be used")

// usable are the states of a node in which it is spoken to.
var usable = []gossip.MemberInfo_VNodeState{
	gossip.MemberInfo_Leader, gossip.MemberInfo_Follower,
	gossip.MemberInfo_ReadOnlyReplica, gossip.MemberInfo_PreReadOnlyReplica, gossip.MemberInfo_ReadOnlyLeaderless,
}

// preferred are the states that are taken before others, the best first.
func preferred(p client.NodePreference) []gossip.MemberInfo_VNodeState {
	switch p {
	case client.NodePreferenceLeader:
		return usable[:1]
	case client.NodePreferenceFollower:
		return usable[1:2]
	case client.NodePreferenceReadOnlyReplica:
		return usable[2:]
	}
	return nil
}

// best picks a node, any of the equally good ones, or nil.
func best(members []*gossip.MemberInfo, p client.NodePreference) *gossip.MemberInfo {
	var found *gossip.MemberInfo
	least, states := 0, preferred(p)
	for _, at := range rand.Perm(len(members)) {
		m := members[at]
		if !m.GetIsAlive() || !slices.Contains(usable, m.GetState()) {
			continue
		}
		rank := slices.Index(states, m.GetState())
		if rank < 0 {
			rank = len(states)
		}
		if found == nil || rank < least {
			found, least = m, rank
		}
	}
	return found
}

// window is how many bytes a server may send ahead of what is read. A window that is given is not measured by a ping with
// every group of messages.
const window = 1 << 20

// dialNode makes a connection to a node with the settings that the client would use. It does not connect yet.
func dialNode(s *client.Configuration, address string) (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if !s.DisableTLS {
		config := &tls.Config{InsecureSkipVerify: s.SkipCertificateVerification, RootCAs: s.RootCAs}
		if s.UserCertFile != "" {
			own, err := tls.LoadX509KeyPair(s.UserCertFile, s.UserKeyFile)
			if err != nil {
				return nil, fmt.Errorf("the certificate of the user: %w", err)
			}
			config.Certificates = []tls.Certificate{own}
		}
		transport = credentials.NewTLS(config)
	}
	options := []grpc.DialOption{grpc.WithTransportCredentials(transport), grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window)}
	if s.KeepAliveInterval >= 0 {
		options = append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: s.KeepAliveInterval, Timeout: s.KeepAliveTimeout, PermitWithoutStream: true,
		}))
	}
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return conn, nil
}

// password is the credentials of a connection string as calls carry them, over TLS only.
type password struct{ header map[string]string }

// callOptions are those of calls for which the user must be known.
func callOptions(s *client.Configuration) []grpc.CallOption {
	if s.DisableTLS || s.Username == "" {
		return nil
	}
	basic := base64.StdEncoding.EncodeToString([]byte(s.Username + ":" + s.Password))
	return []grpc.CallOption{grpc.PerRPCCredentials(password{map[string]string{"authorization": "Basic " + basic}})}
}

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (p password) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return p.header, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (password) RequireTransportSecurity() bool { return true }
