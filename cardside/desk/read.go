package desk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"cpsgate/cardside"
	"cpsgate/cardside/ctap2"
)

// open waits for the card. Waiting for it to be put in is people's time.
func (s *sitting) open(ctx context.Context) error {
	began, waited := time.Now(), false
	choice := s.Choice
	choice.Waiting = func(w cardside.Waiting) {
		waited = true
		if s.Choice.Waiting != nil {
			s.Choice.Waiting(w)
		}
	}
	var err error
	s.card, err = cardside.Open(ctx, choice)
	if waited {
		s.people += time.Since(began)
	}
	if err != nil {
		return err
	}
	s.tell(Progress{Step: StepCard, Reader: s.card.Reader, Generation: s.card.Generation})
	return nil
}

// readApplet looks at the applet before anything is begun. One that has a PIN
// already is asked, with it, what else it holds.
func (s *sitting) readApplet(ctx context.Context) error {
	var err error
	if s.info, err = s.card.Info(ctx); err != nil {
		return s.unfit(err)
	}
	s.held = -1
	switch {
	case !s.info.HasPIN() && !s.info.Blank():
		return fmt.Errorf("%w: an applet without a PIN", ctap2.ErrUnsupported)
	case s.info.Blank():
		s.held = 0
		s.tell(Progress{Step: StepApplet, Applet: AppletBlank})
		return nil
	case s.Erase:
		s.tell(Progress{Step: StepApplet, Applet: AppletPIN, Held: s.held})
		return nil
	case s.info.ForcePINChange:
		s.tell(Progress{Step: StepApplet, Applet: AppletChange, Held: s.held})
		return s.askCurrent(ctx)
	}
	s.tell(Progress{Step: StepApplet, Applet: AppletPIN, Held: s.held})
	return s.readHeld(ctx)
}

// unfit says of a card without a usable applet what card it is.
func (s *sitting) unfit(err error) error {
	if !errors.Is(err, ctap2.ErrNoApplet) {
		return err
	}
	switch s.card.Generation {
	case cardside.CPS3, cardside.CPS3Contactless:
		return fmt.Errorf("%w: %w", cardside.ErrCPS3, err)
	case cardside.CPS4:
		return err
	}
	return fmt.Errorf("%w: %w", cardside.ErrNotCPS4, err)
}

func (s *sitting) askCurrent(ctx context.Context) error {
	return s.byPerson(func() (err error) {
		clear(s.current)
		s.current, err = s.Person.CurrentPIN(ctx)
		return err
	})
}

// readHeld counts the credentials, and learns so that the PIN is the right one
// before the ticket is used up.
func (s *sitting) readHeld(ctx context.Context) error {
	for {
		if err := s.askCurrent(ctx); err != nil {
			return err
		}
		stored, err := s.card.Credentials(ctx, s.current)
		switch {
		case errors.Is(err, ctap2.StatusPINInvalid) && s.Person.Again:
			s.tell(Progress{Step: StepApplet, Applet: AppletPIN, Held: -1, Reason: cardside.ReasonPINWrong})
			continue
		case errors.Is(err, ctap2.ErrUnsupported) || errors.Is(err, ctap2.StatusNoCredentials):
			return nil
		case err != nil:
			return err
		}
		if s.held = len(stored); s.held > 0 {
			s.tell(Progress{Step: StepApplet, Applet: AppletHolds, Held: s.held})
		}
		return nil
	}
}

// claim gives the code to the server.
func (s *sitting) claim(ctx context.Context) error {
	generation := ""
	switch s.card.Generation {
	case cardside.CPS4:
		generation = "cps4"
	case cardside.CPS3, cardside.CPS3Contactless:
		generation = "cps3"
	}
	message := claim{
		Code: s.Code, Workstation: s.Workstation, Reader: s.reader(), Generation: generation,
		Applet: applet{
			Blank: s.info.Blank(), PINSet: s.info.HasPIN(), Credentials: s.held, AAGUID: s.info.AAGUID.String(),
			Versions: s.info.Versions, MinPINLength: s.info.PINLength(), Options: s.info.Options,
		},
	}
	// Once only: an answer that got lost has used the code up.
	if err := s.server.once(ctx, s.server.client, s.server.origin+"/enroll/claim", message, &s.answer); err != nil {
		return lostClaim(err)
	}
	s.server.sitting, s.answer.Sitting = s.answer.Sitting, ""
	s.done.Ticket, s.done.AAGUID = s.answer.Ticket, s.info.AAGUID
	s.tell(Progress{Step: StepClaimed, Holder: s.answer.Holder})
	return nil
}

// lostClaim tells a claim that may have been taken, so that a new ticket is
// needed, from one that never went out or that the server did not take.
func lostClaim(err error) error {
	var dialled *net.OpError
	never := errors.As(err, &dialled) && dialled.Op == "dial" || errors.As(err, new(*Refusal))
	if errors.Is(err, cardside.ErrServer) && !never || errors.Is(err, context.Canceled) {
		return &Unfinished{Err: err}
	}
	return err
}

// reader is how the desk is told of the reader.
func (s *sitting) reader() string {
	if s.card.Reader == "" {
		return "USB"
	}
	return s.card.Reader
}

// deskPause is how often the server is asked what the desk has allowed.
const deskPause = 2 * time.Second

// waitForDesk tells the desk what it is waited for, until it allows that or the
// sitting ends.
func (s *sitting) waitForDesk(ctx context.Context, step Step, why cardside.Reason, allowed func(policy) bool) error {
	if allowed(s.answer.Policy) {
		return nil
	}
	s.tell(Progress{Step: step, Reason: why})
	return s.byPerson(func() error {
		for {
			var now standing
			if _, err := s.server.call(ctx, "/enroll/step", note{Step: string(step), OK: true, Detail: string(why)}, &now); err != nil {
				return err
			}
			if err := now.Policy.check(); err != nil {
				return err
			}
			if s.answer.Policy = now.Policy; allowed(now.Policy) {
				return nil
			}
			if s.Desk != nil {
				s.Desk(step)
			}
			select {
			case <-time.After(deskPause):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	})
}

// note shows a step on the desk's page, or why it is to be done again. That it
// cannot be shown is no reason to stop; that the sitting is over is.
func (s *sitting) note(ctx context.Context, step Step, again cardside.Reason) error {
	var now standing
	told := note{Step: string(step), OK: again == "", Detail: string(again)}
	err := s.server.once(ctx, s.server.client, s.server.origin+"/enroll/step", told, &now)
	if over(err) || ctx.Err() != nil {
		return err
	}
	return nil
}
