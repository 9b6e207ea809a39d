package web

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// The cookies. All are __Host-: Secure, for this host alone, for all its paths
// (RFC 6265bis §4.1.3.2); a page of the card host cannot plant one.
const (
	cookieSession  = "__Host-cps-session"  // the session token
	cookieFlow     = "__Host-cps-flow"     // ties the card host's code to this browser
	cookieCeremony = "__Host-cps-ceremony" // ties a passkey ceremony to this browser
	cookieRequest  = "__Host-cps-request"  // ties requests of applications to this browser
	cookieDoor     = "__Host-cps-door"     // the way in last used here; names nobody
	cookieLanguage = "__Host-cps-lang"     // the switch's choice
)

// How long what is not a secret is kept: browsers cap it at 400 days.
const cookieYear = 365 * 24 * time.Hour

// maxCookie bounds a value that is looked at.
const maxCookie = 128

// cookieValue gives a cookie's value, or "" when there is none worth reading.
func cookieValue(c echo.Context, name string) string {
	cookie, err := c.Cookie(name)
	if err != nil || len(cookie.Value) > maxCookie {
		return ""
	}
	return cookie.Value
}

// setCookie sets a cookie that lives as long as the browser, or for the time
// given.
func setCookie(c echo.Context, name, value string, life time.Duration) {
	c.SetCookie(&http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life.Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func clearCookie(c echo.Context, name string) {
	c.SetCookie(&http.Cookie{
		Name: name, Path: "/", MaxAge: -1,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// newSecret draws 256 random bits for a cookie.
func newSecret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// newLabel draws a host label that no browser has seen: 130 random bits.
func newLabel() string {
	var b [20]byte
	rand.Read(b[:])
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))[:26]
}

// fingerprint is what the server keeps of a cookie's secret.
func fingerprint(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// sameBrowser tells whether the cookie's secret is the one whose fingerprint
// was kept.
func sameBrowser(secret string, kept []byte) bool {
	return secret != "" && subtle.ConstantTimeCompare(fingerprint(secret), kept) == 1
}
