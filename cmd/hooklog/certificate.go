package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"slices"
	"time"
)

// certificateLife is how long a certificate made here is good. Clients are told to trust that one certificate, so it is
// replaced by deleting its files and telling them anew.
const certificateLife = 10 * 365 * 24 * time.Hour

// openCertificate reads a certificate and its key; both are made if neither file exists and make says for which hosts.
func openCertificate(certificate, key string, hosts []string) (made bool, pair tls.Certificate, err error) {
	if hosts != nil && missing(certificate) && missing(key) {
		made = true
		if err := makeCertificate(certificate, key, hosts, time.Now()); err != nil {
			return false, pair, fmt.Errorf("make a certificate: %w", err)
		}
	}
	if pair, err = tls.LoadX509KeyPair(certificate, key); err != nil {
		return made, pair, fmt.Errorf("read the certificate %s with its key %s: %w", certificate, key, err)
	}
	if now := time.Now(); now.After(pair.Leaf.NotAfter) {
		return made, pair, fmt.Errorf("the certificate %s ended on %s", certificate, pair.Leaf.NotAfter.UTC().Format(time.DateOnly))
	}
	return made, pair, nil
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// makeCertificate makes one that vouches for itself: clients are given it as the authority that they trust.
func makeCertificate(certificate, key string, hosts []string, now time.Time) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Hooklog's log"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	if err := writeNewFile(key, pemText("PRIVATE KEY", secret)); err != nil {
		return err
	}
	return writeNewFile(certificate, pemText("CERTIFICATE", der))
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// hostsOf are the names under which clients may reach a listener: this machine's, and its addresses if it listens on all.
func hostsOf(listen string) ([]string, error) {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, err
	}
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil && name != "" {
		hosts = append(hosts, name)
	}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return distinct(append(hosts, host)), nil
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("find the addresses of this machine: %w", err)
	}
	for _, a := range addresses {
		if network, ok := a.(*net.IPNet); ok && !network.IP.IsLinkLocalUnicast() {
			hosts = append(hosts, network.IP.String())
		}
	}
	return distinct(hosts), nil
}

func distinct(texts []string) []string {
	slices.Sort(texts)
	return slices.Compact(texts)
}
