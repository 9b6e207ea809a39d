package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
)

// claimed is the answer to a code: all that the workstation needs to go on.
type claimed struct {
	Sitting string       `json:"sitting"` // its secret
	Ticket  string       `json:"ticket"`
	CardURL string       `json:"cardURL"`
	Holder  string       `json:"holder"` // "": the card will say
	Policy  policyAnswer `json:"policy"`
	Origin  string       `json:"origin"` // for clientDataJSON
	Expires time.Time    `json:"expires"`
}

// policyAnswer is what the workstation must ask of the applet, and what the
// desk lets it do.
type policyAnswer struct {
	enroll.AppletPolicy
	Reset    string `json:"reset"`    // "no" or "allowed"
	SameCard string `json:"sameCard"` // "required" or "preferred"
}

func policyOf(sitting enroll.Sitting) policyAnswer {
	p := policyAnswer{AppletPolicy: sitting.Policy, Reset: "no", SameCard: "required"}
	if sitting.Reset {
		p.Reset = "allowed"
	}
	if sitting.DeskProof {
		p.SameCard = "preferred"
	}
	return p
}

// claimTicket answers a code typed at a workstation with the secret of a
// sitting. Whoever types it: the code is the operator's word.
func (s *Server) claimTicket(c echo.Context) error {
	var code string
	var at enroll.Workstation
	var read json.RawMessage
	var applet enroll.Applet
	err := readJSON(c.Request(), map[string]any{
		"code": &code, "workstation": &at.Name, "reader": &at.Reader, "generation": &at.Generation, "applet": &read,
	})
	if err != nil {
		return err
	}
	if err := strictly(read, &applet); err != nil {
		return err
	}
	at.Address = c.RealIP()
	sitting, secret, err := s.o.Registry.Claim(c.Request().Context(), code, at, applet)
	if err != nil {
		return s.refuse(c, claimEvent(at, err), err)
	}
	return c.JSON(http.StatusOK, claimed{
		Sitting: secret, Ticket: sitting.Ticket.ID, CardURL: s.cardURL(), Holder: shownHolder(sitting),
		Policy: policyOf(sitting), Origin: s.main.String(), Expires: sitting.Ticket.ExpiresAt,
	})
}

// claimEvent is the audit's account of a code that was refused: never the code.
func claimEvent(at enroll.Workstation, err error) audit.Event {
	event := audit.Event{Kind: audit.KindTicketClaim, Workstation: at.Name, Reader: at.Reader}
	var refused *enroll.Refusal
	if errors.As(err, &refused) {
		event.Subject = refused.Holder
	}
	return event
}

// cardURL is where the card shows its certificate: on a name that was never
// used, where there are such names.
func (s *Server) cardURL() string {
	host := s.card.Host
	if s.o.CardWildcard {
		host = newLabel() + "." + host
	}
	there := url.URL{Scheme: "https", Host: host, Path: pathEnrolCard}
	return there.String()
}

func shownHolder(sitting enroll.Sitting) string {
	if sitting.Holder.IdNat == "" {
		return ""
	}
	return person(sitting.Holder)
}

// strictly reads one JSON object into a struct: unknown members and bytes
// after it are refused; none at all leaves the struct as it is.
func strictly(text json.RawMessage, into any) error {
	if len(text) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: an object of another shape", reasonBadRequest)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: bytes after the object", reasonBadRequest)
	}
	return nil
}
