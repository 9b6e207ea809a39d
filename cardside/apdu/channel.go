package apdu

import (
	"errors"
	"fmt"
)

// Transmit carries one APDU to the card and brings its response, status word
// included: the seam to PC/SC, to a recording, to a virtual card. The response
// is not used after the next call.
type Transmit func(command []byte) (response []byte, err error)

// Protocol is the transmission protocol in use (ISO/IEC 7816-3 §10 and §11).
type Protocol int

// The protocols of contact cards.
const (
	T1 Protocol = iota // the zero value: blocks, full APDUs
	T0
)

func (p Protocol) String() string {
	if p == T0 {
		return "T=0"
	}
	return "T=1"
}

// Limit bounds the bytes that Send gathers for one command, far above CTAP's
// largest message; maxGets bounds the GET RESPONSE commands it takes.
const (
	Limit   = 1 << 16
	maxGets = 1024
)

// Errors of answers that break ISO/IEC 7816-4.
var (
	ErrEndless  = errors.New("card announces more and more response data")
	ErrTooLarge = errors.New("response larger than its limit")
)

// Channel sends commands to one card and gathers their responses. Make one
// for each connection: it remembers what the card taught it.
type Channel struct {
	Transmit Transmit
	Protocol Protocol
	// Extended says that reader and card both carry extended length; without
	// it, long data goes in a chain of short commands. T=0 never extends.
	Extended bool
	// Sent counts the APDUs transmitted.
	Sent int
	// SawMore tells that a response came by GET RESPONSE since it was last
	// cleared.
	SawMore bool

	plainGet bool // this card wants GET RESPONSE with class 00
}

// Send carries a command to the card, chained if it must be, and returns its
// whole response. A status other than 9000 is returned as a *StatusError,
// beside the data that came with it.
func (c *Channel) Send(cmd Command) ([]byte, error) {
	if err := cmd.fits(MaxExtendedData, MaxExtendedLe); err != nil {
		return nil, err
	}
	last := cmd
	if !c.extends() {
		segments, rest := split(cmd)
		for _, segment := range segments {
			if err := c.sendSegment(segment); err != nil {
				return nil, err
			}
		}
		last = rest
	}
	data, status, err := c.exchange(last)
	if err != nil {
		return nil, err
	}
	if data, status, err = c.gather(cmd, data, status); err != nil {
		return nil, err
	}
	if status != OK {
		return data, &StatusError{Command: headerOf(cmd), Status: status}
	}
	return data, nil
}

func (c *Channel) extends() bool { return c.Extended && c.Protocol == T1 }

// split cuts a command into the segments of a chain (ISO/IEC 7816-4 §5.1.1.1:
// bit 5 of CLA set in all but the last). Le stands only in the last one.
func split(cmd Command) (segments []Command, last Command) {
	last = cmd
	last.Le = min(last.Le, MaxShortLe)
	for len(last.Data) > MaxShortData {
		segment := cmd
		segment.CLA |= 0x10
		segment.Data, segment.Le = last.Data[:MaxShortData], 0
		segments = append(segments, segment)
		last.Data = last.Data[MaxShortData:]
	}
	return segments, last
}

func (c *Channel) sendSegment(segment Command) error {
	_, status, err := c.exchange(segment)
	if err != nil {
		return err
	}
	if status != OK {
		return &StatusError{Command: headerOf(segment), Status: status}
	}
	return nil
}

// exchange sends one APDU, and once more with the right Le after 6Cxx, by
// which the card says that it did not execute it (ISO/IEC 7816-4 §5.1.3).
func (c *Channel) exchange(cmd Command) ([]byte, Status, error) {
	data, status, err := c.transmit(cmd)
	if err != nil {
		return nil, 0, err
	}
	le, wrong := status.RightLe()
	if !wrong || cmd.Le == 0 || (c.Protocol == T0 && len(cmd.Data) > 0) {
		return data, status, nil
	}
	cmd.Le = le
	return c.transmit(cmd)
}

func (c *Channel) transmit(cmd Command) ([]byte, Status, error) {
	encoded, err := c.encode(cmd)
	if err != nil {
		return nil, 0, err
	}
	c.Sent++
	response, err := c.Transmit(encoded)
	clear(encoded)
	if err != nil {
		return nil, 0, fmt.Errorf("transmitting %s: %w", cmd, err)
	}
	data, status, err := ParseResponse(response)
	if err != nil {
		return nil, 0, fmt.Errorf("transmitting %s: %w", cmd, err)
	}
	return append([]byte(nil), data...), status, nil
}

// encode chooses the form. A command that short fields can carry goes short on
// an extended channel too, unless it expects more than they can name.
func (c *Channel) encode(cmd Command) ([]byte, error) {
	switch {
	case c.Protocol == T0:
		return cmd.TPDU()
	case c.extends() && (len(cmd.Data) > MaxShortData || cmd.Le > MaxShortLe):
		return cmd.Extended()
	default:
		return cmd.Short()
	}
}

// gather fetches what the card holds back (61xx). On T=0 a case 4 command that
// ends in 9000 without data may hold it back silently (ISO/IEC 7816-3
// §12.2.5).
func (c *Channel) gather(cmd Command, data []byte, status Status) ([]byte, Status, error) {
	if c.Protocol == T0 && status == OK && cmd.Le > 0 && len(cmd.Data) > 0 && len(data) == 0 {
		return c.askOnce(cmd)
	}
	for range maxGets {
		n, waiting := status.More()
		if !waiting {
			return data, status, nil
		}
		c.SawMore = true
		more, next, err := c.getResponse(cmd.CLA, n)
		if err != nil {
			return nil, 0, err
		}
		if _, again := next.More(); again && len(more) == 0 {
			return nil, 0, fmt.Errorf("%w: %s", ErrEndless, cmd)
		}
		if data = append(data, more...); len(data) > Limit {
			return nil, 0, fmt.Errorf("%w: %s", ErrTooLarge, cmd)
		}
		status = next
	}
	return nil, 0, fmt.Errorf("%w: %s", ErrEndless, cmd)
}

// askOnce tries GET RESPONSE where the card announced nothing; a refusal means
// that there was nothing.
func (c *Channel) askOnce(cmd Command) ([]byte, Status, error) {
	data, status, err := c.getResponse(cmd.CLA, MaxShortLe)
	if err != nil {
		return nil, 0, err
	}
	if _, waiting := status.More(); waiting {
		return c.gather(Command{CLA: cmd.CLA, INS: cmd.INS}, data, status)
	}
	if status != OK {
		return nil, OK, nil
	}
	return data, OK, nil
}

// getResponse asks in the class of the command, as CTAP's cards expect, and
// once again in class 00 of the cards whose system answers it there; what
// worked is remembered.
func (c *Channel) getResponse(cla byte, n int) ([]byte, Status, error) {
	get := Command{CLA: cla &^ 0x10, INS: 0xC0, Le: n}
	if c.plainGet {
		get.CLA = 0
	}
	data, status, err := c.exchange(get)
	if err != nil || get.CLA == 0 || !refusesClass(status) {
		return data, status, err
	}
	get.CLA = 0
	data, status, err = c.exchange(get)
	if err == nil && !refusesClass(status) {
		c.plainGet = true
	}
	return data, status, err
}

func refusesClass(s Status) bool {
	return s == ClassNotSupported || s == InstructionNotSupported
}

func headerOf(cmd Command) Command {
	return Command{CLA: cmd.CLA, INS: cmd.INS, P1: cmd.P1, P2: cmd.P2}
}
