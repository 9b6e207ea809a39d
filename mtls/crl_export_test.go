package mtls

import "math/big"

// CrowdedSerial is a serial of 16 octets whose record has that mixed word: a
// forger's way to crowd a bucket of the index.
func CrowdedSerial(mixed, upper uint64) *big.Int {
	k := serialKey{mid: upper}
	k.lo = k.unmix(mixed)
	return k.serial()
}
