package mtls

import (
	"encoding/binary"
	"math/big"
	"math/bits"
)

// maxSerial is the longest serial number, in octets (RFC 5280 §4.1.2.2). Its
// DER may take one octet more, a leading zero.
const maxSerial = 20

// serialKey is a serial number as the index sees it: the magnitude, big-endian,
// in three words.
type serialKey struct {
	lo, mid  uint64
	hi       uint32
	negative bool
}

// keyOfMagnitude reads a big-endian number; false when it is over maxSerial.
func keyOfMagnitude(b []byte) (k serialKey, ok bool) {
	if len(b) == 16 || len(b) == 17 && b[0] == 0 {
		b = b[len(b)-16:]
		return serialKey{lo: binary.BigEndian.Uint64(b[8:]), mid: binary.BigEndian.Uint64(b)}, true
	}
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	if len(b) > maxSerial {
		return k, false
	}
	var full [maxSerial]byte
	copy(full[maxSerial-len(b):], b)
	return keyOfOctets(&full), true
}

func keyOfOctets(b *[maxSerial]byte) serialKey {
	return serialKey{hi: binary.BigEndian.Uint32(b[:]), mid: binary.BigEndian.Uint64(b[4:]), lo: binary.BigEndian.Uint64(b[12:])}
}

// keyOfSerial is false for what no CRL can list: nil, and numbers over maxSerial.
func keyOfSerial(serial *big.Int) (k serialKey, ok bool) {
	if serial == nil {
		return k, false
	}
	k.negative = serial.Sign() < 0
	words := serial.Bits()
	if bits.UintSize != 64 {
		return k.ofOctets(serial)
	}
	switch len(words) {
	case 3:
		k.hi, k.mid, k.lo = uint32(words[2]), uint64(words[1]), uint64(words[0])
		return k, uint64(words[2])>>32 == 0
	case 2:
		k.mid, k.lo = uint64(words[1]), uint64(words[0])
	case 1:
		k.lo = uint64(words[0])
	case 0:
	default:
		return k, false
	}
	return k, true
}

// ofOctets is keyOfSerial where words have 32 bits.
func (k serialKey) ofOctets(serial *big.Int) (serialKey, bool) {
	if serial.BitLen() > maxSerial*8 {
		return k, false
	}
	var full [maxSerial]byte
	serial.FillBytes(full[:])
	of := keyOfOctets(&full)
	of.negative = k.negative
	return of, true
}

func (k serialKey) serial() *big.Int {
	var full [maxSerial]byte
	binary.BigEndian.PutUint32(full[:], k.hi)
	binary.BigEndian.PutUint64(full[4:], k.mid)
	binary.BigEndian.PutUint64(full[12:], k.lo)
	n := new(big.Int).SetBytes(full[:])
	if k.negative {
		n.Neg(n)
	}
	return n
}

// class is the table of the index the key belongs to: by the words it needs.
func (k serialKey) class() int {
	c := 0
	switch {
	case k.hi != 0:
		c = 2
	case k.mid != 0:
		c = 1
	}
	if k.negative {
		c += 3
	}
	return c
}

// upperOctets is, for each class, how long the part above the low word is.
var upperOctets = [6]int{0, 8, 12, 0, 8, 12}

// mixed is the low word made uniform, whatever the serials look like: random,
// consecutive or in clusters. For given upper words it is a bijection, so the
// index may hold it instead of the low word and still compare exactly.
func (k serialKey) mixed() uint64 {
	x := k.lo ^ k.salt()
	x ^= x >> 33
	x *= mixA
	x ^= x >> 33
	x *= mixB
	return x ^ x>>33
}

// unmix finds the low word again.
func (k serialKey) unmix(x uint64) uint64 {
	x ^= x >> 33
	x *= mixBInverse
	x ^= x >> 33
	x *= mixAInverse
	x ^= x >> 33
	return x ^ k.salt()
}

func (k serialKey) salt() uint64 { return (k.mid ^ uint64(k.hi)*mixB) * mixC }

// The multipliers of MurmurHash3's 64-bit finalizer, their inverses modulo
// 2^64, and the golden ratio.
const (
	mixA        = 0xff51afd7ed558ccd
	mixB        = 0xc4ceb9fe1a85ec53
	mixAInverse = 0x4f74430c22a54005
	mixBInverse = 0x9cb4b2f8129337db
	mixC        = 0x9e3779b97f4a7c15
)
