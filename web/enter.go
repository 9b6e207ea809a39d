package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/sessions"
)

// refuse records a decision against someone and gives the error that tells it.
// A refusal that cannot be recorded is refused all the same, and the page then
// tells the fault of ours. Only what is known of one's own doing is a
// decision: faults of ours are logged as such, and not as refusals of people.
func (s *Server) refuse(c echo.Context, event audit.Event, cause error) error {
	reason, a := reasonOf(cause)
	event.Outcome, event.Reason = audit.Refused, reason
	if a.status == http.StatusInternalServerError {
		event.Outcome = audit.Failed
	}
	if detail := cause.Error(); detail != reason {
		if event.Detail != "" {
			event.Detail += "; "
		}
		event.Detail += detail
	}
	if err := s.record(c, &event); err != nil {
		return fmt.Errorf("%w; while refusing: %s", err, cause.Error())
	}
	return cause
}

// refuseStranger refuses somebody who has proved nothing: each reason is recorded
// once a minute for one address, so that who knocks on and on does not fill the
// audit. The log has a line of every request.
func (s *Server) refuseStranger(c echo.Context, event audit.Event, cause error) error {
	reason, _ := reasonOf(cause)
	if s.told.wait(event.Kind+" "+reason+" "+addressKey(c.RealIP()), s.o.Now()) > 0 {
		return cause
	}
	return s.refuse(c, event, cause)
}

// record writes the decision of this request under the number that its page
// and its log line show. A second event of one request gets its own number.
func (s *Server) record(c echo.Context, event *audit.Event) error {
	r, ctx := requestOf(c), c.Request().Context()
	if event.Actor == "" && (event.Kind == audit.KindLoginCPS || event.Kind == audit.KindLoginFIDO2) {
		ctx = audit.WithoutActor(ctx) // who knocks need not be who is signed in here
	}
	if r.recorded {
		return s.o.Audit.Record(ctx, event)
	}
	event.ID = r.event
	err := s.o.Audit.Record(ctx, event)
	if errors.Is(err, audit.ErrDuplicateID) { // two requests drew one number
		r.event, event.ID = audit.NewID(), ""
		err = s.o.Audit.Record(ctx, event)
		r.event = event.ID
	}
	r.recorded = err == nil
	return err
}

// entry is someone who has proved who they are and is about to be let in.
type entry struct {
	session sessions.Session
	event   audit.Event
	door    door
	wanted  string
}

// enter lets someone in under a new token, and the decision is recorded;
// otherwise nobody is in. Whoever is signed in here already stays in their
// session, which stands on the new proof from now on; one that is locked opens
// again, or nothing does; another person's ends. Then nothing of theirs stays
// behind, their return address included. It gives the address to go on to.
func (s *Server) enter(c echo.Context, who entry) (wanted string, err error) {
	r, ctx := requestOf(c), c.Request().Context()
	before := r.session
	session := who.session
	session.Address, session.Workstation = c.RealIP(), s.workstation(c)
	event := who.event
	event.Actor, event.Subject, event.Method = session.Holder, session.Holder, string(session.Method)
	token, opened, err := s.openFor(c, session)
	if err != nil {
		return "", s.refuse(c, event, err)
	}
	event.Outcome, event.Session = audit.Accepted, opened.ID
	if err := s.record(c, &event); err != nil {
		return "", errors.Join(err, s.o.Sessions.End(context.WithoutCancel(ctx), token))
	}
	r.token, r.session = token, opened
	setCookie(c, cookieSession, token, 0)
	setCookie(c, cookieDoor, string(who.door), cookieYear)
	clearCookie(c, cookieCeremony)
	if before.Holder != "" && before.Holder != opened.Holder {
		forgetAll(c)
		return pathAccount, nil
	}
	return safeReturn(who.wanted), nil
}

// openFor makes of a proof the session that it is worth in this browser.
func (s *Server) openFor(c echo.Context, proven sessions.Session) (token string, opened sessions.Session, err error) {
	r, ctx := requestOf(c), c.Request().Context()
	if r.locked != "" {
		return s.unlock(c, proven)
	}
	if r.token != "" && r.session.Holder == proven.Holder {
		token, opened, err = s.o.Sessions.Rotate(ctx, r.token, again(s.o.Now(), proven))
		if !over(err) {
			return token, opened, err
		}
		r.token = "" // it ended meanwhile
	}
	if err := s.leave(c, "replaced"); err != nil {
		return "", sessions.Session{}, err
	}
	return s.o.Sessions.Open(ctx, proven)
}

// over tells whether a session is no longer there to go on with.
func over(err error) bool {
	return errors.Is(err, sessions.ErrNoSession) || errors.Is(err, sessions.ErrExpired) || errors.Is(err, sessions.ErrLocked)
}

// leave ends the session that this browser is in, locked or not, if any, and
// records it.
func (s *Server) leave(c echo.Context, reason string) error {
	r := requestOf(c)
	token := cmp.Or(r.token, r.locked)
	if token == "" {
		return nil
	}
	if err := s.o.Sessions.End(c.Request().Context(), token); err != nil {
		return err
	}
	ended := r.session
	r.token, r.locked = "", ""
	return s.o.Audit.Record(c.Request().Context(), &audit.Event{
		Kind: audit.KindLogout, Outcome: audit.Done, Reason: reason,
		Actor: ended.Holder, Subject: ended.Holder, Session: ended.ID, Method: string(ended.Method), Card: ended.CardTokenID,
	})
}

// forgetAll asks the browser to drop what it keeps of the person before: pages
// in its cache and in its memory (Clear Site Data §3.1). Cookies are left to
// us: "cookies" would take those of the whole domain.
func forgetAll(c echo.Context) {
	clearCookie(c, cookieFlow)
	clearCookie(c, cookieRequest)
	c.Response().Header().Set("Clear-Site-Data", `"cache", "storage"`)
}
