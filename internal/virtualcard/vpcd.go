package virtualcard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// DefaultAddress is where Debian's vsmartcard-vpcd waits for the card in its
// first reader; the second waits one port further.
const DefaultAddress = "127.0.0.1:35963"

// Control bytes of vpcd: messages of one byte, where an APDU has at least four.
const (
	controlOff   = 0x00
	controlOn    = 0x01
	controlReset = 0x02
	controlATR   = 0x04
)

// Insert puts the card into the reader that waits at address. It returns when
// ctx ends (nil), when the card ejects itself (ErrEjected), or when the reader
// goes away.
func (c *Card) Insert(ctx context.Context, address string) error {
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("inserting the card: %w", err)
	}
	return c.Serve(ctx, connection)
}

// Serve lets the card answer over a connection to vpcd, and closes it.
func (c *Card) Serve(ctx context.Context, connection net.Conn) error {
	stop := context.AfterFunc(ctx, func() { connection.Close() })
	defer stop()
	defer connection.Close()
	defer c.PowerOff() // leaving the reader is losing power
	err := c.converse(ctx, connection)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (c *Card) converse(ctx context.Context, connection net.Conn) error {
	for {
		message, err := readMessage(connection)
		if err != nil {
			return fmt.Errorf("reader gone: %w", err)
		}
		answer, err := c.react(ctx, message)
		if err != nil {
			return err
		}
		if answer == nil {
			continue
		}
		frame := append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)
		if _, err := connection.Write(frame); err != nil {
			return fmt.Errorf("reader gone: %w", err)
		}
	}
}

// readMessage reads one length and what follows it.
//
// libvpcd and pcscd take turns with us in small packets: left to delayed
// acknowledgements, each APDU would cost 40 ms. The option does not last, so it
// is set before each read.
func readMessage(connection net.Conn) ([]byte, error) {
	var length [2]byte
	acknowledgeNow(connection)
	if _, err := io.ReadFull(connection, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	acknowledgeNow(connection)
	if _, err := io.ReadFull(connection, message); err != nil {
		return nil, err
	}
	return message, nil
}

// react does what the reader asks; nil is no answer.
func (c *Card) react(ctx context.Context, message []byte) ([]byte, error) {
	if len(message) != 1 {
		answer, err := c.Transmit(message)
		if errors.Is(err, ErrUnpowered) { // no reader does that
			return word(swConditions), nil
		}
		if err != nil {
			return nil, err
		}
		return answer, wait(ctx, c.delay)
	}
	switch message[0] {
	case controlOff:
		c.PowerOff()
	case controlOn:
		c.PowerOn()
	case controlReset:
		c.Reset()
	case controlATR:
		return c.look(), nil
	}
	return nil, nil
}

// wait lets time pass, unless ctx ends.
func wait(ctx context.Context, delay time.Duration) error {
	if delay == 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
