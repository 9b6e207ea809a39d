package mtls

import (
	"cmp"
	"encoding/binary"
	"iter"
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
	starts      []uint32 // first record of each bucket, and of what follows the last
	bucketShift uint8    // of the mixed word, to its bucket
	strip       uint8    // octets of the mixed word left out: 0 or 2
	stride      uint8    // octets of a record
	strideBits  uint8    // its logarithm, where guessable
	upper       uint8    // octets of the upper words: 0, 8 or 12
	shared      bool     // all serials have the upper words of common
	guessable   bool     // guess can read its records: of 8 or 16 octets, two left out
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
	starts := t.starts[mixed>>(t.bucketShift&63):]
	from, to := starts[0], starts[1]
	if t.guessable && from < to {
		if meta, found, sure := t.guess(k.mid, mixed, from, to); sure {
			return meta, found
		}
	}
	return t.search(k, mixed, from, to)
}

// guess looks at a few records around where the mixed word, which is uniform,
// must lie in its bucket. In an index that is not in the processor's cache this
// is the one miss, and the processor can have several look-ups under way: the
// fewer instructions, the more; and no branch is taken on what the records hold
// but for the answer. It is not sure when the record may lie outside of what it
// looked at.
func (t *serialTable) guess(upper, mixed uint64, from, to uint32) (meta entryMeta, found, sure bool) {
	middle := from + uint32(mixed<<(64-t.bucketShift&63)>>32*uint64(to-from)>>32)
	chunk := t.chunks[middle/chunkRecords]
	stride := t.strideBits & 7
	at := max(int(middle%chunkRecords)-scanWindow/2, 0) << stride
	at = min(at, len(chunk)-scanWindow<<stride)
	if at < 0 {
		return 0, false, false // fewer records than the window is wide
	}
	window := chunk[at:]
	first := middle - middle%chunkRecords + uint32(at>>stride)
	word := mixed << 16 >> 16
	tail := bits.ReverseBytes32(uint32(mixed))
	var hits uint8
	if stride == 4 {
		hits = scan16((*[16 * scanWindow]byte)(window), tail)
	} else {
		hits = scan8((*[8 * scanWindow]byte)(window), tail)
	}
	if hits == 0 {
		before := first <= from || binary.BigEndian.Uint64(window)>>16 < word
		after := first+scanWindow >= to || binary.BigEndian.Uint64(window[(scanWindow-1)<<stride:])>>16 > word
		return 0, false, before && after
	}
	i := bits.TrailingZeros8(hits)
	window = window[i<<stride:]
	record := binary.BigEndian.Uint64(window)
	found = first+uint32(i)-from < to-from && record>>16 == word && (t.shared || binary.BigEndian.Uint64(window[8:]) == upper)
	return entryMeta(record), found, found
}

// scan16 finds which of the records, of 16 octets, have tail for the last four
// octets of their mixed word: a bit for each, the first the lowest.
//
//go:noinline
func scan16(r *[16 * scanWindow]byte, tail uint32) uint8 {
	return same(r[0:], tail) | same(r[16:], tail)<<1 | same(r[32:], tail)<<2 | same(r[48:], tail)<<3 |
		same(r[64:], tail)<<4 | same(r[80:], tail)<<5 | same(r[96:], tail)<<6 | same(r[112:], tail)<<7
}

// scan8 is scan16 for records of 8 octets.
//
//go:noinline
func scan8(r *[8 * scanWindow]byte, tail uint32) uint8 {
	return same(r[0:], tail) | same(r[8:], tail)<<1 | same(r[16:], tail)<<2 | same(r[24:], tail)<<3 |
		same(r[32:], tail)<<4 | same(r[40:], tail)<<5 | same(r[48:], tail)<<6 | same(r[56:], tail)<<7
}

func same(record []byte, tail uint32) (hit uint8) {
	if binary.LittleEndian.Uint32(record[2:]) == tail {
		hit = 1
	}
	return hit
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

// each yields every record until yield has had enough.
func (t *serialTable) each(negative bool, yield func(serialKey, entryMeta) bool) bool {
	drop := 8 * t.strip
	for bucket := range uint64(1) << (64 - t.bucketShift) {
		high := bucket << t.bucketShift >> (64 - drop) << (64 - drop)
		from, to := t.starts[bucket], t.starts[bucket+1]
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
