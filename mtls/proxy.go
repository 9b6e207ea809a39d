package mtls

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ProxyForm is how a TLS-terminating proxy writes the client's certificate
// into a header.
type ProxyForm string

// The forms, with the header each uses when none is named.
const (
	ProxyRFC9440 ProxyForm = "rfc9440" // Client-Cert and Client-Cert-Chain: RFC 9440
	ProxyNginx   ProxyForm = "nginx"   // X-SSL-Client-Cert: $ssl_client_escaped_cert, PEM with percent signs
	ProxyHAProxy ProxyForm = "haproxy" // X-SSL-Client-DER: %[ssl_c_der,base64]
	ProxyTraefik ProxyForm = "traefik" // X-Forwarded-Tls-Client-Cert: PEM less its lines and marks
)

func (f ProxyForm) header() string {
	switch f {
	case ProxyRFC9440:
		return "Client-Cert"
	case ProxyNginx:
		return "X-SSL-Client-Cert"
	case ProxyHAProxy:
		return "X-SSL-Client-DER"
	case ProxyTraefik:
		return "X-Forwarded-Tls-Client-Cert"
	}
	return ""
}

// ProxyOptions name the proxies that may vouch for a client's certificate.
type ProxyOptions struct {
	// From are the proxies' own addresses. There is no default: whoever can
	// connect from one of them can be anybody.
	From []netip.Prefix
	Form ProxyForm
	// Header replaces the form's own, except for RFC 9440.
	Header string
}

// Proxies takes client certificates from headers. A nil *Proxies names no
// proxy: it believes nobody, and strips the headers all the same.
type Proxies struct {
	from   []netip.Prefix
	form   ProxyForm
	header string // canonical: lower case, hyphens
}

// NewProxies refuses a form without addresses and addresses that are anybody.
func NewProxies(o ProxyOptions) (*Proxies, error) {
	header := o.Form.header()
	switch {
	case header == "":
		return nil, fmt.Errorf("form %q is none of rfc9440, nginx, haproxy, traefik", o.Form)
	case len(o.From) == 0:
		return nil, errors.New("no proxy addresses: a certificate in a header would be believed from anybody")
	case o.Header != "" && o.Form == ProxyRFC9440 && canonicalHeader(o.Header) != canonicalHeader(header):
		return nil, errors.New("RFC 9440 names its own header, Client-Cert")
	case o.Header != "":
		header = o.Header
	}
	for _, prefix := range o.From {
		if !prefix.IsValid() || prefix.Bits() == 0 {
			return nil, fmt.Errorf("proxy address %s means anybody", prefix)
		}
	}
	if !validHeader(header) {
		return nil, fmt.Errorf("header %q is not a header name with hyphens", header)
	}
	return &Proxies{from: slices.Clone(o.From), form: o.Form, header: canonicalHeader(header)}, nil
}

// What is wrong with a certificate in a header. ErrForwardedByStranger counts as
// an attack; the others are a proxy that is not set up as this server is told.
var (
	ErrForwardedByStranger = errors.New("a client certificate in a header, from an address that is no named proxy")
	ErrForwardedAmbiguous  = errors.New("more than one client certificate in the headers")
	ErrForwardedMixed      = errors.New("a client certificate in a header of a connection that has one of its own")
	ErrForwardedMalformed  = errors.New("malformed client certificate header")
)

// Forwarded is what the headers held.
type Forwarded struct {
	LeafDER []byte // nil: none
	// Stripped are the names, as they came, of the headers taken away.
	Stripped []string
}

// Take reads the certificate that a named proxy put into the headers, and takes
// every header away that could pass for one, in any spelling, whoever sent it:
// nothing behind this shall be able to read it again. Direct says that the
// connection's own handshake brought a certificate: the two are never mixed.
//
// The certificate is as unverified as one from a handshake, and that the client
// holds its key rests on the proxy's word. Client-Cert-Chain is read for its
// form alone: what clients send beside the leaf is never used.
func (p *Proxies) Take(peer netip.Addr, direct bool, header map[string][]string) (Forwarded, error) {
	var f Forwarded
	var values, chain []string
	misspelt := false
	for name, lines := range header {
		canonical := canonicalHeader(name)
		if !identityHeader(canonical) && (p == nil || canonical != p.header) {
			continue
		}
		f.Stripped = append(f.Stripped, name)
		delete(header, name)
		switch {
		case p != nil && canonical == p.header:
			values = append(values, lines...)
			misspelt = misspelt || strings.Contains(name, "_")
		case p != nil && p.form == ProxyRFC9440 && canonical == "client-cert-chain":
			chain = append(chain, lines...)
		}
	}
	slices.Sort(f.Stripped)
	if !p.named(peer) {
		if len(f.Stripped) > 0 {
			return f, ErrForwardedByStranger
		}
		return f, nil
	}
	var err error
	f.LeafDER, err = p.read(values, chain, misspelt, direct)
	return f, err
}

func (p *Proxies) read(values, chain []string, misspelt, direct bool) ([]byte, error) {
	switch {
	case misspelt || len(values) > 1:
		return nil, ErrForwardedAmbiguous
	case len(values) == 0 || values[0] == "":
		if len(chain) > 0 { // RFC 9440 §2.3
			return nil, fmt.Errorf("%w: a chain without a certificate", ErrForwardedMalformed)
		}
		return nil, nil
	case direct:
		return nil, ErrForwardedMixed
	}
	der, err := p.form.decode(values[0])
	if err == nil {
		err = checkForwardedChain(chain)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForwardedMalformed, err)
	}
	return der, nil
}

func (p *Proxies) named(peer netip.Addr) bool {
	peer = peer.Unmap().WithZone("")
	return p != nil && slices.ContainsFunc(p.from, func(prefix netip.Prefix) bool { return prefix.Contains(peer) })
}

// canonicalHeader undoes what servers between may do to a name: case, and
// hyphens that became underscores (CVE-2025-64484).
func canonicalHeader(name string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "_", "-")
}

// identityHeader: headers by which proxies tell a client's certificate or what
// stands in it.
func identityHeader(canonical string) bool {
	switch canonical {
	case "client-cert", "client-cert-chain", "ssl-client-cert", "ssl-client-verify", "x-client-cert", "x-clientcert",
		"x-client-certificate", "x-arr-clientcert", "x-forwarded-client-cert", "x-ssl-cert", "x-ssl-client", "cf-client-cert-der-base64":
		return true
	}
	for _, prefix := range []string{
		"x-ssl-client-", "ssl-client-", "x-client-cert-", "client-cert-", "x-forwarded-tls-client-cert",
		"x-forwarded-ssl-client-", "x-tls-client-", "x-amzn-mtls-", "x-mtls-", "x-auth-cert-",
	} {
		if strings.HasPrefix(canonical, prefix) {
			return true
		}
	}
	return false
}

func validHeader(name string) bool {
	for _, c := range name {
		if c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return name != "" && !strings.EqualFold(name, "host") && !strings.EqualFold(name, "cookie")
}
