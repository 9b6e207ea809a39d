package web

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/rp"
)

// proved is the answer to the proof of use.
type proved struct {
	Passkey *passkeyAnswer `json:"passkey"`
	Ticket  string         `json:"ticket"`
}

// proveUse judges the first sign-in of the new passkey. It becomes active, and
// the ticket is done.
func (s *Server) proveUse(c echo.Context, at seat) error {
	var response json.RawMessage
	if err := readJSON(c.Request(), map[string]any{"response": &response}); err != nil {
		return err
	}
	used, err := s.judgeProof(c, at, response)
	if err != nil {
		return err
	}
	sitting, err := s.o.Registry.ProveUse(c.Request().Context(), at.secret, used)
	if err != nil {
		return err
	}
	used.State = identity.PasskeyActive
	return c.JSON(http.StatusOK, proved{Passkey: passkeyOf(used), Ticket: sitting.Ticket.ID})
}

// judgeProof takes the question, once, and passes the answer before the relying
// party, the card record and the revocation data, as at the sign-in page.
func (s *Server) judgeProof(c echo.Context, at seat, response json.RawMessage) (identity.Passkey, error) {
	ctx, now := c.Request().Context(), s.o.Now()
	var pending rp.PendingLogin
	if err := s.takeCeremony(c, at, &pending, enroll.PhaseRegistered); err != nil {
		return identity.Passkey{}, err
	}
	used, err := s.o.RelyingParty.FinishLogin(pending, response, s.findPasskey(ctx), now)
	if err != nil {
		return identity.Passkey{}, fmt.Errorf("proof of use: %w", err)
	}
	return used.Passkey, s.o.Registry.MayUse(ctx, used.Passkey, s.stillGood(ctx))
}
