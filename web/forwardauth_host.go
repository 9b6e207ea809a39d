package web

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"cpsgate/audit"
	"cpsgate/sessions"
	"cpsgate/sso/forwardauth"
)

// begin starts signing in, on the application's host: a cookie ties the attempt
// to this browser, and the browser goes to the sign-on host.
func (d *forwardDoor) begin(w http.ResponseWriter, r *http.Request, f forwardedRequest) {
	if !d.mayVisit(w, r, f, http.MethodGet) {
		return
	}
	back := r.URL.Query().Get("return")
	secret := cookieIn(r.Header, cookieAttempt)
	to, secret, err := d.gate.Begin(f.query.Host, back, secret)
	if isRefusal(err, forwardauth.ReasonReturn) {
		to, secret, err = d.gate.Begin(f.query.Host, "/", secret)
	}
	if err != nil {
		d.fail(w, r, f, err)
		return
	}
	plant(w, cookieAttempt, secret, attemptTime)
	send(w, to)
}

// finish takes the code that the sign-on host gave, in the browser that began.
func (d *forwardDoor) finish(w http.ResponseWriter, r *http.Request, f forwardedRequest) {
	if !d.mayVisit(w, r, f, http.MethodGet) {
		return
	}
	cookie, to, err := d.gate.Finish(r.Context(), f.query.Host, r.URL.Query().Get("code"), cookieIn(r.Header, cookieAttempt))
	if err != nil {
		d.fail(w, r, f, err)
		return
	}
	plant(w, cookieApplication, cookie, 0)
	send(w, to)
}

// signOut ends the session behind the application's cookie, everywhere. Only a
// page of the application itself may ask for it; whoever follows a link gets to
// the account page, where it can be done.
func (d *forwardDoor) signOut(w http.ResponseWriter, r *http.Request, f forwardedRequest) {
	if r.Method == http.MethodGet {
		send(w, d.main.String()+pathAccount)
		return
	}
	if !d.mayVisit(w, r, f, http.MethodPost) {
		return
	}
	origin, _ := d.gate.OriginOf(f.query.Host)
	if r.Header.Get("Sec-Fetch-Site") != "same-origin" && r.Header.Get("Origin") != origin {
		d.record(r, f, audit.Event{Outcome: audit.Refused, Reason: string(reasonCrossOrigin), Detail: f.query.Host + " sign-out"})
		answerText(w, http.StatusForbidden)
		return
	}
	if err := d.endBehind(r, f); err != nil {
		d.fail(w, r, f, err)
		return
	}
	plant(w, cookieApplication, "", -time.Second)
	send(w, d.main.String()+pathSignedOut)
}

// endBehind ends the session behind the cookie, if there is one, and records it.
func (d *forwardDoor) endBehind(r *http.Request, f forwardedRequest) error {
	token := d.gate.Token(f.query.Host, f.query.Cookie)
	if token == "" {
		return nil
	}
	session, err := d.o.Sessions.Find(r.Context(), token)
	switch {
	case errors.Is(err, sessions.ErrNoSession), errors.Is(err, sessions.ErrExpired):
		return nil
	case err != nil && !errors.Is(err, sessions.ErrLocked):
		return err
	}
	if err := d.o.Sessions.End(r.Context(), token); err != nil {
		return err
	}
	ctx := audit.WithCircumstances(r.Context(), audit.Circumstances{Address: f.address, UserAgent: r.UserAgent()})
	return d.o.Audit.Record(ctx, &audit.Event{
		Kind: audit.KindLogout, Outcome: audit.Done, Reason: "signed-out", Detail: "at " + f.query.Host,
		Actor: session.Holder, Subject: session.Holder, Session: session.ID, Method: string(session.Method), Card: session.CardTokenID,
	})
}

// mayVisit bounds how often one address comes here, and by which method.
func (d *forwardDoor) mayVisit(w http.ResponseWriter, r *http.Request, f forwardedRequest, method string) bool {
	if r.Method != method {
		w.Header().Set("Allow", http.MethodGet+", "+http.MethodPost)
		answerText(w, http.StatusMethodNotAllowed)
		return false
	}
	if f.query.Scheme != "https" {
		answerText(w, http.StatusForbidden)
		return false
	}
	if wait := d.attempts.wait(addressKey(f.address), d.o.Now()); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		answerText(w, http.StatusTooManyRequests)
		return false
	}
	return true
}

// fail records why signing in did not end well, and leads to a page that says
// what to do: this host has none of ours.
func (d *forwardDoor) fail(w http.ResponseWriter, r *http.Request, f forwardedRequest, err error) {
	var refused *forwardauth.Refusal
	if !errors.As(err, &refused) {
		d.o.Logger.ErrorContext(r.Context(), "forward-auth failed", "host", f.query.Host, "error", err)
		answerText(w, http.StatusServiceUnavailable)
		return
	}
	d.record(r, f, audit.Event{Outcome: audit.Refused, Reason: string(refused.Reason), Detail: f.query.Host + " " + refused.Detail})
	origin, known := d.gate.OriginOf(f.query.Host)
	if !known {
		answerText(w, http.StatusMisdirectedRequest)
		return
	}
	send(w, d.main.String()+pathForwardAgain+"?"+url.Values{"return": {origin + "/"}}.Encode())
}

// plant sets a cookie on the application's host; a negative life takes it away.
func plant(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life.Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func send(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	answerText(w, http.StatusSeeOther)
}

func isRefusal(err error, reason forwardauth.Reason) bool {
	var refused *forwardauth.Refusal
	return errors.As(err, &refused) && refused.Reason == reason
}
