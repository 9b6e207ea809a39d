package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"cpsgate/audit"
	"cpsgate/sso"
	"cpsgate/sso/forwardauth"
)

// Where proxies ask, and where they hand on what comes to an application's
// host for us.
const (
	pathForwardCheck    = "/forward-auth"          // answers 200, 401 or 403: nginx
	pathForwardRedirect = "/forward-auth/redirect" // the same, but leads pages to signing in: Traefik, Caddy
	pathForwardAgain    = "/forward-auth/again"    // on the sign-on host, for browsers

	pathForwardSignIn   = forwardauth.OwnPath + "/sign-in"
	pathForwardCallback = forwardauth.OwnPath + "/callback"
	pathForwardSignOut  = forwardauth.OwnPath + "/sign-out"
)

// PathForwardEnter is where a browser comes from an application's host to sign
// in, and is handed over to it.
const PathForwardEnter = "/forward-auth/enter"

// The cookies on an application's host.
const (
	cookieApplication = "__Host-cpsgate"
	cookieAttempt     = "__Host-cpsgate-attempt"
)

// attemptTime is how long signing in on the way to an application may take.
const attemptTime = 10 * time.Minute

// ForwardAuth answers reverse proxies that ask whose a request is.
type ForwardAuth struct {
	Gate *forwardauth.Gate
	// Proxies whose X-Forwarded- fields are believed. Without any, nobody's are.
	Proxies []netip.Prefix
	// Confirm is when who is signed in already is asked whether it is they.
	Confirm sso.Confirmation
}

// forwardDoor serves what comes by a proxy, beside Echo and its middleware: a
// check is asked before each request to an application and is to cost no more
// than the look-up of its session.
type forwardDoor struct {
	*Server
	gate    *forwardauth.Gate
	proxies []netip.Prefix
	told    limiter // refusals that stand in the audit, by what they are about
	warned  sync.Once
}

// fronted is the main host's router, with the door of the proxies before it.
func (s *Server) fronted(next http.Handler) http.Handler {
	if s.o.ForwardAuth == nil {
		return next
	}
	d := &forwardDoor{Server: s, gate: s.o.ForwardAuth.Gate, proxies: s.o.ForwardAuth.Proxies, told: newLimiter(1)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case pathForwardCheck, pathForwardRedirect:
			d.serve(w, r, d.check)
		case pathForwardSignIn:
			d.serve(w, r, d.begin)
		case pathForwardCallback:
			d.serve(w, r, d.finish)
		case pathForwardSignOut:
			d.serve(w, r, d.signOut)
		default:
			d.warn(r)
			next.ServeHTTP(w, r)
		}
	})
}

// warn says once that browsers come from the address of a named proxy: what
// they send could pass for what it says.
func (d *forwardDoor) warn(r *http.Request) {
	if d.named(r.RemoteAddr) {
		d.warned.Do(func() {
			d.o.Logger.WarnContext(r.Context(), "pages are asked for from the address of a forward-auth proxy", "address", peerOf(r.RemoteAddr).String(),
				"means", "whoever comes that way may pass for the proxy: let it announce browsers by the PROXY protocol, or ask from another address")
		})
	}
}

// serve believes a named proxy that asks in due form, and no one else.
func (d *forwardDoor) serve(w http.ResponseWriter, r *http.Request, next func(http.ResponseWriter, *http.Request, forwardedRequest)) {
	w.Header()["Cache-Control"] = noStore
	if r.Host != d.main.Host {
		answerText(w, http.StatusMisdirectedRequest)
		return
	}
	if !d.named(r.RemoteAddr) {
		d.forged(r)
		answerText(w, http.StatusForbidden)
		return
	}
	f, ok := readForwarded(r)
	if !ok {
		d.log(r, f, "malformed", nil)
		answerText(w, http.StatusBadRequest)
		return
	}
	next(w, r, f)
}

// Values of fields that every answer carries; never changed.
var (
	noStore    = []string{"no-store"}
	noSniff    = []string{"nosniff"}
	noReferrer = []string{"no-referrer"}
	challenged = []string{"Cookie"}
)

// named tells whether the other end of the connection is a proxy of ours.
func (d *forwardDoor) named(remote string) bool {
	from, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	address := from.Addr().Unmap()
	return slices.ContainsFunc(d.proxies, func(p netip.Prefix) bool { return p.Contains(address) })
}

// check answers the proxy. Only a pass is told with 200.
func (d *forwardDoor) check(w http.ResponseWriter, r *http.Request, f forwardedRequest) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		answerText(w, http.StatusMethodNotAllowed)
		return
	}
	pass, err := d.gate.Check(r.Context(), f.query)
	if err != nil {
		d.refuseCheck(w, r, f, err)
		return
	}
	h := w.Header()
	for _, field := range pass.Fields {
		h[field.Name] = field.Values
	}
	w.WriteHeader(http.StatusOK)
}

// refuseCheck answers a check that failed. A page is shown the way to signing
// in, or to why it may not be seen; a script is not: it could not follow.
func (d *forwardDoor) refuseCheck(w http.ResponseWriter, r *http.Request, f forwardedRequest, err error) {
	var refused *forwardauth.Refusal
	if !errors.As(err, &refused) {
		d.o.Logger.ErrorContext(r.Context(), "forward-auth check failed", "host", f.query.Host, "error", err)
		answerText(w, http.StatusServiceUnavailable)
		return
	}
	d.tell(r, f, refused)
	status := http.StatusForbidden
	if refused.SignIn() {
		status = http.StatusUnauthorized
		w.Header()["Www-Authenticate"] = challenged // RFC 9110 §15.5.2 wants one
	}
	if refused.Explained() && f.showsPage(r.Header) {
		w.Header().Set("Location", d.gate.SignInAddress(f.query))
		if r.URL.Path == pathForwardRedirect {
			status = http.StatusFound
		}
	}
	answerText(w, status)
}

// tell records a refusal: each once a minute for the session, or the address,
// that it is about. Having no cookie yet is no decision against anyone.
func (d *forwardDoor) tell(r *http.Request, f forwardedRequest, refused *forwardauth.Refusal) {
	switch refused.Reason {
	case forwardauth.ReasonNotSignedIn, forwardauth.ReasonLocked, forwardauth.ReasonDemand:
		return
	}
	d.record(r, f, audit.Event{
		Outcome: audit.Refused, Reason: string(refused.Reason), Subject: refused.Holder, Session: refused.Session,
		Detail: f.query.Host + " " + refused.Detail,
	})
}

// record writes an event of this door, unless its like was written a moment ago.
func (d *forwardDoor) record(r *http.Request, f forwardedRequest, e audit.Event) {
	who := e.Session
	if who == "" {
		who = addressKey(f.address)
	}
	if d.told.wait(e.Reason+" "+who, d.o.Now()) > 0 {
		return
	}
	e.Kind, e.Actor = audit.KindApplication, e.Subject
	d.log(r, f, e.Reason, d.o.Audit.Record(d.around(r, f.address), &e))
}

// around is where an event of this door came from: at an address, which tells
// the workstation.
func (d *forwardDoor) around(r *http.Request, address string) context.Context {
	from := audit.Circumstances{Address: address, UserAgent: r.UserAgent()}
	if a, err := netip.ParseAddr(address); err == nil {
		from.Workstation = d.o.Workstation(a)
	}
	return audit.WithCircumstances(context.WithoutCancel(r.Context()), from)
}

// forged records what only a named proxy may send, from somebody else.
func (d *forwardDoor) forged(r *http.Request) {
	address := peerOf(r.RemoteAddr).Unmap().String()
	if d.told.wait("forged "+addressKey(address), d.o.Now()) > 0 {
		return
	}
	err := d.o.Audit.Record(d.around(r, address), &audit.Event{
		Kind: audit.KindProxyHeader, Outcome: audit.Refused, Reason: "forged-header", Detail: "forward-auth asked by no named proxy",
	})
	d.log(r, forwardedRequest{address: address}, "forged-header", err)
}

func (d *forwardDoor) log(r *http.Request, f forwardedRequest, reason string, err error) {
	level := slog.LevelInfo
	attributes := []slog.Attr{slog.String("reason", reason), slog.String("host", f.query.Host), slog.String("address", f.address)}
	if err != nil {
		level = slog.LevelError
		attributes = append(attributes, slog.Any("error", err))
	}
	d.o.Logger.LogAttrs(r.Context(), level, "forward-auth refused", attributes...)
}

func answerText(w http.ResponseWriter, status int) {
	h := w.Header()
	h["X-Content-Type-Options"], h["Referrer-Policy"] = noSniff, noReferrer
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(http.StatusText(status) + "\n")) // whoever asked may be gone
}
