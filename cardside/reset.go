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
	if c.card == nil { // a security key: its plugging-in is its power-up
		return c.Engine.Reset(ctx)
	}
	if err := c.remember(ctx); err != nil {
		return err
	}
	powerUp := c.coldReset
	denied, late := false, false
	for {
		if err := powerUp(ctx); err != nil {
			return err
		}
		err := c.Engine.Reset(ctx)
		switch {
		case errors.Is(err, ctap2.StatusOperationDenied) && !denied:
			denied = true // the first of two steps
		case errors.Is(err, ctap2.StatusNotAllowed) && !late:
			late, powerUp = true, c.reinsertion
		default:
			return err
		}
	}
}

// coldReset cuts the power, or has the card put back where that fails.
func (c *Card) coldReset(ctx context.Context) error {
	if err := c.card.ColdReset(ctx); err != nil {
		return c.reinsertion(ctx)
	}
	return nil
}

// reinsertion asks for the card to be taken out of its reader and put back.
func (c *Card) reinsertion(ctx context.Context) error {
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
	return c.recognise(ctx)
}

// remember keeps what can tell this card from another. No card says which one
// it is, but two rarely agree in all that getInfo and the retry counter say.
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

// ErrAnotherCard is another card than the one that was there.
var ErrAnotherCard = errors.New("another card was put in")
