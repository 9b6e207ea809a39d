package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/rp"
)

// pinTold is what the workstation says it did to the applet's PIN. The PIN
// itself never leaves it.
type pinTold struct {
	Set         bool `json:"set"`
	MinLength   int  `json:"minLength"`
	ForceChange bool `json:"forceChange"`
}

// registerPasskey judges what the applet made, keeps it as pending, and asks
// for its proof of use.
func (s *Server) registerPasskey(c echo.Context, at seat) error {
	var response, told json.RawMessage
	var pin pinTold
	if err := readJSON(c.Request(), map[string]any{"response": &response, "pin": &told}); err != nil {
		return err
	}
	if err := strictly(told, &pin); err != nil {
		return err
	}
	passkey, err := s.judgeRegistration(c, at, response, pin)
	if err != nil {
		return err
	}
	options, kept, err := s.beginProof(passkey)
	if err != nil {
		return err
	}
	if _, err := s.o.Registry.RegisterPasskey(c.Request().Context(), at.secret, passkey, kept); err != nil {
		return err
	}
	passkey.State = identity.PasskeyPending
	return c.JSON(http.StatusOK, asked{Passkey: passkeyOf(passkey), Ceremony: ceremonyGet, Options: options})
}

// judgeRegistration takes the question, once, and passes the answer before the
// relying party, then what the workstation said of applet and PIN before the
// policy.
func (s *Server) judgeRegistration(c echo.Context, at seat, response json.RawMessage, pin pinTold) (identity.Passkey, error) {
	var pending rp.PendingRegistration
	if err := s.takeCeremony(c, at, &pending, enroll.PhaseClaimed, enroll.PhaseProved); err != nil {
		return identity.Passkey{}, err
	}
	passkey, err := s.o.RelyingParty.FinishRegistration(pending, response, s.o.Now())
	if err != nil {
		return identity.Passkey{}, err
	}
	if err := sameApplet(at.sitting.Ticket.Applet, passkey); err != nil {
		return identity.Passkey{}, err
	}
	if least := at.sitting.Policy.MinPINLength; pin.MinLength > 0 && pin.MinLength < least {
		return identity.Passkey{}, &enroll.Refusal{Reason: enroll.ReasonPINLength, Holder: passkey.Holder, Detail: fmt.Sprintf("told %d, at least %d", pin.MinLength, least)}
	}
	if at.sitting.Policy.ForcePINChange && !pin.ForceChange {
		return identity.Passkey{}, &enroll.Refusal{Reason: enroll.ReasonPINLength, Holder: passkey.Holder, Detail: "the first PIN is not to be changed"}
	}
	passkey.Name = s.passkeyName(c, at, passkey)
	return passkey, nil
}

// takeCeremony takes what was kept until this answer, once. In another phase
// what is kept waits for another answer, and stays.
func (s *Server) takeCeremony(c echo.Context, at seat, into any, phases ...enroll.Phase) error {
	t := at.sitting.Ticket
	if !slices.Contains(phases, t.Phase) {
		return &enroll.Refusal{Reason: enroll.ReasonSittingPhase, Holder: t.Holder, Detail: "answered in phase " + string(t.Phase)}
	}
	_, kept, err := s.o.Registry.TakeCeremony(c.Request().Context(), at.secret)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(kept, into); err != nil {
		return fmt.Errorf("reading a kept ceremony: %w", err)
	}
	return nil
}

// sameApplet holds the model that was attested against the one that was read
// when the code was typed: a card changed in between shows.
func sameApplet(read enroll.Applet, passkey identity.Passkey) error {
	told, err := rp.ParseAAGUID(read.AAGUID)
	known := err == nil && told != [16]byte{} && passkey.AAGUID != [16]byte{}
	if !known || told == passkey.AAGUID {
		return nil
	}
	return &rp.Refusal{
		Reason: rp.ReasonAAGUID, CredentialID: passkey.ID,
		Detail: "the applet read at the beginning was " + rp.FormatAAGUID(told), Err: errors.New("another card"),
	}
}

// passkeyName is what the holder will see it called, in the desk's language.
// A security key is not called after the card that the desk named beside it.
func (s *Server) passkeyName(c echo.Context, at seat, passkey identity.Passkey) string {
	card := at.sitting.Ticket.Card
	if card == "" && slices.Contains(passkey.Transports, "smart-card") {
		card = at.sitting.Ticket.DeskProof.Card
	}
	words := requestOf(c).tongue.words
	if card == "" {
		return words["account.passkey.unnamed"]
	}
	name := strings.ReplaceAll(words["enrol.passkey.name"], "{number}", cardNumber(card))
	return strings.ReplaceAll(name, noBreak, " ") // names hold plain spaces only
}
