package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cpsgate/cardside"
	"cpsgate/cardside/pkcs11"
)

// erases tells that the applet is to be emptied first.
func (s *sitting) erases() bool { return s.Erase && !s.info.Blank() }

// mayErase asks the desk for its leave, once it knows whose card it is.
func (s *sitting) mayErase(ctx context.Context) error {
	return s.waitForDesk(ctx, StepResetNeeded, "", func(p policy) bool { return p.Reset == resetAllowed })
}

// erase empties the applet. Where the reader does not cut the power the card has
// to be taken out for that, and must prove itself again: left tells. A card that
// has no other proof than the operator's eyes stays where it is, or is not erased.
func (s *sitting) erase(ctx context.Context) (left bool, err error) {
	known := s.stillMay
	if s.done.Proof != ProofSameCard {
		known = nil
	}
	if err := s.card.Still(ctx); err != nil {
		return false, err
	}
	err = s.change(ctx, ChangeErase, func() error {
		left, err = s.card.ResetKnown(ctx, known)
		return err
	})
	if errors.Is(err, cardside.ErrNotErased) {
		s.done.Left.Perhaps = ""
	}
	if err != nil {
		return left, err
	}
	s.done.Left.Erased = true
	if err := s.recordErased(ctx); err != nil {
		return left, err
	}
	if s.info, err = s.card.Info(ctx); err != nil {
		return left, err
	}
	s.held = 0
	s.tell(Progress{Step: StepResetDone})
	return left, nil
}

// recordErased has it recorded that the applet was emptied. Where that cannot be the
// sitting ends. A server that refuses because the sitting is over has recorded it.
func (s *sitting) recordErased(ctx context.Context) error {
	s.owed = &note{Step: string(StepResetDone), OK: true}
	var now standing
	_, err := s.server.call(ctx, "/enroll/step", s.owed, &now)
	if err == nil || over(err) {
		s.owed = nil
	}
	return err
}

// leaveLimit bounds how long the server may take to say that the leave stands. With
// recognition it stays within the ten seconds.
const leaveLimit = 3 * time.Second

// stillMay refuses another card than the one that was proved, and a ticket that
// ended, or whose leave did, while the card was out of its reader.
func (s *sitting) stillMay(ctx context.Context) error {
	if err := s.sameCertificate(ctx); err != nil {
		return err
	}
	limited, cancel := context.WithTimeoutCause(ctx, leaveLimit, fmt.Errorf("%w: it does not say that the leave stands", cardside.ErrServer))
	defer cancel()
	var now standing
	err := s.server.once(limited, s.server.client, s.server.origin+"/enroll/step", note{Step: string(StepResetNeeded), OK: true}, &now)
	if err == nil && now.Policy.Reset != resetAllowed {
		return fmt.Errorf("%w: it takes its leave back", cardside.ErrServerAnswer)
	}
	return err
}

// recognition bounds how long a card that was put back may take to show its
// certificate: it is erased within ten seconds of power-up or not at all (CTAP
// 2.1 §6.6).
const (
	recognition      = 5 * time.Second
	recognitionPause = 100 * time.Millisecond
)

// sameCertificate refuses another card than the one that was proved, by its
// certificate, which any program may read. That says which card it is meant to
// be; that it is that card is proved again, with its PIN, once it is erased.
func (s *sitting) sameCertificate(ctx context.Context) error {
	deadline := time.Now().Add(recognition)
	for {
		key, err := s.key(ctx)
		if err == nil {
			defer key.module.Close()
			defer key.Close()
			if key.Profile.TokenID != s.done.TokenID {
				return fmt.Errorf("%w: %s instead of %s", cardside.ErrAnotherCard, key.Profile.TokenID, s.done.TokenID)
			}
			return nil
		}
		late := errors.Is(err, pkcs11.ErrNoToken) || errors.Is(err, pkcs11.ErrRemoved) // the module has not seen it yet
		if !late || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(recognitionPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
