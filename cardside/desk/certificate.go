package desk

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"cpsgate/cardside"
	"cpsgate/cardside/pkcs11"
)

// prove shows the server whose card it is. The answer says what the applet is to
// make.
func (s *sitting) prove(ctx context.Context) (asked, error) {
	due, err := s.show(ctx)
	if err == nil {
		s.done.Holder = due.Holder
		s.tell(Progress{Step: StepProved, Holder: due.Holder})
	}
	return due, err
}

// show goes by mutual TLS with the card's certificate; where that cannot be
// used, once the desk vouches for the person. What was proved by its certificate
// is proved so again: the desk has vouched for no card that was put back.
func (s *sitting) show(ctx context.Context) (asked, error) {
	var due asked
	key, err := s.key(ctx)
	if err == nil {
		defer key.module.Close()
		defer key.Close()
		s.number, s.done.TokenID = numberOf(key.Profile.TokenID), key.Profile.TokenID
		if err = s.unlock(ctx, key.Key); err == nil {
			s.done.Proof = ProofSameCard
			return s.byCertificate(ctx, key.Key)
		}
	}
	if !missing(err) || s.done.Proof == ProofSameCard {
		return due, err
	}
	why := cardside.ReasonOf(err)
	err = s.waitForDesk(ctx, StepCertificateMissing, why, func(p policy) bool { return p.SameCard == sameCardPreferred })
	if err != nil {
		return due, err
	}
	s.done.Proof, s.done.TokenID = ProofDesk, ""
	return s.options(ctx)
}

// options asks what the applet is to make, on a card that is proved or vouched for.
func (s *sitting) options(ctx context.Context) (asked, error) {
	var due asked
	if _, err := s.server.call(ctx, "/enroll/options", struct{}{}, &due); err != nil {
		return due, err
	}
	if s.number == "" { // its certificate could not be read, and the operator named it
		s.number = numberOf(due.Card)
	}
	return due, s.wants(due, ceremonyCreate)
}

// missing reports that the card's certificate cannot be used at all here: the
// desk may vouch instead. A wrong PIN is no such reason.
func missing(err error) bool {
	for _, reason := range []error{
		pkcs11.ErrNotBuilt, pkcs11.ErrNoModule, pkcs11.ErrNoToken, pkcs11.ErrNoCertificate, pkcs11.ErrNoKey, pkcs11.ErrPINBlocked,
	} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// openKey is a card's key and the module that it is used through.
type openKey struct {
	*pkcs11.Key
	module *pkcs11.Module
}

// key finds the authentication key of the card in the reader. Modules name
// readers as PC/SC does; where one does not, a single card is the card. With a
// second card on the desk, no other's certificate is taken for this one's.
func (s *sitting) key(ctx context.Context) (openKey, error) {
	if s.card.Reader == "" { // a security key holds no certificate, and stands for no card
		return openKey{}, pkcs11.ErrNoCertificate
	}
	module, err := pkcs11.Open(s.Module)
	if err != nil {
		return openKey{}, err
	}
	choice := pkcs11.Choice{Reader: s.card.Reader, PIN: s.cardPIN, SpendLastTry: s.Choice.SpendLastTry, Now: s.Now()}
	key, err := module.Authentication(choice)
	if errors.Is(err, pkcs11.ErrNoCertificate) && alone(ctx) {
		choice.Reader = ""
		key, err = module.Authentication(choice)
	}
	if err != nil {
		module.Close()
		return openKey{}, err
	}
	return openKey{key, module}, nil
}

// alone tells that one card is in all readers together, for certain.
func alone(ctx context.Context) bool {
	cards, err := cardside.CardsPresent(ctx)
	return err == nil && cards == 1
}

// cardPIN asks the person for the PIN of the certificate.
func (s *sitting) cardPIN(ctx context.Context, token pkcs11.Token) (pin []byte, err error) {
	err = s.byPerson(func() error {
		pin, err = s.Person.CardPIN(ctx, token)
		return err
	})
	return pin, err
}

// unlock presents the PIN of the certificate; a wrong one may be typed again,
// the last try not spent.
func (s *sitting) unlock(ctx context.Context, key *pkcs11.Key) error {
	s.tell(Progress{Step: StepCardPIN})
	if err := s.note(ctx, StepCardPIN, ""); err != nil {
		return err
	}
	for {
		err := key.Unlock(ctx)
		if !errors.Is(err, pkcs11.ErrPINWrong) || !s.Person.Again {
			return err
		}
		s.tell(Progress{Step: StepCardPIN, Reason: cardside.ReasonCPxWrong})
		if err := s.note(ctx, StepCardPIN, cardside.ReasonCPxWrong); err != nil {
			return err
		}
	}
}

// byCertificate calls the card host with the card's certificate.
func (s *sitting) byCertificate(ctx context.Context, key *pkcs11.Key) (asked, error) {
	var due asked
	there, err := url.Parse(s.answer.CardURL)
	if err != nil || there.Scheme != "https" || there.User != nil || there.Fragment != "" {
		return due, fmt.Errorf("%w: card host %.80q", cardside.ErrServerAnswer, s.answer.CardURL)
	}
	if err := s.card.Still(ctx); err != nil {
		return due, err
	}
	client := s.server.cardClient(key.TLS())
	defer client.CloseIdleConnections()
	if _, err := s.server.send(ctx, client, there.String(), struct{}{}, &due); err != nil {
		return due, err
	}
	return due, s.wants(due, ceremonyCreate)
}

// wants holds an answer against what is due by now.
func (s *sitting) wants(due asked, ceremony string) error {
	if due.Ceremony != ceremony {
		return fmt.Errorf("%w: it asks for %.40q instead of %q", cardside.ErrServerAnswer, due.Ceremony, ceremony)
	}
	return nil
}
