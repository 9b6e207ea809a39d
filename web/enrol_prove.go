package web

import (
	"encoding/json"
	"errors"
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
	kept, err := s.o.Registry.PendingProof(c.Request().Context(), at.secret)
	if err != nil {
		return err
	}
	used, sitting, err := s.judgeProof(c, at, kept, response)
	if err != nil {
		return s.spend(c, at, err)
	}
	used.State = identity.PasskeyActive
	return c.JSON(http.StatusOK, proved{Passkey: passkeyOf(used), Ticket: sitting.Ticket.ID})
}

// judgeProof passes the answer before the relying party, the card record and the
// revocation data, as at the sign-in page, and keeps that it was good.
func (s *Server) judgeProof(c echo.Context, at seat, kept []byte, response json.RawMessage) (identity.Passkey, enroll.Sitting, error) {
	ctx, now := c.Request().Context(), s.o.Now()
	var pending rp.PendingLogin
	if err := json.Unmarshal(kept, &pending); err != nil {
		return identity.Passkey{}, enroll.Sitting{}, fmt.Errorf("reading a kept ceremony: %w", err)
	}
	used, err := s.o.RelyingParty.FinishLogin(pending, response, s.findPasskey(ctx), now)
	if err != nil {
		return identity.Passkey{}, enroll.Sitting{}, fmt.Errorf("proof of use: %w", err)
	}
	if err := s.o.Registry.MayUse(ctx, used.Passkey, s.stillGood(ctx)); err != nil {
		return identity.Passkey{}, enroll.Sitting{}, err
	}
	sitting, err := s.o.Registry.ProveUse(ctx, at.secret, used.Passkey, kept)
	return used.Passkey, sitting, err
}

// spend takes the question back that was answered by something that is no proof.
// What the server could not judge, or not keep, may come again as it is.
func (s *Server) spend(c echo.Context, at seat, cause error) error {
	if _, a := reasonOf(cause); a.status >= http.StatusInternalServerError {
		return cause
	}
	_, _, err := s.o.Registry.TakeCeremony(c.Request().Context(), at.secret)
	if err != nil && !errors.As(err, new(*enroll.Refusal)) {
		return errors.Join(err, cause)
	}
	return cause
}
