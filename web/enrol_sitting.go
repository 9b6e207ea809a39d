package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/rp"
)

// seat is a workstation's place in its sitting, for one request.
type seat struct {
	secret  string
	sitting enroll.Sitting
}

// machineKey marks a request that is no browser's.
const machineKey = "cpsgate.machine"

// machine is for routes that programs call, with a bearer secret and no
// cookie: whatever they ask for, they are answered in JSON.
func (s *Server) machine(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Set(machineKey, true)
		c.Request().Header.Set("Accept", echo.MIMEApplicationJSON)
		return next(c)
	}
}

// isMachine tells a program's request, also one that is refused before its route
// says so.
func isMachine(c echo.Context) bool {
	return c.Get(machineKey) != nil || isAPI(c)
}

func isAPI(c echo.Context) bool { return strings.HasPrefix(c.Request().URL.Path, pathAPI+"/") }

// maxBearer bounds a bearer secret; ours have 43 to 51 characters.
const maxBearer = 128

// bearer gives the secret of the one Authorization header (RFC 6750 §2.1).
func bearer(r *http.Request) (string, error) {
	given := r.Header.Values("Authorization")
	if len(given) != 1 {
		return "", reasonBearer
	}
	scheme, secret, _ := strings.Cut(given[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || secret == "" || len(secret) > maxBearer {
		return "", reasonBearer
	}
	return secret, nil
}

// step is one request of a sitting: what its refusals are called on the ticket
// and in the audit, and what it does.
type step struct {
	name string
	kind string
	act  func(*Server, echo.Context, seat) error
	late func(*Server, echo.Context, seat, error) error // nil, or what it still does where there is no sitting, with the error
}

// inSitting finds the seat that the bearer secret names, and does the step there.
// What is refused is noted on the ticket and recorded.
func (s *Server) inSitting(of step) echo.HandlerFunc {
	return func(c echo.Context) error {
		secret, err := bearer(c.Request())
		if err != nil {
			return s.refuseStranger(c, audit.Event{Kind: of.kind}, err)
		}
		at := seat{secret: secret}
		if at.sitting, err = s.o.Registry.Sitting(c.Request().Context(), secret); err != nil {
			if of.late != nil {
				err = of.late(s, c, at, err)
			}
			return s.refuseSeat(c, of, at, err)
		}
		if err := of.act(s, c, at); err != nil {
			return s.refuseStep(c, of, at, err)
		}
		return nil
	}
}

// refuseSeat refuses a secret: one that is none is a stranger's.
func (s *Server) refuseSeat(c echo.Context, of step, at seat, cause error) error {
	var refused *enroll.Refusal
	if errors.As(cause, &refused) && refused.Reason == enroll.ReasonSittingUnknown {
		return s.refuseStranger(c, sittingEvent(of.kind, at, cause), cause)
	}
	return s.refuse(c, sittingEvent(of.kind, at, cause), cause)
}

// refuseStep tells the desk and the audit. A body that cannot be read is
// neither's concern.
func (s *Server) refuseStep(c echo.Context, of step, at seat, cause error) error {
	var own Reason
	if errors.As(cause, &own) && (own == reasonBadRequest || own == reasonMediaType || own == reasonTooLarge) {
		return cause
	}
	var noted *enroll.Refusal
	if reason, a := reasonOf(cause); !errors.As(cause, &noted) && a.status < http.StatusInternalServerError {
		if err := s.o.Registry.Note(c.Request().Context(), at.secret, of.name, reason, false); err != nil {
			cause = fmt.Errorf("%w; noting it: %s", cause, err.Error())
		}
	}
	return s.refuse(c, sittingEvent(of.kind, at, cause), cause)
}

// sittingEvent is the audit's account of a step that is refused.
func sittingEvent(kind string, at seat, err error) audit.Event {
	t := at.sitting.Ticket
	event := claimedBy(err)
	event.Kind, event.Workstation, event.Reader = kind, t.Workstation.Name, t.Workstation.Reader
	event.CredentialHash = audit.HashCredential(t.PasskeyID)
	var passkey *rp.Refusal
	if errors.As(err, &passkey) && len(passkey.CredentialID) > 0 {
		event.CredentialHash = audit.HashCredential(passkey.CredentialID)
	}
	var record *enroll.Refusal
	if errors.As(err, &record) {
		event.Subject, event.Card = record.Holder, record.Card
	}
	if event.Subject == "" {
		event.Subject = t.Holder
	}
	if event.Card == "" {
		event.Card = t.Card
	}
	if t.ID != "" {
		event.Detail = strings.TrimSpace("ticket " + t.ID + " " + event.Detail)
	}
	return event
}
