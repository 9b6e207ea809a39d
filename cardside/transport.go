package cardside

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Errors of a server.
var (
	ErrServer      = errors.New("the server cannot be reached")
	ErrServerTrust = errors.New("the server's certificate is not trusted here")
	// ErrServerAnswer is an answer that breaks what was agreed.
	ErrServerAnswer = errors.New("the server's answer makes no sense")
	// ErrServerRefused is a refusal of the server's, which has its own words.
	ErrServerRefused = errors.New("the server refused")
	// ErrSessionEnded is a session that the server has ended.
	ErrSessionEnded = errors.New("the server has ended the session")
)

// Limits of a connection to the server.
const (
	dialLimit      = 10 * time.Second
	handshakeLimit = 10 * time.Second
)

// Transport reaches servers that present a certificate of trust's (nil: the
// system's), by TLS 1.2 or later, through the proxy that the environment names.
// Names below localhost are this machine (RFC 6761 §6.3), whatever resolvers
// say.
func Transport(trust *x509.CertPool) *http.Transport {
	dialer := &net.Dialer{Timeout: dialLimit}
	return &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			if isLocalhost(r.URL.Hostname()) {
				return nil, nil
			}
			return http.ProxyFromEnvironment(r)
		},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if host, port, err := net.SplitHostPort(address); err == nil && isLocalhost(host) {
				address = net.JoinHostPort("localhost", port)
			}
			return dialer.DialContext(ctx, network, address)
		},
		TLSHandshakeTimeout: handshakeLimit,
		TLSClientConfig:     &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12},
	}
}

func isLocalhost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// Unreached tells a server that is not trusted from one that is not there.
func Unreached(err error) error {
	var verification *tls.CertificateVerificationError
	if errors.As(err, &verification) {
		return fmt.Errorf("%w: %w", ErrServerTrust, err)
	}
	return fmt.Errorf("%w: %w", ErrServer, err)
}
