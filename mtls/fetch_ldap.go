package mtls

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/go-ldap/ldap/v3"
)

// directoryOverhead is what an answer may hold beside the CRL: names, BER.
const directoryOverhead = 64 << 10

// directoryCRL reads one attribute of one entry (RFC 4516, RFC 4523): the base
// object itself, anonymously. Another scope, and several values, are refused.
func (f *Fetcher) directoryCRL(watched *watchedContext, target *url.URL) (*Fetched, error) {
	search, err := directorySearch(target)
	if err != nil {
		return nil, &FetchError{Fault: FetchAddress, URL: watched.address, Err: err}
	}
	limit := orDefault(f.MaxDirectoryBytes, DefaultDirectoryBytes)
	connection, err := dialDirectory(watched, target, limit+directoryOverhead)
	if err != nil {
		return nil, err
	}
	// The library knows no context: what ends a search too late or too large is
	// the end of its connection.
	defer context.AfterFunc(watched.ctx, func() { connection.Close() })()
	client := ldap.NewConn(connection, target.Scheme == "ldaps")
	client.Start()
	defer client.Close()
	result, err := client.Search(search)
	if err != nil {
		return nil, connection.explain(err)
	}
	value, err := onlyValue(result, search.Attributes[0])
	if err != nil {
		return nil, &FetchError{Fault: FetchNoValue, URL: watched.address, Err: err}
	}
	return &Fetched{ReadCloser: directoryValue{bytes.NewReader(value), watched}}, nil
}

// directorySearch reads an LDAP URL: /dn?attribute?base?filter (RFC 4516 §2).
func directorySearch(target *url.URL) (*ldap.SearchRequest, error) {
	parts := strings.Split(target.RawQuery, "?")
	if len(parts) > 4 {
		return nil, errors.New("too many parts")
	}
	parts = append(parts, "", "", "")[:4]
	filter, err := url.PathUnescape(parts[2])
	switch {
	case err != nil:
		return nil, err
	case parts[0] == "" || strings.Contains(parts[0], ","):
		return nil, errors.New("not one attribute")
	case parts[1] != "" && !strings.EqualFold(parts[1], "base"):
		return nil, fmt.Errorf("scope %q", parts[1])
	case parts[3] != "":
		return nil, errors.New("extensions")
	case filter == "":
		filter = "(objectClass=*)"
	case !strings.HasPrefix(filter, "("): // as the IGC-Santé writes it
		filter = "(" + filter + ")"
	}
	name := strings.TrimPrefix(target.Path, "/")
	return ldap.NewSearchRequest(name, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 2, 0, false, filter, parts[:1], nil), nil
}

func dialDirectory(watched *watchedContext, target *url.URL, limit int64) (*boundedConn, error) {
	port, config := "389", (*tls.Config)(nil)
	if target.Scheme == "ldaps" {
		port, config = "636", &tls.Config{MinVersion: tls.VersionTLS12, ServerName: target.Hostname()}
	}
	if p := target.Port(); p != "" {
		port = p
	}
	dialer := &net.Dialer{Timeout: dialTime}
	raw, err := dialer.DialContext(watched.ctx, "tcp", net.JoinHostPort(target.Hostname(), port))
	if err != nil {
		return nil, err
	}
	if config != nil {
		secured := tls.Client(raw, config)
		if err := secured.HandshakeContext(watched.ctx); err != nil {
			raw.Close()
			return nil, err
		}
		raw = secured
	}
	return &boundedConn{Conn: raw, body: boundedBody{io.NopCloser(raw), watched, limit}}, nil
}

// boundedConn reads through boundedBody's limits and directoryShape's, and
// remembers what they said: the LDAP library passes errors on as text.
type boundedConn struct {
	net.Conn
	body  boundedBody
	shape directoryShape
	fault atomic.Pointer[FetchError]
}

func (c *boundedConn) Read(into []byte) (int, error) {
	if fault := c.fault.Load(); fault != nil {
		return 0, fault
	}
	n, err := c.body.Read(into)
	if wrong := c.shape.see(into[:n]); wrong != "" {
		n, err = 0, &FetchError{Fault: FetchMalformed, URL: c.body.watched.address, Detail: wrong}
	}
	var fault *FetchError
	if errors.As(err, &fault) {
		c.fault.CompareAndSwap(nil, fault)
	}
	return n, err
}

func (c *boundedConn) explain(err error) error {
	if fault := c.fault.Load(); fault != nil && fault.Fault != FetchBroken {
		return fault
	}
	var answered *ldap.Error
	if errors.As(err, &answered) && answered.ResultCode < ldap.ErrorNetwork {
		return &FetchError{Fault: FetchStatus, URL: c.body.watched.address, Err: err}
	}
	return err
}

// onlyValue takes the attribute's value, which must be there once.
func onlyValue(result *ldap.SearchResult, attribute string) ([]byte, error) {
	if len(result.Entries) != 1 {
		return nil, fmt.Errorf("%d entries", len(result.Entries))
	}
	wanted, _, _ := strings.Cut(attribute, ";")
	var values [][]byte
	for _, a := range result.Entries[0].Attributes {
		if name, _, _ := strings.Cut(a.Name, ";"); strings.EqualFold(name, wanted) {
			values = append(values, a.ByteValues...)
		}
	}
	if len(values) != 1 {
		return nil, fmt.Errorf("%d values of %s", len(values), attribute)
	}
	return values[0], nil
}

// directoryValue is a value read whole; closing it ends the fetch.
type directoryValue struct {
	*bytes.Reader
	watched *watchedContext
}

func (v directoryValue) Close() error {
	v.watched.end()
	return nil
}
