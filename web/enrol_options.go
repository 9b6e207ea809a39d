package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"cpsgate/enroll"
	"cpsgate/identity"
)

// The ceremonies that a workstation is asked for.
const (
	ceremonyCreate = "create"
	ceremonyGet    = "get"
)

// asked is what the applet is asked for next.
type asked struct {
	Holder   string          `json:"holder,omitempty"`
	Card     string          `json:"card,omitempty"` // token id that the operator named: no PIN is its number
	Passkey  *passkeyAnswer  `json:"passkey,omitempty"`
	Ceremony string          `json:"ceremony"`
	Options  json.RawMessage `json:"options"`
}

// passkeyAnswer is a passkey as programs are told of it.
type passkeyAnswer struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"`
}

func passkeyOf(p identity.Passkey) *passkeyAnswer {
	return &passkeyAnswer{ID: idText(p.ID), Name: p.Name, State: string(p.State)}
}

// proveCard takes the card's certificate, on the card host: whose it is, the
// ticket is for. Then the applet is asked for a passkey.
func (s *Server) proveCard(c echo.Context, at seat) error {
	if err := readNothing(c.Request()); err != nil {
		return err
	}
	who, err := s.takeCertificate(c)
	if err != nil {
		return err
	}
	sitting, err := s.o.Registry.ProveCard(c.Request().Context(), at.secret, who)
	if err != nil {
		return err
	}
	return s.askForPasskey(c, seat{at.secret, sitting})
}

// askAgain asks for what is due: a passkey, where the desk vouches or an answer
// got lost, or the proof of use.
func (s *Server) askAgain(c echo.Context, at seat) error {
	if err := readNothing(c.Request()); err != nil {
		return err
	}
	if at.sitting.Ticket.Phase == enroll.PhaseRegistered {
		return s.askForProof(c, at)
	}
	return s.askForPasskey(c, at)
}

// readNothing takes an empty body, or an empty object.
func readNothing(r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	return readJSON(r, nil)
}

// askForPasskey keeps what is asked beside the ticket, so that the answer may
// come to a server that was started in between.
func (s *Server) askForPasskey(c echo.Context, at seat) error {
	ctx, holder := c.Request().Context(), at.sitting.Holder
	if holder.IdNat == "" { // nobody yet: enroll says what is missing
		_, err := s.o.Registry.BeginPasskey(ctx, at.secret, []byte("null"))
		return err
	}
	exclude, err := s.heldElsewhere(ctx, at.sitting)
	if err != nil {
		return err
	}
	options, pending, err := s.o.RelyingParty.BeginRegistration(holder, exclude)
	if err != nil {
		return err
	}
	kept, err := json.Marshal(pending)
	if err != nil {
		return fmt.Errorf("keeping a registration: %w", err)
	}
	if _, err := s.o.Registry.BeginPasskey(ctx, at.secret, kept); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, asked{Holder: person(holder), Card: namedCard(at.sitting.Ticket), Ceremony: ceremonyCreate, Options: options})
}

// heldElsewhere are the holder's passkeys that this applet should not hold.
// Those of the same card are replaced by the new one (CTAP 2.1 §6.1.2).
func (s *Server) heldElsewhere(ctx context.Context, sitting enroll.Sitting) ([]identity.Passkey, error) {
	has, err := s.o.Registry.Passkeys(ctx, sitting.Holder.IdNat)
	here := makingCard(sitting.Ticket)
	return slices.DeleteFunc(has, func(p identity.Passkey) bool { return p.CardTokenID == here }), err
}

// namedCard is the card that makes the passkey by the operator's word. One that was
// proved needs no telling: the workstation has read its certificate.
func namedCard(t enroll.Ticket) string {
	if t.Phase == enroll.PhaseProved {
		return ""
	}
	return t.DeskProof.Card
}

// makingCard is the card that makes the passkey: the one that was proved, or that the
// operator named; "" where nobody did.
func makingCard(t enroll.Ticket) string {
	if t.Phase == enroll.PhaseProved {
		return t.Card
	}
	return t.DeskProof.Card
}

// askForProof asks again for the proof of use of the passkey just kept.
func (s *Server) askForProof(c echo.Context, at seat) error {
	ctx := c.Request().Context()
	passkey, err := s.o.Registry.Passkey(ctx, at.sitting.Ticket.PasskeyID)
	if err != nil {
		return err
	}
	options, kept, err := s.beginProof(passkey)
	if err != nil {
		return err
	}
	if _, err := s.o.Registry.BeginProof(ctx, at.secret, kept); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, asked{Passkey: passkeyOf(passkey), Ceremony: ceremonyGet, Options: options})
}

// beginProof makes the question that this passkey alone can answer, and what
// must be kept until it is.
func (s *Server) beginProof(passkey identity.Passkey) (options, kept json.RawMessage, err error) {
	options, pending, err := s.o.RelyingParty.BeginProof(passkey)
	if err != nil {
		return nil, nil, err
	}
	if kept, err = json.Marshal(pending); err != nil {
		return nil, nil, fmt.Errorf("keeping a proof of use: %w", err)
	}
	return options, kept, nil
}
