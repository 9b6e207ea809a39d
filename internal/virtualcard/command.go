package virtualcard

import "encoding/binary"

// Status words (ISO 7816-4 §5.6).
const (
	swOK             = 0x9000
	swUpdate         = 0x9100 // CTAP 2.1 §11.3.5.2: the command is still at work
	swMore           = 0x6100 // with the number of bytes waiting
	swWrongLength    = 0x6700
	swChaining       = 0x6884 // command chaining not supported
	swConditions     = 0x6985
	swNotFound       = 0x6A82
	swWrongParameter = 0x6A86
	swExactLength    = 0x6C00 // with the Le that fits
	swInstruction    = 0x6D00
	swClass          = 0x6E00
)

// Longest data of an answer, short and extended (ISO 7816-4 §5.3.2).
const (
	maxShort    = 256
	maxExtended = 65536
)

// command is a command APDU.
type command struct {
	cla, ins, p1, p2 byte
	data             []byte
	ne               int  // bytes expected at most; 0: no Le field
	extended         bool // length fields are extended
}

// parseCommand reads a command APDU of any case (ISO 7816-4 §5.2).
func parseCommand(apdu []byte) (c command, ok bool) {
	if len(apdu) < 4 {
		return c, false
	}
	c = command{cla: apdu[0], ins: apdu[1], p1: apdu[2], p2: apdu[3]}
	body := apdu[4:]
	switch {
	case len(body) == 0: // case 1
		return c, true
	case len(body) == 1: // case 2, short
		c.ne = expected(int(body[0]), maxShort)
		return c, true
	case body[0] != 0:
		return c.short(body)
	default:
		return c.long(body)
	}
}

// short reads cases 3 and 4 with short length fields.
func (c command) short(body []byte) (command, bool) {
	n := int(body[0])
	switch len(body) {
	case 1 + n:
	case 2 + n:
		c.ne = expected(int(body[1+n]), maxShort)
	default:
		return c, false
	}
	c.data = body[1 : 1+n]
	return c, true
}

// long reads cases 2 to 4 with extended length fields.
func (c command) long(body []byte) (command, bool) {
	c.extended = true
	if len(body) < 3 {
		return c, false
	}
	n := int(binary.BigEndian.Uint16(body[1:]))
	if len(body) == 3 { // case 2: it was Le
		c.ne = expected(n, maxExtended)
		return c, true
	}
	switch {
	case n == 0:
		return c, false
	case len(body) == 3+n:
	case len(body) == 5+n:
		c.ne = expected(int(binary.BigEndian.Uint16(body[3+n:])), maxExtended)
	default:
		return c, false
	}
	c.data = body[3 : 3+n]
	return c, true
}

// expected is Ne for a value of Le: zero means the maximum.
func expected(le, maximum int) int {
	if le == 0 {
		return maximum
	}
	return le
}

// chained tells whether more of the command follows (ISO 7816-4 §5.3.3).
func (c command) chained() bool { return c.cla&0x10 != 0 }

// class is the class without the chaining bit.
func (c command) class() byte { return c.cla &^ 0x10 }

// word is a status word alone.
func word(sw int) []byte { return []byte{byte(sw >> 8), byte(sw)} }

// withWord is data and a status word.
func withWord(data []byte, sw int) []byte {
	return append(data[:len(data):len(data)], byte(sw>>8), byte(sw))
}
