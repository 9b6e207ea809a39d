package mtls

import (
	"cmp"
	"encoding/binary"
	"iter"
	"math"
	"math/bits"
)

// serialIndex finds an entry by its serial number: one table for each width of
// serial, negative ones apart. Most CRLs fill one.
type serialIndex struct {
	tables [6]*serialTable
}

func (x *serialIndex) find(k serialKey) (entryMeta, bool) {
	t := x.tables[k.class()]
	if t == nil {
		return 0, false
	}
	return t.find(k)
}

func (x *serialIndex) all() iter.Seq2[serialKey, entryMeta] {
	return func(yield func(serialKey, entryMeta) bool) {
		for class, t := range x.tables {
			if t != nil && !t.each(class >= 3, yield) {
				return
			}
		}
	}
}

// serialTable holds records in ascending order of serialKey.mixed, in chunks,
// and where each bucket, the records with the same high bits, begins.
//
// A record is the mixed word (8 octets), the entryMeta (2), the upper words (0,
// 8 or 12). In a large table the bucket tells the first two octets of the
// mixed word, and they are left out; when all serials have the same upper
// words, those stand once in the table instead.
type serialTable struct {
	starts      bucketStarts
	bucketShift uint8 // of the mixed word, to its bucket
	strip       uint8 // octets of the mixed word left out: 0 or 2
	stride      uint8 // octets of a record
	strideBits  uint8 // its logarithm, where guessable
	upper       uint8 // octets of the upper words: 0, 8 or 12
	shared      bool  // all serials have the upper words of common
	guessable   bool  // guess can read its records: of 8 or 16 octets, two left out
	common      serialKey
	chunks      [][]byte
}

const (
	metaOctets = 2
	// chunkRecords is how many records every chunk holds, but the last.
	chunkRecords = 1 << 10
	// scanWindow is how many records guess looks at.
	scanWindow = 8
)

// records returns record i and those after it in the same chunk.
func (t *serialTable) records(i uint32) []byte {
	return t.chunks[i/chunkRecords][int(i%chunkRecords)*int(t.stride):]
}

func (t *serialTable) find(k serialKey) (entryMeta, bool) {
	if t.shared && (k.mid != t.common.mid || k.hi != t.common.hi) {
		return 0, false
	}
	mixed := k.mixed()
	from, to := t.starts.bucket(mixed >> (t.bucketShift & 63))
	if from == to {
		return 0, false
	}
	if t.guessable {
		if meta, found, sure := t.guess(&k, mixed, from, to); sure {
			return meta, found
		}
	}
	return t.search(k, mixed, from, to)
}

// guess looks at a few records around where the mixed word, which is uniform,
// must lie in its bucket. In an index that is not in the processor's cache this
// is the one miss, and the processor can have several look-ups under way: no
// branch is taken on what the records hold but for the answer. It is not sure
// when the record may lie outside of what it looked at.
func (t *serialTable) guess(k *serialKey, mixed uint64, from, to uint32) (meta entryMeta, found, sure bool) {
	middle := from + uint32(mixed<<(64-t.bucketShift&63)>>32*uint64(to-from)>>32)
	chunk := t.chunks[middle/chunkRecords]
	size := scanWindow << (t.strideBits & 63)
	at := max(int(middle%chunkRecords)-scanWindow/2, 0) << (t.strideBits & 63)
	at = min(at, len(chunk)-size)
	if at < 0 {
		return 0, false, false // fewer records than the window is wide
	}
	window := chunk[at : at+size]
	hits := t.scan(window, mixed<<16)
	first := middle - middle%chunkRecords + uint32(at>>(t.strideBits&63))
	if hits == 0 {
		word := mixed << 16 >> 16
		before := first <= from || binary.BigEndian.Uint64(window)>>16 < word
		after := first+scanWindow >= to || binary.BigEndian.Uint64(window[size-int(t.stride):])>>16 > word
		return 0, false, before && after
	}
	i := bits.TrailingZeros8(hits)
	r := window[i<<(t.strideBits&63):]
	first += uint32(i)
	found = first >= from && first < to && t.sameUpper(r, *k)
	return entryMeta(binary.BigEndian.Uint16(r[6:])), found, found
}

// scan finds the records of the window that begin with the six octets word
// begins with: a bit for each, the first the lowest.
func (t *serialTable) scan(window []byte, word uint64) uint8 {
	if t.strideBits == 4 {
		return scan16((*[16 * scanWindow]byte)(window), word)
	}
	return scan8((*[8 * scanWindow]byte)(window), word)
}

//go:noinline
func scan16(r *[16 * scanWindow]byte, word uint64) (hits uint8) {
	return same(r[0:], word) | same(r[16:], word)<<1 | same(r[32:], word)<<2 | same(r[48:], word)<<3 |
		same(r[64:], word)<<4 | same(r[80:], word)<<5 | same(r[96:], word)<<6 | same(r[112:], word)<<7
}

//go:noinline
func scan8(r *[8 * scanWindow]byte, word uint64) uint8 {
	return same(r[0:], word) | same(r[8:], word)<<1 | same(r[16:], word)<<2 | same(r[24:], word)<<3 |
		same(r[32:], word)<<4 | same(r[40:], word)<<5 | same(r[48:], word)<<6 | same(r[56:], word)<<7
}

// same is 1 when a record begins with the six octets word begins with, else 0.
func same(record []byte, word uint64) uint8 {
	_, borrow := bits.Sub64(binary.BigEndian.Uint64(record)^word, 1<<16, 0)
	return uint8(borrow)
}

// search halves a bucket until the record is found, or not.
func (t *serialTable) search(k serialKey, mixed uint64, from, to uint32) (entryMeta, bool) {
	drop := 8 * t.strip & 63
	want := mixed << drop >> drop
	for from < to {
		middle := from + (to-from)/2
		r := t.records(middle)
		switch order := t.compare(r, binary.BigEndian.Uint64(r)>>drop, want, k); {
		case order == 0:
			return entryMeta(binary.BigEndian.Uint16(r[8-t.strip:])), true
		case order < 0:
			from = middle + 1
		default:
			to = middle
		}
	}
	return 0, false
}

// compare orders record r, whose mixed word is word, and the key k, whose is want.
func (t *serialTable) compare(r []byte, word, want uint64, k serialKey) int {
	if word != want || t.shared {
		return cmp.Compare(word, want)
	}
	upper := t.common
	readUpper(&upper, r[8-t.strip+metaOctets:], t.upper)
	return cmp.Or(cmp.Compare(upper.hi, k.hi), cmp.Compare(upper.mid, k.mid))
}

// sameUpper compares the upper words of record r with those of k.
func (t *serialTable) sameUpper(r []byte, k serialKey) bool {
	if t.shared {
		return true
	}
	r = r[8-t.strip+metaOctets:]
	switch t.upper {
	case 8:
		return binary.BigEndian.Uint64(r) == k.mid
	case 12:
		return binary.BigEndian.Uint32(r) == k.hi && binary.BigEndian.Uint64(r[4:]) == k.mid
	}
	return true
}

// each yields every record until yield has had enough.
func (t *serialTable) each(negative bool, yield func(serialKey, entryMeta) bool) bool {
	drop := 8 * t.strip
	for bucket := range uint64(1) << (64 - t.bucketShift) {
		high := bucket << t.bucketShift >> (64 - drop) << (64 - drop)
		from, to := t.starts.bucket(bucket)
		for ; from < to; from++ {
			r := t.records(from)
			k := t.common
			k.negative = negative
			if !t.shared {
				readUpper(&k, r[8-t.strip+metaOctets:], t.upper)
			}
			k.lo = k.unmix(high | binary.BigEndian.Uint64(r)>>drop)
			if !yield(k, entryMeta(binary.BigEndian.Uint16(r[8-t.strip:]))) {
				return false
			}
		}
	}
	return true
}

func readUpper(k *serialKey, r []byte, octets uint8) {
	switch octets {
	case 8:
		k.mid = binary.BigEndian.Uint64(r)
	case 12:
		k.hi, k.mid = binary.BigEndian.Uint32(r), binary.BigEndian.Uint64(r[4:])
	}
}

// bucketStarts tells where each bucket's records begin. It takes two octets a
// bucket, so that it stays in the processor's cache: distances from the start
// of every 256th. Serials made up to crowd a few buckets can exceed those; then
// far holds every start in full.
type bucketStarts struct {
	base []uint32 // start of every 256th bucket
	near []uint16 // of each bucket and of the end, from its base
	far  []uint32
}

// bucket returns its first record and the one after its last.
func (s *bucketStarts) bucket(i uint64) (from, to uint32) {
	if s.far != nil {
		return s.far[i], s.far[i+1]
	}
	return s.base[i>>8] + uint32(s.near[i]), s.base[(i+1)>>8] + uint32(s.near[i+1])
}

// compactStarts takes the start of every bucket, and the end.
func compactStarts(far []uint32) bucketStarts {
	s := bucketStarts{base: make([]uint32, (len(far)-1)>>8+1), near: make([]uint16, len(far))}
	for i, start := range far {
		if i&0xff == 0 {
			s.base[i>>8] = start
		}
		distance := start - s.base[i>>8]
		if distance > math.MaxUint16 {
			return bucketStarts{far: far}
		}
		s.near[i] = uint16(distance)
	}
	return s
}

// bucketBitsFor aims at twelve to twenty-four records a bucket; a large table has
// sixteen bits at least, to leave two octets out.
func bucketBitsFor(records, partitions int) (bucketBits, strip uint8) {
	bucketBits = uint8(max(bits.Len(uint(records/12))-1, bits.Len(uint(partitions-1)), 1))
	if records >= largeTable {
		return max(bucketBits, 16), 2
	}
	return bucketBits, 0
}

// largeTable is the number of records from which leaving out two octets of
// each is worth 64 Ki buckets.
const largeTable = 1 << 17
