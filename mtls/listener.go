package mtls

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// ListenerOptions describe the TLS side of the card listener.
type ListenerOptions struct {
	// Certificate gives the server's certificate for a handshake.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Acceptable are the authorities whose names the browser is told, so that
	// it offers the certificates they issued. Empty: no names, any certificate.
	Acceptable []*x509.Certificate
	// AcceptableNow is asked at each handshake in place of Acceptable, for a
	// trust that is reloaded; nil: Acceptable stays as it is.
	AcceptableNow func() []*x509.Certificate
	// MaxVersion is TLS 1.2 when zero: TLS 1.3 forbids PKCS#1 v1.5 in the
	// client's signature (RFC 8446 §4.2.3), the only one a CPS3 can make, and
	// most browsers offer no other on Windows for a CPS4.
	MaxVersion uint16
	// Now tells when a handshake ended; nil means time.Now.
	Now func() time.Time
}

// ListenerConfig is the tls.Config of a card listener with one server
// certificate; see ListenerOptions.Config. A maxVersion of 0 is TLS 1.2.
func ListenerConfig(certificate tls.Certificate, acceptable []*x509.Certificate, maxVersion uint16) *tls.Config {
	return ListenerOptions{
		Certificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil },
		Acceptable:  acceptable,
		MaxVersion:  maxVersion,
	}.Config()
}

// Config is the tls.Config of the card listener. The client certificate
// is asked for and not required, and not verified by crypto/tls: every refusal
// shall be a page of ours, so a Verifier judges what TakeCertificate hands over.
// There are no session tickets and no resumption: each login is a handshake
// with the card. HTTP/1.1 only, because HTTP/2 shares connections among hosts
// (RFC 9113 §9.1.1).
//
// The http.Server that uses it must have ConnContext.
func (o ListenerOptions) Config() *tls.Config {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	maxVersion := o.MaxVersion
	if maxVersion == 0 {
		maxVersion = tls.VersionTLS12
	}
	base := &tls.Config{
		GetCertificate: o.Certificate,
		ClientAuth:     tls.RequestClientCert,
		MinVersion:     tls.VersionTLS12,
		MaxVersion:     maxVersion,
		// ECDHE only, with AEAD: forward secrecy, nothing legacy (RFC 9325 §4.2).
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		SessionTicketsDisabled: true,
		NextProtos:             []string{"http/1.1"},
	}
	acceptable := o.AcceptableNow
	if acceptable == nil {
		acceptable = func() []*x509.Certificate { return o.Acceptable }
	}
	names := &toldNames{}
	outer := base.Clone()
	outer.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		own := base.Clone()
		own.ClientCAs = names.pool(acceptable())
		if handshake := handshakeFrom(hello.Context()); handshake != nil { // else TakeCertificate will find none and refuse
			own.VerifyConnection = func(tls.ConnectionState) error {
				handshake.end(now())
				return nil
			}
		}
		return own, nil
	}
	return outer
}

// toldNames is the pool whose names are told, made anew when they change.
type toldNames struct {
	mu    sync.Mutex
	of    []*x509.Certificate
	names *x509.CertPool // nil: no names are told
}

func (n *toldNames) pool(authorities []*x509.Certificate) *x509.CertPool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if slices.Equal(n.of, authorities) {
		return n.names
	}
	n.of, n.names = slices.Clone(authorities), nil
	for _, authority := range authorities {
		if n.names == nil {
			n.names = x509.NewCertPool()
		}
		n.names.AddCert(authority)
	}
	return n.names
}

// SameHost tells whether a request's Host is the name the handshake was for;
// where it is not, the answer is 421 (RFC 9110 §15.5.20). Case, port and a
// trailing dot do not count. A handshake without a name matches nothing.
func SameHost(host, serverName string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	plain := func(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }
	return serverName != "" && plain(host) == plain(serverName)
}

// ErrorLog is for http.Server.ErrorLog: handshakes that clients break off (port
// scans, health checks, a browser's speculative connection, a person who closes
// the certificate dialogue) go to the debug level, everything else to warnings.
// net/http gives nothing but text to tell them apart; no decision hangs on it.
func ErrorLog(logger *slog.Logger) *log.Logger {
	return log.New(&errorLog{logger}, "", 0)
}

type errorLog struct{ logger *slog.Logger }

func (l *errorLog) Write(line []byte) (int, error) {
	level := slog.LevelWarn
	if bytes.Contains(line, []byte("TLS handshake error")) && brokenOff(line) {
		level = slog.LevelDebug
	}
	l.logger.Log(context.Background(), level, strings.TrimSpace(string(line)))
	return len(line), nil
}

func brokenOff(line []byte) bool {
	line = bytes.TrimSpace(line)
	for _, end := range []string{": EOF", "connection reset by peer", "i/o timeout", "broken pipe", "use of closed network connection"} {
		if bytes.HasSuffix(line, []byte(end)) {
			return true
		}
	}
	return false
}
