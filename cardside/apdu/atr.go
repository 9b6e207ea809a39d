package apdu

import (
	"errors"
	"fmt"
)

// ATR is what an answer to reset tells (ISO/IEC 7816-3 §8).
type ATR struct {
	Raw        []byte
	Protocols  []int  // the T values offered, in the order offered; T=15 left out
	Historical []byte // what the card's maker wrote
	// Extended is the card's own word on extended length, from the card
	// capabilities of compact-TLV historical bytes (ISO/IEC 7816-4 §12.1.1.9,
	// table 117): known is false when they are silent.
	Extended, ExtendedKnown bool
}

// ErrBadATR is an answer to reset that breaks ISO/IEC 7816-3 §8.2.
var ErrBadATR = errors.New("malformed answer to reset")

// maxATR is the longest answer to reset: TS and 32 characters.
const maxATR = 33

// ParseATR reads an answer to reset. The check character is verified when one
// is due (some protocol other than T=0 is offered).
func ParseATR(raw []byte) (ATR, error) {
	if len(raw) < 2 || len(raw) > maxATR {
		return ATR{}, fmt.Errorf("%w: %d bytes", ErrBadATR, len(raw))
	}
	if raw[0] != 0x3B && raw[0] != 0x3F { // direct or inverse convention
		return ATR{}, fmt.Errorf("%w: initial character %02X", ErrBadATR, raw[0])
	}
	atr := ATR{Raw: append([]byte(nil), raw...)}
	rest, needsCheck, err := atr.interfaceBytes(raw[1:])
	if err != nil {
		return ATR{}, err
	}
	historical := int(raw[1] & 0x0F)
	want := historical
	if needsCheck {
		want++
	}
	if len(rest) != want {
		return ATR{}, fmt.Errorf("%w: %d bytes after the interface characters, not %d", ErrBadATR, len(rest), want)
	}
	if needsCheck && checksum(raw[1:]) != 0 {
		return ATR{}, fmt.Errorf("%w: wrong check character", ErrBadATR)
	}
	atr.Historical = append([]byte(nil), rest[:historical]...)
	atr.capabilities()
	return atr, nil
}

// interfaceBytes walks TA, TB, TC and TD from T0 on and collects the protocols.
func (a *ATR) interfaceBytes(b []byte) (rest []byte, needsCheck bool, err error) {
	indicator, b := b[0], b[1:]
	for indicator&0xF0 != 0 {
		for bit := byte(0x10); bit < 0x80; bit <<= 1 { // TA, TB, TC
			if indicator&bit == 0 {
				continue
			}
			if len(b) == 0 {
				return nil, false, fmt.Errorf("%w: interface characters cut short", ErrBadATR)
			}
			b = b[1:]
		}
		if indicator&0x80 == 0 {
			break
		}
		if len(b) == 0 {
			return nil, false, fmt.Errorf("%w: interface characters cut short", ErrBadATR)
		}
		indicator, b = b[0], b[1:]
		if t := int(indicator & 0x0F); t != 0 {
			needsCheck = true
			if t != 15 {
				a.offer(t)
			}
		} else {
			a.offer(0)
		}
	}
	if len(a.Protocols) == 0 {
		a.offer(0) // §8.2.3: T=0 when no TD names a protocol
	}
	return b, needsCheck, nil
}

func (a *ATR) offer(t int) {
	for _, known := range a.Protocols {
		if known == t {
			return
		}
	}
	a.Protocols = append(a.Protocols, t)
}

// capabilities reads the third software function table, bit 7: extended Lc and
// Le fields. Category 00 keeps its last three bytes for a status indicator,
// category 80 is compact-TLV to its end (ISO/IEC 7816-4 §12.1.1).
func (a *ATR) capabilities() {
	h := a.Historical
	switch {
	case len(h) >= 4 && h[0] == 0x00:
		h = h[1 : len(h)-3]
	case len(h) >= 1 && h[0] == 0x80:
		h = h[1:]
	default:
		return
	}
	for len(h) > 0 {
		tag, length := h[0]>>4, int(h[0]&0x0F)
		if len(h) < 1+length {
			return
		}
		if tag == 7 && length >= 3 {
			a.ExtendedKnown, a.Extended = true, h[3]&0x40 != 0
			return
		}
		h = h[1+length:]
	}
}

func checksum(b []byte) (sum byte) {
	for _, x := range b {
		sum ^= x
	}
	return sum
}
