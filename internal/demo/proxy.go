package demo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// ProxyOptions describe a proxy before one application. All but Dial are needed.
type ProxyOptions struct {
	SignOn string         // cpsgate's origin
	Origin string         // the application's, as browsers write it
	Roots  *x509.CertPool // above cpsgate's server certificate
	Dial   Dial           // nil: by name
}

// Where cpsgate is asked, and what of the application's host is cpsgate's own
// (docs/forward-auth.md).
const (
	pathCheck = "/forward-auth/redirect"
	ownPath   = "/.cpsgate/"
)

// proxy stands before an application.
type proxy struct {
	signOn, origin *url.URL
	ask            *http.Client
	own            *httputil.ReverseProxy
	application    http.Handler
}

// Proxy does before an application what nginx, Caddy or Traefik does with the
// snippets of docs/forward-auth.md: it asks cpsgate before each request, takes
// away what a browser says of its own identity, and adds what cpsgate says. It
// is for machines without any of the three. Nothing but a 200 lets a request on.
func Proxy(o ProxyOptions, application http.Handler) (http.Handler, error) {
	p := &proxy{application: application}
	for text, to := range map[string]**url.URL{o.SignOn: &p.signOn, o.Origin: &p.origin} {
		u, err := originOf(text)
		if err != nil {
			return nil, err
		}
		*to = u
	}
	transport := &http.Transport{DialContext: o.Dial, TLSClientConfig: &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	p.ask = &http.Client{
		Timeout: providerTime, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	p.own = &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(p.signOn) // and with it the Host that cpsgate knows
		strip(r.Out.Header)
		p.forward(r.Out.Header, r.In)
	}}
	return p, nil
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Host != p.origin.Host: // a request does not choose another application's rules
		http.Error(w, http.StatusText(http.StatusMisdirectedRequest), http.StatusMisdirectedRequest)
	case strings.HasPrefix(r.URL.Path, ownPath):
		p.own.ServeHTTP(w, r)
	default:
		p.guard(w, r)
	}
}

// guard lets a request on that cpsgate allows, and otherwise answers as cpsgate
// did.
func (p *proxy) guard(w http.ResponseWriter, r *http.Request) {
	status, said, err := p.check(r)
	if err != nil {
		slog.Warn("asking cpsgate", "error", err)
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	if status != http.StatusOK {
		if status < 300 {
			status = http.StatusServiceUnavailable // no answer of cpsgate's
		}
		if to := said.Get("Location"); to != "" {
			w.Header().Set("Location", to)
		}
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, http.StatusText(status), status)
		return
	}
	on := r.Clone(r.Context())
	strip(on.Header)
	for name, values := range said {
		if isIdentity(name) {
			on.Header[name] = values
		}
	}
	p.application.ServeHTTP(w, on)
}

// check asks: what cpsgate needs of the request, and nothing else of it.
func (p *proxy) check(r *http.Request) (status int, said http.Header, err error) {
	question, err := http.NewRequestWithContext(r.Context(), http.MethodGet, p.signOn.String()+pathCheck, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	for _, name := range []string{"Cookie", "Accept", "Sec-Fetch-Mode", "User-Agent"} {
		if values, sent := r.Header[name]; sent {
			question.Header[name] = values
		}
	}
	p.forward(question.Header, r)
	question.Header.Set("X-Forwarded-Method", r.Method)
	question.Header.Set("X-Forwarded-Uri", r.RequestURI)
	answer, err := p.ask.Do(question)
	if err != nil {
		return 0, nil, err
	}
	return answer.StatusCode, answer.Header, answer.Body.Close()
}

// forward says whence a request comes and where it wants to.
func (p *proxy) forward(h http.Header, r *http.Request) {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		h.Set("X-Forwarded-For", host)
	}
	h.Set("X-Forwarded-Host", p.origin.Host)
	h.Set("X-Forwarded-Proto", "https")
}

// strip takes away what only a proxy may say, in every spelling that a server
// could take for the same.
func strip(h http.Header) {
	for name := range h {
		if isIdentity(name) || strings.HasPrefix(spelled(name), "x-forwarded-") {
			delete(h, name)
		}
	}
}

// isIdentity: fields that say who somebody is.
func isIdentity(name string) bool {
	s := spelled(name)
	return strings.HasPrefix(s, "remote-") || strings.HasPrefix(s, "x-cpsgate-")
}

// spelled is a field's name in one spelling for all.
func spelled(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

// originOf reads an origin as browsers write it.
func originOf(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || text != "https://"+u.Host {
		return nil, fmt.Errorf("%q is not of the form https://host[:port]", text)
	}
	return u, nil
}

// Dial opens a connection, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Loopback finds every host on this machine, as browsers do with *.localhost
// (RFC 6761 §6.3); other resolvers may know no such name.
func Loopback(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
}
