package pcsc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cpsgate/cardside/apdu"
)

// resets is how often in a row other programs may reset the card before it is
// given up.
const resets = 3

// Exchange runs f while no other program reaches the card, then leaves the
// card as it stands. It has the shape that ctap2.New wants.
func (c *Card) Exchange(ctx context.Context, f func(*apdu.Channel) error) error {
	if err := c.begin(ctx); err != nil {
		return err
	}
	defer c.end()
	c.begun = true
	return c.explain(ctx, f(c.channel))
}

// begin waits for the card's turn. A reset by another program before it is no
// harm: nothing of ours is under way.
func (c *Card) begin(ctx context.Context) error {
	for range resets {
		_, err := call(ctx, c.context, "waiting for the card's turn", c.opts.Turn, func(*system) (struct{}, error) {
			return struct{}{}, c.system.begin()
		})
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrTimeout):
			return &Error{Op: "waiting for the card's turn", Kind: ErrInUse}
		case !errors.Is(err, ErrReset):
			return err
		}
		if err := c.reconnect(ctx, false); err != nil {
			return err
		}
	}
	return &Error{Op: "waiting for the card's turn", Kind: ErrReset}
}

func (c *Card) end() {
	done := func(*system) (struct{}, error) { c.system.end(); return struct{}{}, nil }
	call(context.Background(), c.context, "ending the card's turn", serviceLimit, done) //nolint:errcheck // fails only with the connection
}

// transmit carries one APDU of an exchange. The card may have been reset just
// before the exchange and the service not have told: it then refuses to transmit
// by the protocol agreed on, and nothing has reached the card. That is no harm to
// an exchange that has sent nothing yet; to another it is what a reset is.
func (c *Card) transmit(command []byte) ([]byte, error) {
	first := c.begun
	c.begun = false
	response, err := c.send(command)
	for range resets {
		if !resetUntold(err) {
			return response, err
		}
		if !first {
			break
		}
		c.end()
		if err := c.reconnect(context.Background(), false); err != nil {
			return nil, err
		}
		if err := c.begin(context.Background()); err != nil {
			return nil, err
		}
		response, err = c.send(command)
	}
	if resetUntold(err) {
		return nil, &Error{Op: "transmitting", Code: codeProtoMismatch, Kind: ErrReset}
	}
	return response, err
}

func resetUntold(err error) bool {
	var said *Error
	return errors.As(err, &said) && said.Code == codeProtoMismatch
}

// send carries one APDU. It is not cut short by a cancellation, which waits
// for the card's answer; the bytes are the session's own, since they may
// outlive the wait.
func (c *Card) send(command []byte) ([]byte, error) {
	own := slices.Clone(command)
	response, err := call(context.Background(), c.context, "transmitting", c.opts.Answer, func(*system) ([]byte, error) {
		defer clear(own)
		return c.system.transmit(own)
	})
	if err == nil && len(response) < 2 { // what some drivers answer for a card just gone
		return nil, &Error{Op: "transmitting", Kind: ErrTransmission}
	}
	return response, err
}

// removalNotice is how long the service may take to notice that a card is gone
// (pcsc-lite looks every 0.4 s).
const removalNotice = time.Second

// explain tells a card that was taken out from one that failed: many drivers
// report a failed transmission first and the removal later.
func (c *Card) explain(ctx context.Context, err error) error {
	if !errors.Is(err, ErrTransmission) && !errors.Is(err, ErrNoCard) && !errors.Is(err, ErrUnresponsive) {
		return err
	}
	until := time.Now().Add(removalNotice)
	for ctx.Err() == nil {
		states, sErr := c.context.query(ctx, []string{c.reader}, serviceLimit)
		if errors.Is(sErr, ErrNoReader) || sErr == nil && !states[0].Present {
			return fmt.Errorf("%w: %w", &Error{Op: "exchanging with the card", Kind: ErrRemoved}, err)
		}
		if sErr != nil || time.Now().After(until) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}
