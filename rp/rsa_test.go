package rp_test

import (
	"bytes"
	"testing"

	"cpsgate/internal/softkey"
	"cpsgate/rp"
)

// modulus is an odd number of so many bits.
func modulus(bits int) []byte {
	b := bytes.Repeat([]byte{0xFF}, (bits+7)/8)
	b[0] >>= (8 - bits%8) % 8
	return b
}

func even(b []byte) []byte {
	b[len(b)-1] &^= 1
	return b
}

func TestRSAKeys(t *testing.T) {
	f4 := []byte{1, 0, 1}
	for _, c := range []struct {
		rule   string
		n, e   []byte
		reason rp.Reason
	}{
		{"2048 bits", modulus(2048), f4, ""},
		{"4096 bits", modulus(4096), f4, ""},
		{"exponent 3", modulus(2048), []byte{3}, ""},
		{"the largest exponent", modulus(2048), []byte{0x7F, 0xFF, 0xFF, 0xFF}, ""},
		{"8 bits", modulus(8), f4, rp.ReasonAlgorithm},
		{"1024 bits", modulus(1024), f4, rp.ReasonAlgorithm},
		{"2047 bits", modulus(2047), f4, rp.ReasonAlgorithm},
		{"1024 bits behind zeros", append(make([]byte, 128), modulus(1024)...), f4, rp.ReasonAlgorithm},
		{"4097 bits", modulus(4097), f4, rp.ReasonAlgorithm},
		{"an even modulus", even(modulus(2048)), f4, rp.ReasonAlgorithm},
		{"exponent 1", modulus(2048), []byte{1}, rp.ReasonAlgorithm},
		{"exponent 1 behind zeros", modulus(2048), []byte{0, 0, 1}, rp.ReasonAlgorithm},
		{"exponent 2", modulus(2048), []byte{2}, rp.ReasonAlgorithm},
		{"an even exponent", modulus(2048), []byte{1, 0, 0}, rp.ReasonAlgorithm},
		{"an exponent of 32 bits", modulus(2048), []byte{0xFF, 0xFF, 0xFF, 0xFF}, rp.ReasonAlgorithm},
		{"exponent 0", modulus(2048), []byte{0}, rp.ReasonMalformed},
		{"no exponent", modulus(2048), []byte{}, rp.ReasonMalformed},
		{"no modulus", []byte{}, f4, rp.ReasonMalformed},
	} {
		for _, alg := range []int{softkey.RS256, softkey.PS256} {
			key := softkey.Map{1: 3, 3: alg, -1: c.n, -2: c.e}
			_, err := registration{
				device: func(o *softkey.Options) { o.Attestation = softkey.None },
				lies:   []softkey.Lie{func(d *softkey.Draft) { d.PublicKey = key }},
			}.run(t)
			if reason := reasonOf(t, err); reason != c.reason {
				t.Errorf("%s, algorithm %d: reason %q instead of %q: %v", c.rule, alg, reason, c.reason, err)
			}
		}
	}
}

// A weak key that was stored before is none to log in with, though it signs.
func TestLoginByAStoredWeakRSAKey(t *testing.T) {
	l := newLogin(t, party(t, nil))
	weak := pki().WeakKey()
	l.passkey.PublicKey = softkey.Encode(softkey.COSEKey(weak.Public(), softkey.RS256))
	sign := func(d *softkey.Draft) { d.Signer, d.Algorithm = weak, softkey.RS256 }
	_, err := l.party.FinishLogin(l.pending, l.answer(t, sign), l.find, now)
	if reason := reasonOf(t, err); reason != rp.ReasonSignature {
		t.Errorf("reason %q: %v", reason, err)
	}
}
