package apdu

import (
	"errors"
	"fmt"
)

// Lengths that separate short from extended fields (ISO/IEC 7816-4 §5.1).
const (
	MaxShortData    = 255
	MaxShortLe      = 256
	MaxExtendedData = 65535
	MaxExtendedLe   = 65536
)

// Command is a command APDU. Le is the most bytes expected back: 0 for none,
// MaxShortLe for "all there is" in short form.
type Command struct {
	CLA, INS, P1, P2 byte
	Data             []byte
	Le               int
}

// Errors of commands that no card could be sent.
var (
	ErrDataTooLong = errors.New("command data does not fit its form")
	ErrLeTooLarge  = errors.New("expected length does not fit its form")
)

// String names the command by its header alone: data may hold secrets.
func (c Command) String() string {
	return fmt.Sprintf("%02X %02X %02X %02X (%d bytes)", c.CLA, c.INS, c.P1, c.P2, len(c.Data))
}

// Short encodes the command with one-byte length fields: cases 1, 2S, 3S, 4S.
func (c Command) Short() ([]byte, error) {
	if err := c.fits(MaxShortData, MaxShortLe); err != nil {
		return nil, err
	}
	out := c.header(len(c.Data) + 2)
	if len(c.Data) > 0 {
		out = append(out, byte(len(c.Data)))
		out = append(out, c.Data...)
	}
	if c.Le > 0 {
		out = append(out, byte(c.Le)) // 256 is written 00
	}
	return out, nil
}

// Extended encodes the command with extended length fields: cases 1, 2E, 3E,
// 4E. A command with neither data nor Le has no length field to extend.
func (c Command) Extended() ([]byte, error) {
	if err := c.fits(MaxExtendedData, MaxExtendedLe); err != nil {
		return nil, err
	}
	out := c.header(len(c.Data) + 5)
	if len(c.Data) > 0 {
		out = append(out, 0, byte(len(c.Data)>>8), byte(len(c.Data)))
		out = append(out, c.Data...)
	}
	if c.Le > 0 {
		if len(c.Data) == 0 {
			out = append(out, 0) // case 2E: three-byte Le field
		}
		out = append(out, byte(c.Le>>8), byte(c.Le)) // 65536 is written 0000
	}
	return out, nil
}

// TPDU encodes the command for T=0: a five-byte header, whose P3 is the
// length of the data either way, and no Le beside data (ISO/IEC 7816-3 §12.2:
// case 1 as P3=00, case 4 as case 3 followed by GET RESPONSE).
func (c Command) TPDU() ([]byte, error) {
	if err := c.fits(MaxShortData, MaxShortLe); err != nil {
		return nil, err
	}
	out := c.header(len(c.Data) + 1)
	if len(c.Data) > 0 {
		out = append(out, byte(len(c.Data)))
		return append(out, c.Data...), nil
	}
	return append(out, byte(c.Le)), nil
}

func (c Command) header(more int) []byte {
	return append(make([]byte, 0, 4+more), c.CLA, c.INS, c.P1, c.P2)
}

func (c Command) fits(data, le int) error {
	switch {
	case len(c.Data) > data:
		return fmt.Errorf("%w: %s, at most %d", ErrDataTooLong, c, data)
	case c.Le < 0 || c.Le > le:
		return fmt.Errorf("%w: %d, at most %d", ErrLeTooLarge, c.Le, le)
	}
	return nil
}

// Select makes the command that selects an application by its identifier
// (ISO/IEC 7816-4 §11.2.2: P1=04 by DF name, P2=00 first occurrence with FCI).
func Select(aid []byte) Command {
	return Command{INS: 0xA4, P1: 0x04, Data: aid, Le: MaxShortLe}
}
