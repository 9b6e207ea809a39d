package desk

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"cpsgate/cardside"
	"cpsgate/cardside/ctap2"
)

// least is how long the applet's PIN must be: what it demands itself, and what
// the hospital does.
func (s *sitting) least() int { return max(s.info.PINLength(), s.answer.Policy.MinPINLength) }

// choosePIN has the applet's PIN chosen, or draws a first one; a PIN that is
// there already and good enough is kept. Nothing is written to the card yet.
func (s *sitting) choosePIN(ctx context.Context) error {
	switch {
	case s.answer.Policy.ForcePINChange:
		s.done.PIN = PINDrawn
		var err error
		s.pin, err = randomPIN(s.least(), s.number)
		return err
	case s.info.HasPIN() && !s.info.ForcePINChange && CheckNewPIN(s.current, s.least(), s.number) == nil:
		s.done.PIN, s.pin = PINKept, bytes.Clone(s.current)
		return nil
	}
	s.done.PIN = PINChosen
	if s.info.HasPIN() {
		s.done.PIN = PINChanged
	}
	s.tell(Progress{Step: StepPIN})
	if err := s.note(ctx, StepPIN, ""); err != nil {
		return err
	}
	return s.byPerson(func() error { return s.typePIN(ctx) })
}

func (s *sitting) typePIN(ctx context.Context) error {
	var refused error
	for {
		pin, err := s.Person.NewPIN(ctx, s.least(), refused)
		if err == nil {
			if err = CheckNewPIN(pin, s.least(), s.number); err == nil {
				s.pin = pin
				return nil
			}
			clear(pin)
		}
		if !s.Person.Again || !mendable(err) {
			return err
		}
		refused = err
		if err := s.note(ctx, StepPIN, cardside.ReasonOf(err)); err != nil {
			return err
		}
	}
}

// mendable reports an entry that can be typed otherwise.
func mendable(err error) bool {
	for _, reason := range []error{cardside.ErrPINsDiffer, cardside.ErrPINTrivial, ctap2.ErrPINTooShort, ctap2.ErrPINTooLong} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// enrol makes the passkey, has it judged and uses it once. Where the server
// lost what was made, a second one takes its place: an applet has one for each
// account (CTAP 2.1 §6.1.2).
func (s *sitting) enrol(ctx context.Context, due asked) error {
	for range 2 {
		message, id, err := s.make(ctx, due)
		if err != nil {
			return err
		}
		if due, err = s.register(ctx, message); err != nil {
			return err
		}
		if due.Ceremony == ceremonyCreate {
			continue
		}
		return s.use(ctx, due, id)
	}
	return fmt.Errorf("%w: it asks for a passkey again and again", cardside.ErrServerAnswer)
}

// make writes the PIN and its rules to the card and makes the credential, all
// in one exchange.
func (s *sitting) make(ctx context.Context, due asked) (message registration, id []byte, err error) {
	options, err := readCreation(due.Options)
	if err != nil {
		return message, nil, err
	}
	ceremony, err := s.ceremony(cardside.TypeCreate, options.RP.ID, options.Challenge)
	if err != nil {
		return message, nil, err
	}
	s.tell(Progress{Step: StepMaking})
	var made ctap2.Attestation
	err = s.card.Together(ctx, func() error {
		if err := s.writePIN(ctx, options.RP.ID); err != nil {
			return err
		}
		creation := options.creation(s.info, s.answer.Policy, ceremony.Hash())
		creation.PIN = s.pin
		creation.MinPINLength = creation.MinPINLength && s.card.Name == cardside.EngineCTAP2 // libfido2 cannot ask for it
		return s.change(ctx, ChangePasskey, func() error {
			made, err = s.card.MakeCredential(ctx, creation)
			return err
		})
	})
	if err != nil {
		return message, nil, s.policyUnmet(err)
	}
	s.done.Left.Passkey = true
	data, err := made.Data()
	if err != nil {
		return message, nil, err
	}
	return registration{
		Response: ceremony.Registration(made, data, s.card.Transports()),
		PIN:      pinDone{Set: s.done.Left.PIN, MinLength: s.least(), ForceChange: s.answer.Policy.ForcePINChange},
	}, data.CredentialID, nil
}

// ceremony makes client data for the origin that this sitting speaks with: the
// one that was typed, and the one that the server calls itself.
func (s *sitting) ceremony(kind cardside.CeremonyType, rpID string, challenge []byte) (cardside.Ceremony, error) {
	if s.answer.Origin != s.server.origin {
		return cardside.Ceremony{}, fmt.Errorf("%w: it calls itself %.80q, and was reached at %q", cardside.ErrOrigin, s.answer.Origin, s.server.origin)
	}
	return cardside.NewCeremony(kind, s.server.origin, rpID, challenge)
}

// writePIN sets or changes the PIN, once, and writes the hospital's rules for
// it. Within the exchange that makes the credential.
func (s *sitting) writePIN(ctx context.Context, rpID string) error {
	if !s.done.Left.PIN && s.done.PIN != PINKept {
		if s.done.PIN == PINDrawn { // first, so that no card has a PIN that nobody knows
			if err := s.Person.Give(s.pin); err != nil {
				return err
			}
		}
		if err := s.change(ctx, ChangePIN, func() error { return s.newPIN(ctx) }); err != nil {
			return err
		}
		s.done.Left.PIN = true
	}
	p := s.answer.Policy
	if p.SetMinPINLength && s.info.PINLength() < p.MinPINLength {
		rules := ctap2.PINPolicy{MinLength: p.MinPINLength}
		if s.info.MaxMinPINRPIDs > 0 {
			rules.RPIDs = []string{rpID}
		}
		if err := s.card.SetPINPolicy(ctx, rules, s.pin); err != nil {
			return err
		}
		s.info.MinPINLength = p.MinPINLength
	}
	if p.EnterpriseAttestation && !s.info.Options[ctap2.OptionEnterprise] {
		if err := s.card.EnableEnterpriseAttestation(ctx, s.pin); err != nil {
			return err
		}
		s.info.Options[ctap2.OptionEnterprise] = true
	}
	return nil
}

func (s *sitting) newPIN(ctx context.Context) error {
	if s.info.HasPIN() {
		return s.card.ChangePIN(ctx, s.current, s.pin)
	}
	return s.card.SetPIN(ctx, s.pin)
}

// policyUnmet tells an applet that cannot do what the hospital demands from
// other errors.
func (s *sitting) policyUnmet(err error) error {
	if errors.Is(err, ctap2.ErrUnsupported) {
		return fmt.Errorf("%w: %w", cardside.ErrPolicyUnmet, err)
	}
	return err
}

// register has the credential judged. Where the message went twice, the server
// is asked what it made of the first.
func (s *sitting) register(ctx context.Context, message registration) (asked, error) {
	var due asked
	if err := s.card.Still(ctx); err != nil {
		return due, err
	}
	resent, err := s.server.call(ctx, "/enroll/register", message, &due)
	if resent && refusedFor(err, "sitting-phase", "ceremony-taken") {
		due = asked{}
		_, err = s.server.call(ctx, "/enroll/options", struct{}{}, &due)
		if err == nil && due.Ceremony == ceremonyCreate {
			return due, nil
		}
	}
	if err != nil {
		return due, err
	}
	return due, s.wants(due, ceremonyGet)
}

// use signs once with the new passkey, which makes it count. A first PIN that
// was drawn is to be changed from then on.
func (s *sitting) use(ctx context.Context, due asked, id []byte) error {
	if due.Passkey.ID != base64.RawURLEncoding.EncodeToString(id) {
		return fmt.Errorf("%w: it speaks of another passkey", cardside.ErrServerAnswer)
	}
	s.tell(Progress{Step: StepProving})
	for range 2 {
		message, err := s.sign(ctx, due, id)
		if err != nil {
			return err
		}
		if err := s.card.Still(ctx); err != nil {
			return err
		}
		s.done.Left.Used = true
		var answer proved
		resent, err := s.server.insist(ctx, "/enroll/prove", message, &answer)
		switch {
		case resent && refusedFor(err, "ticket-used"): // by the message whose answer got lost
			s.done.Passkey = Passkey{ID: due.Passkey.ID, Name: due.Passkey.Name, State: stateActive}
			return nil
		case resent && refusedFor(err, "ceremony-taken"):
			if _, err := s.server.call(ctx, "/enroll/options", struct{}{}, &due); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		s.done.Passkey = answer.Passkey
		return nil
	}
	return fmt.Errorf("%w: it asks for a proof again and again", cardside.ErrServerAnswer)
}

const stateActive = "active"

// sign makes the assertion that is asked for.
func (s *sitting) sign(ctx context.Context, due asked, id []byte) (proof, error) {
	if err := s.wants(due, ceremonyGet); err != nil {
		return proof{}, err
	}
	options, err := readRequest(due.Options)
	if err != nil {
		return proof{}, err
	}
	ceremony, err := s.ceremony(cardside.TypeGet, options.RPID, options.Challenge)
	if err != nil {
		return proof{}, err
	}
	var signed []ctap2.Assertion
	err = s.card.Together(ctx, func() error {
		signed, err = s.card.GetAssertion(ctx, ctap2.Request{
			RPID: options.RPID, ClientDataHash: ceremony.Hash(), Allow: [][]byte{id}, PIN: s.pin,
		})
		if err != nil || !s.answer.Policy.ForcePINChange {
			return err
		}
		return s.card.SetPINPolicy(ctx, ctap2.PINPolicy{ForceChange: true}, s.pin)
	})
	if err != nil {
		return proof{}, s.policyUnmet(err)
	}
	return proof{ceremony.Authentication(signed[0])}, nil
}
