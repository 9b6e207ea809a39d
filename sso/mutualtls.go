package sso

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net/http"
	"slices"
	"time"
)

// MutualTLSConfig is the TLS of the listener where clients prove themselves by
// a certificate (RFC 8705 §2.1): one is required, of these authorities and no
// other, for client authentication. There is no resumption, by which a
// certificate would outlive its end, and HTTP/1.1 only, because HTTP/2 shares
// connections among hosts (RFC 9113 §9.1.1).
func MutualTLSConfig(server tls.Certificate, authorities []*x509.Certificate, now func() time.Time) *tls.Config {
	pool := x509.NewCertPool()
	for _, a := range authorities {
		pool.AddCert(a)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{server},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: pool, Time: now,
		MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true, NextProtos: []string{"http/1.1"},
	}
}

// aliasedPaths are the endpoints that are on the mutual TLS listener too (RFC
// 8705 §5), by their names in the discovery document.
func aliasedPaths() map[string]string {
	return map[string]string{
		"token_endpoint": PathToken, "introspection_endpoint": PathIntrospect, "revocation_endpoint": PathRevoke,
		"pushed_authorization_request_endpoint": PathPushed, "userinfo_endpoint": PathUserinfo,
	}
}

type certifiedKey struct{}

// certified is the certificate that the handshake of a request proved; nil on
// the listeners that ask for none.
func certified(ctx context.Context) *x509.Certificate {
	c, _ := ctx.Value(certifiedKey{}).(*x509.Certificate)
	return c
}

// MutualTLS answers what clients ask on a listener with MutualTLSConfig. The
// certificate is the handshake's: no header tells of one.
func (p *Provider) MutualTLS() http.Handler { return p.mutual }

func (p *Provider) newMutual(library http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+PathPushed, p.pushedEndpoint)
	mux.HandleFunc("POST "+PathIntrospect, p.introspectEndpoint)
	mux.Handle("/", library)
	guarded := p.guard(mux)
	paths := aliasedPaths()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		known := false
		for _, path := range paths {
			known = known || path == r.URL.Path
		}
		if !known {
			http.NotFound(w, r)
			return
		}
		certificate, err := p.provenBy(r.TLS)
		if err != nil {
			p.answerRefused(w, r, err)
			return
		}
		guarded.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), certifiedKey{}, certificate)))
	})
}

// provenBy is the verified certificate of a connection, which lives no longer
// than the certificate does.
func (p *Provider) provenBy(connection *tls.ConnectionState) (*x509.Certificate, error) {
	if connection == nil || len(connection.VerifiedChains) == 0 || len(connection.VerifiedChains[0]) == 0 {
		return nil, refuse(InvalidClient, "certificate-none", "a client certificate is needed here")
	}
	now := p.o.Now()
	for _, c := range connection.VerifiedChains[0] {
		if now.Before(c.NotBefore) || now.After(c.NotAfter) {
			return nil, refuse(InvalidClient, "certificate-expired", "the certificate of this connection is over")
		}
	}
	return connection.VerifiedChains[0][0], nil
}

// introspectEndpoint stands in for the library's, which lets nobody ask who
// shows neither secret nor assertion.
func (p *Provider) introspectEndpoint(w http.ResponseWriter, r *http.Request) {
	client, err := p.authenticate(r.Context(), credentialsOf(r))
	if err != nil {
		p.answerRefused(w, r, err)
		return
	}
	token := r.PostForm.Get("token")
	if token == "" {
		p.answerRefused(w, r, refuse(InvalidRequest, "token-missing", "token is missing"))
		return
	}
	answer, err := p.introspect(r.Context(), client, token)
	if err != nil {
		p.answerRefused(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// isOf tells whether a verified certificate is the one the client is registered
// with: by its subject, or by one of its DNS names (RFC 8705 §2.1.2).
func (c *Client) isOf(certificate *x509.Certificate) bool {
	switch {
	case certificate == nil:
		return false
	case c.TLSName != "":
		return slices.Contains(certificate.DNSNames, c.TLSName)
	case c.TLSSubject != "":
		subject, err := SubjectOf(certificate)
		return err == nil && subject == c.TLSSubject
	}
	return false
}

// SubjectOf writes a certificate's subject as Client.TLSSubject has it: as RFC
// 4514 does, in the order it has there, where pkix.Name would put it in an order
// of its own. Other programs name some attributes otherwise.
func SubjectOf(certificate *x509.Certificate) (string, error) {
	var names pkix.RDNSequence
	rest, err := asn1.Unmarshal(certificate.RawSubject, &names)
	if err != nil {
		return "", err
	}
	if len(rest) > 0 {
		return "", errors.New("bytes after the subject")
	}
	return names.String(), nil
}
