package cardside

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"cpsgate/cardside/ctap2"
)

// Reset erases the FIDO2 application: its PIN, its credentials, its settings.
//
// Cards take a reset only within ten seconds of power-up (CTAP 2.1 §6.6). So
// the card's power is cut and given back just before; where the reader does not
// really cut it, the person is asked to take the card out and put it back. Some
// cards deny the first reset and obey a second one after another power-off, as
// a guard against programs.
func (c *Card) Reset(ctx context.Context) error {
	_, err := c.ResetKnown(ctx, func(context.Context) error { return nil })
	return err
}

// ResetKnown is Reset for a card that somebody else knows better: known judges
// the card that was put back, before it is erased, and within the ten seconds.
// left tells that the card was taken out. Without known that is never asked for.
func (c *Card) ResetKnown(ctx context.Context, known func(context.Context) error) (left bool, err error) {
	if c.card == nil { // a security key: its plugging-in is its power-up
		return false, c.Engine.Reset(ctx)
	}
	if err := c.remember(ctx); err != nil {
		return false, err
	}
	putBack := func(ctx context.Context) error {
		left = true
		return c.reinsertion(ctx, known)
	}
	powerUp := func(ctx context.Context) error {
		if err := c.card.ColdReset(ctx); err == nil || known == nil {
			return err
		}
		return putBack(ctx)
	}
	denied, late := false, false
	for {
		if err := powerUp(ctx); err != nil {
			return left, fmt.Errorf("%w: %w", ErrNotErased, err)
		}
		err := c.Engine.Reset(ctx)
		switch {
		case errors.Is(err, ctap2.StatusOperationDenied) && !denied:
			denied = true // the first of two steps
		case errors.Is(err, ctap2.StatusNotAllowed) && !late && known != nil:
			late, powerUp = true, putBack
		default:
			return left, err
		}
	}
}

// reinsertion asks for the card to be taken out of its reader and put back.
func (c *Card) reinsertion(ctx context.Context, known func(context.Context) error) error {
	c.card.Close()
	present := func(want bool, waiting WaitingFor) error {
		return waitUntil(ctx, c.choice, func() (WaitingFor, string, error) {
			states, err := c.session.States(ctx)
			if err != nil {
				return "", "", err
			}
			for _, s := range states {
				if s.Reader == c.Reader && s.Present == want {
					return "", "", nil
				}
			}
			return waiting, c.Reader, nil
		})
	}
	if err := present(false, ForRemoval); err != nil {
		return err
	}
	if err := present(true, ForCard); err != nil {
		return err
	}
	if err := c.connect(ctx, c.Reader); err != nil {
		return err
	}
	if err := c.recognise(ctx); err != nil {
		return err
	}
	return known(ctx)
}

// remember keeps what can tell this card from another. No applet says which one
// it is: two cards of a model that hold as much say the same by getInfo.
func (c *Card) remember(ctx context.Context) (err error) {
	c.known.atr = string(c.ATR)
	if c.known.info, err = c.Engine.Info(ctx); err != nil && !errors.Is(err, ctap2.ErrNotCanonical) {
		return err
	}
	return nil
}

func (c *Card) recognise(ctx context.Context) error {
	if string(c.ATR) != c.known.atr {
		return fmt.Errorf("%w: %X", ErrAnotherCard, c.ATR)
	}
	info, err := c.Engine.Info(ctx)
	if err != nil && !errors.Is(err, ctap2.ErrNotCanonical) {
		return err
	}
	if !reflect.DeepEqual(info, c.known.info) {
		return fmt.Errorf("%w: it says other things of itself", ErrAnotherCard)
	}
	return nil
}

var (
	// ErrAnotherCard is another card than the one that was there.
	ErrAnotherCard = errors.New("another card was put in")
	// ErrNotErased comes with an error that came before the card was told to erase.
	ErrNotErased = errors.New("the card was not erased")
)
