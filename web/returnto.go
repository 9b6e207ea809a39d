package web

import (
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/labstack/echo/v4"
)

// maxReturn bounds a return address.
const maxReturn = 4 << 10

// safeReturn gives the page of ours that a return address names, or the
// account page for anything else: other hosts, schemes, paths that a browser
// or a proxy might read as a host, and the steps of signing in themselves.
func safeReturn(address string) string {
	ours, ok := ownPage(address)
	if !ok || isAt(ours, pathSignIn) || isAt(ours, pathSignedOut) {
		return pathAccount
	}
	return ours
}

// ownPage gives the address of a page of this host, in a form that no reader
// takes for another host's.
func ownPage(address string) (string, bool) {
	if address == "" || len(address) > maxReturn || address[0] != '/' || strings.ContainsFunc(address, notInPath) || strings.Contains(address, " ") {
		return "", false
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	if strings.ContainsFunc(u.Path, notInPath) || !cleanPath(u.Path) || isStep(u.Path) {
		return "", false
	}
	u.Fragment, u.RawFragment = "", ""
	return u.String(), true
}

// notInPath: what some browser or proxy drops, or reads as a slash
// (WHATWG URL §4.4).
func notInPath(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f || r == '\ufffd' }

// cleanPath: no empty, "." or ".." segment.
func cleanPath(p string) bool {
	if p == "/" {
		return true
	}
	return strings.HasPrefix(p, "/") && !strings.Contains(p, "//") && path.Clean(p) == strings.TrimSuffix(p, "/")
}

// isStep: a path that begins or ends something, and is no page to come back to.
func isStep(p string) bool {
	for _, step := range []string{"/login", "/logout", pathLock, pathLocked, "/language", "/static"} {
		if p == step || strings.HasPrefix(p, step+"/") {
			return true
		}
	}
	return false
}

// isAt tells whether an address is that of the page, whatever its query.
func isAt(address, page string) bool {
	p, _, _ := strings.Cut(address, "?")
	return p == page
}

// withReturn adds a return address to a path of ours, unless it is the one
// that is followed anyway.
func withReturn(to, address string) string {
	ours := safeReturn(address)
	if ours == pathAccount {
		return to
	}
	return to + "?" + url.Values{"return": {ours}}.Encode()
}

// here is the address of the page being answered, or of the sign-in page when
// it cannot be come back to.
func here(c echo.Context) string {
	r := c.Request()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return pathSignIn
	}
	ours, ok := ownPage(r.URL.RequestURI())
	if !ok || isAt(ours, pathSignIn) {
		return withReturn(pathSignIn, c.QueryParam("return"))
	}
	return ours
}
