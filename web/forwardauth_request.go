package web

import (
	"net/http"
	"strings"

	"cpsgate/sso/forwardauth"
)

// forwardedRequest is what a named proxy says of a request to an application.
type forwardedRequest struct {
	query   forwardauth.Query
	method  string
	address string // of the client, for the audit
}

// readForwarded reads the fields that a proxy must set: each once. A second
// spelling that some servers take for the same (X_Forwarded_Host) came past the
// proxy, and spoils the request. What is handed on to us needs no method and no
// address: it has its own.
func readForwarded(r *http.Request) (f forwardedRequest, ok bool) {
	h := r.Header
	for name := range h {
		if strings.IndexByte(name, '_') >= 0 && strings.HasPrefix(strings.ReplaceAll(strings.ToLower(name), "_", "-"), "x-forwarded-") {
			return f, false
		}
	}
	ok = true
	one := func(name string) string {
		values := h[name]
		if len(values) != 1 || values[0] == "" {
			ok = false
			return ""
		}
		return values[0]
	}
	f.query.Scheme, f.query.Host = one("X-Forwarded-Proto"), one("X-Forwarded-Host")
	if !strings.HasPrefix(r.URL.Path, forwardauth.OwnPath) {
		f.query.URI, f.method = one("X-Forwarded-Uri"), one("X-Forwarded-Method")
	}
	if values := h["X-Forwarded-For"]; len(values) > 0 { // the last is the one that the named proxy wrote
		last := values[len(values)-1]
		f.address = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
	}
	f.query.Cookie = cookieIn(h, cookieApplication)
	return f, ok
}

// cookieIn gives the value of a cookie; of two by one name, which no browser
// sends, what no check accepts.
func cookieIn(h http.Header, name string) (value string) {
	for _, line := range h["Cookie"] {
		for line != "" {
			var part string
			part, line, _ = strings.Cut(line, ";")
			n, v, found := strings.Cut(strings.TrimSpace(part), "=")
			if !found || n != name {
				continue
			}
			if value != "" {
				return "twice"
			}
			value = v
		}
	}
	return value
}

// showsPage: somebody asked for a page, and sees where they are led (Fetch
// Metadata §2.3).
func (f forwardedRequest) showsPage(h http.Header) bool {
	if f.method != http.MethodGet && f.method != http.MethodHead {
		return false
	}
	if mode := h.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(h.Get("Accept"), "text/html")
}
