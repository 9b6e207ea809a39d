package testpki

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// SerialPattern is how the serials of a large CRL lie in their space.
type SerialPattern int

// The patterns; every serial is 16 bytes.
const (
	RandomSerials     SerialPattern = iota // all over the space
	SequentialSerials                      // eight bytes in common, then a counter
	ClusteredSerials                       // eight bytes in common, as the IGC-Santé does, then random
)

// LargeCRLSpec describes a CRL of many generated entries.
type LargeCRLSpec struct {
	Entries int
	Pattern SerialPattern
	// Clusters is the number of different leading eight bytes; 0 = 1.
	Clusters int
	// Shuffled lists the entries in another order than that of Serial.
	Shuffled bool
	// ReasonEvery gives every n-th entry a reason code; 0 = none, as in the
	// real CRLs.
	ReasonEvery int
	Seed        uint64
	// Also are entries put before the generated ones.
	Also []Entry
	// CRL shapes what surrounds the entries; its own Entries are not used, its
	// Base makes a delta CRL.
	CRL CRLSpec
}

const (
	largeEntrySize  = 2 + 2 + 16 + 2 + 13      // SEQUENCE { INTEGER, UTCTime }
	largeReasonSize = 2 + 2 + 5 + 2 + 3        // crlEntryExtensions { reasonCode }
	largeSpan       = 3 * 365 * 24 * time.Hour // over which revocations are spread
)

// Serial is the i-th generated serial, 0 ≤ i < Entries. Serials with other i
// are not in the CRL, so they serve as those that must not be found.
func (s LargeCRLSpec) Serial(i int) *big.Int {
	var serial [16]byte
	s.serial(uint64(i), serial[:])
	return new(big.Int).SetBytes(serial[:])
}

func (s LargeCRLSpec) serial(i uint64, into []byte) {
	switch s.Pattern {
	case SequentialSerials:
		binary.BigEndian.PutUint64(into, s.prefix(i))
		binary.BigEndian.PutUint64(into[8:], 1<<40+i)
	case ClusteredSerials:
		binary.BigEndian.PutUint64(into, s.prefix(i))
		binary.BigEndian.PutUint64(into[8:], mix(s.Seed^i))
	default:
		binary.BigEndian.PutUint64(into, mix(mix(s.Seed)+2*i)&^(1<<63))
		binary.BigEndian.PutUint64(into[8:], mix(mix(s.Seed)+2*i+1))
		into[0] = max(into[0], 1) // 16 bytes in DER, never 15
	}
}

// prefix keeps the leading byte within 40 to 7F: positive, and 16 bytes long.
func (s LargeCRLSpec) prefix(i uint64) uint64 {
	cluster := i % uint64(max(s.Clusters, 1))
	return mix(s.Seed+cluster<<32+1)&^(3<<62) | 1<<62
}

// mix is the finaliser of splitmix64, a bijection: distinct inputs, distinct outputs.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// WriteLargeCRL streams a correctly signed CRL of millions of entries; nothing
// of it is held in memory.
func WriteLargeCRL(w io.Writer, a *Authority, spec LargeCRLSpec) error {
	if spec.Entries <= 0 {
		return errors.New("large CRL: no entries asked for")
	}
	if err := a.writeLargeCRL(w, spec); err != nil {
		return fmt.Errorf("large CRL of %s: %w", a.Short, err)
	}
	return nil
}

func (a *Authority) writeLargeCRL(w io.Writer, spec LargeCRLSpec) error {
	algorithm, err := signatureAlgorithm(a.Key, 0)
	if err != nil {
		return err
	}
	signatureSize, err := encodedSignature(a.Key)
	if err != nil {
		return err
	}
	before, after := a.aroundEntries(spec, algorithm)
	signedSize := len(before) + spec.size() + len(after)

	out := bufio.NewWriterSize(w, 64<<10)
	hash := sha256.New()
	tbs := io.MultiWriter(out, hash)
	if _, err := out.Write(header(signedSize + len(algorithm) + signatureSize)); err != nil {
		return err
	}
	if _, err := tbs.Write(before); err != nil {
		return err
	}
	thisUpdate, _ := a.updates(spec.CRL)
	if err := spec.writeEntries(tbs, thisUpdate.UTC()); err != nil {
		return err
	}
	if _, err := tbs.Write(after); err != nil {
		return err
	}
	return finish(out, a.Key, hash.Sum(nil), algorithm)
}

// aroundEntries is what of tBSCertList stands before and after the generated entries.
func (a *Authority) aroundEntries(spec LargeCRLSpec, algorithm []byte) (before, after []byte) {
	a.mu.Lock()
	number := a.number(spec.CRL)
	a.mu.Unlock()
	head := built(func(b *cryptobyte.Builder) { a.addCRLHead(b, spec.CRL, algorithm) })
	also := built(func(b *cryptobyte.Builder) {
		for _, entry := range spec.Also {
			entry.add(b)
		}
	})
	list := header(len(also) + spec.size())
	after = built(func(b *cryptobyte.Builder) { addExtensions(b, 0, a.crlExtensions(spec.CRL, number, spec.CRL.Base)) })
	whole := header(len(head) + len(list) + len(also) + spec.size() + len(after))
	return bytes.Join([][]byte{whole, head, list, also}, nil), after
}

// finish writes what follows the signed part.
func finish(out *bufio.Writer, key crypto.Signer, digest, algorithm []byte) error {
	signature, err := key.Sign(nil, digest, crypto.SHA256)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	end := built(func(b *cryptobyte.Builder) {
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
	})
	if _, err := out.Write(end); err != nil {
		return err
	}
	return out.Flush()
}

func (s LargeCRLSpec) size() int {
	size := s.Entries * largeEntrySize
	if s.ReasonEvery > 0 {
		size += (s.Entries + s.ReasonEvery - 1) / s.ReasonEvery * largeReasonSize
	}
	return size
}

// writeEntries writes in blocks: a call for each entry would double the time.
func (s LargeCRLSpec) writeEntries(w io.Writer, thisUpdate time.Time) error {
	const block = 32 << 10
	buffer := make([]byte, 0, block+128)
	step := largeSpan / time.Duration(s.Entries)
	at := thisUpdate.Add(-largeSpan)
	factor := s.factor()
	for i := range s.Entries {
		place := uint64(i) * factor % uint64(s.Entries)
		buffer = s.appendEntry(buffer, i, place, at)
		at = at.Add(step)
		if len(buffer) >= block || i == s.Entries-1 {
			if _, err := w.Write(buffer); err != nil {
				return err
			}
			buffer = buffer[:0]
		}
	}
	return nil
}

func (s LargeCRLSpec) appendEntry(buffer []byte, i int, place uint64, at time.Time) []byte {
	reason := s.ReasonEvery > 0 && i%s.ReasonEvery == 0
	size := byte(largeEntrySize - 2)
	if reason {
		size += largeReasonSize
	}
	buffer = append(buffer, byte(cbasn1.SEQUENCE), size, byte(cbasn1.INTEGER), 16)
	start := len(buffer)
	buffer = append(buffer, make([]byte, 16)...)
	s.serial(place, buffer[start:])
	buffer = append(buffer, byte(cbasn1.UTCTime), 13)
	buffer = at.AppendFormat(buffer, "060102150405Z")
	if reason {
		buffer = append(buffer, reasonExtensions...)
		buffer[len(buffer)-1] = byte(1 + i%5)
	}
	return buffer
}

// reasonExtensions is crlEntryExtensions with one reasonCode, its value last.
var reasonExtensions = sequence(func(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(ExtensionReasonCode)
		b.AddASN1OctetString([]byte{byte(cbasn1.ENUM), 1, 0})
	})
})

// factor permutes the indices when the CRL is to be shuffled: multiplication by
// a number prime to Entries, 1 leaving them as they are.
func (s LargeCRLSpec) factor() uint64 {
	if !s.Shuffled {
		return 1
	}
	n := uint64(s.Entries)
	factor := uint64(2654435761) % n
	for gcd(factor, n) != 1 {
		factor++
	}
	return factor
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// header is the tag and length of a SEQUENCE of that many bytes.
func header(length int) []byte {
	if length < 0x80 {
		return []byte{byte(cbasn1.SEQUENCE), byte(length)}
	}
	digits := big.NewInt(int64(length)).Bytes()
	return append([]byte{byte(cbasn1.SEQUENCE), 0x80 | byte(len(digits))}, digits...)
}

// encodedSignature is the length of a BIT STRING that holds a signature, which
// must be known before signing: so of an RSA key.
func encodedSignature(key crypto.Signer) (int, error) {
	public, ok := key.Public().(*rsa.PublicKey)
	if !ok {
		return 0, fmt.Errorf("key of type %T: RSA needed", key.Public())
	}
	return len(built(func(b *cryptobyte.Builder) { b.AddASN1BitString(make([]byte, public.Size())) })), nil
}
