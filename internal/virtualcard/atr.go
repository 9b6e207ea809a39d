package virtualcard

import (
	"encoding/hex"
	"errors"
)

// ATRs known of the cards over contact (facts §4), in hexadecimal.
const (
	ATRCPS3          = "3BAC00402A001225006480000310009000"
	ATRCPS4          = "3B9B188001001225006480040100009044"
	ATRCPS4Candidate = "3B9B188001001225006480000401009044" // release candidate
	ATRCPS4Variant   = "3BDC18FF00001225006480000401009000"
)

// errATR is an ATR that is none.
var errATR = errors.New("malformed ATR")

// chooseATR is the ATR that a card of these options answers with.
func chooseATR(o Options) ([]byte, error) {
	atr := o.ATR
	if atr == nil {
		known := ATRCPS4
		if o.Generation == CPS3 {
			known = ATRCPS3
		}
		decoded, err := hex.DecodeString(known)
		if err != nil {
			return nil, err
		}
		atr = decoded
	}
	if o.Protocol == T1 && !o.KeepATR {
		return offerT1(atr)
	}
	_, err := parseATR(atr)
	return atr, err
}

// atrParts is an ATR taken apart as far as changing its protocol needs
// (ISO 7816-3 §8.2).
type atrParts struct {
	global     [3]int // TA1, TB1, TC1; -1: absent
	historical []byte
}

// parseATR reads TS, T0, the interface bytes, the historical bytes and the
// check byte.
func parseATR(atr []byte) (parts atrParts, err error) {
	parts.global = [3]int{-1, -1, -1}
	if len(atr) < 2 || len(atr) > 33 || (atr[0] != 0x3B && atr[0] != 0x3F) {
		return parts, errATR
	}
	historical, next, checked := int(atr[1]&0x0F), atr[1]>>4, false
	rest := atr[2:]
	for level := 1; next != 0; level++ {
		following := byte(0)
		for bit := range 4 {
			if next&(1<<bit) == 0 {
				continue
			}
			if len(rest) == 0 {
				return parts, errATR
			}
			value := rest[0]
			rest = rest[1:]
			switch {
			case bit == 3: // TDi: what follows, and the protocol it is of
				following = value >> 4
				checked = checked || value&0x0F != 0
			case level == 1:
				parts.global[bit] = int(value)
			}
		}
		next = following
	}
	want := historical
	if checked { // TCK is there unless T=0 is all that is offered
		want++
	}
	if len(rest) != want {
		return parts, errATR
	}
	if checked && checkByte(atr[1:len(atr)-1]) != atr[len(atr)-1] {
		return parts, errATR
	}
	parts.historical = rest[:historical]
	return parts, nil
}

// offerT1 is the ATR of the same card had it T=1 alone.
func offerT1(atr []byte) ([]byte, error) {
	parts, err := parseATR(atr)
	if err != nil {
		return nil, err
	}
	present := byte(0x08) // TD1
	var global []byte
	for i, value := range parts.global {
		if value >= 0 {
			present |= 1 << i
			global = append(global, byte(value))
		}
	}
	out := []byte{atr[0], present<<4 | byte(len(parts.historical))}
	out = append(out, global...)
	out = append(out, 0x01) // TD1: T=1, nothing after it
	out = append(out, parts.historical...)
	return append(out, checkByte(out[1:])), nil
}

// checkByte is TCK: the exclusive-or of all from T0 on.
func checkByte(data []byte) (sum byte) {
	for _, b := range data {
		sum ^= b
	}
	return sum
}
