package mtls

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"runtime"
	"slices"
	"sort"
)

// indexBuilder takes entries in the order of the CRL.
type indexBuilder struct {
	tables     [6]*tableBuilder
	n          int
	partitions int // of each table
}

// manyEntries is the length of revokedCertificates from which its entries are
// spread over partitions while they arrive.
const manyEntries = 1 << 20

// expect tells how many octets of entries will come.
func (b *indexBuilder) expect(octets int64) {
	b.partitions = 1
	if octets >= manyEntries {
		b.partitions = 256
	}
}

func (b *indexBuilder) len() int { return b.n }

func (b *indexBuilder) add(k serialKey, meta entryMeta) {
	class := k.class()
	t := b.tables[class]
	if t == nil {
		t = newTableBuilder(upperOctets[class], b.partitions)
		b.tables[class] = t
	}
	t.add(k, meta)
	b.n++
}

// build makes the index. Only an indirect CRL may list a serial twice: its
// entries are of several issuers.
func (b *indexBuilder) build(repeats bool) (x serialIndex, err error) {
	for class, t := range b.tables {
		if t == nil {
			continue
		}
		if x.tables[class], err = t.build(repeats); err != nil {
			return serialIndex{}, err
		}
		b.tables[class] = nil
	}
	return x, nil
}

// tableBuilder gathers the records of one table in partitions by the high bits
// of their mixed word, then sorts partition by partition: a partition's chunks
// are copied out and become the chunks of the table, so that building takes
// hardly more memory than the records themselves.
type tableBuilder struct {
	upper      int
	stride     int // of a gathered record: nothing left out
	chunk      int // octets of a chunk
	partitions []partition
	shift      uint // of the mixed word, to its partition
	n          int
	first      serialKey
	shared     bool // all keys have the upper words of first

	free    [][]byte // gathered chunks, read
	rest    []byte   // of the one that became chunks of the table last
	scratch []byte
	counts  []uint32
	starts  []uint32 // of the buckets
	table   *serialTable
	tail    []byte // unused rest of the table's last chunk
}

// partition is records in full chunks, and one being filled.
type partition struct {
	filling []byte
	full    [][]byte
}

func newTableBuilder(upper, partitions int) *tableBuilder {
	b := &tableBuilder{upper: upper, stride: 8 + metaOctets + upper, partitions: make([]partition, partitions), shift: 64, shared: true}
	b.chunk = (b.stride - 2) * chunkRecords // what a chunk of a large table takes
	if partitions > 1 {
		b.shift = 64 - 8
	}
	return b
}

func (b *tableBuilder) add(k serialKey, meta entryMeta) {
	if b.n == 0 {
		b.first = k
	}
	b.n++
	b.shared = b.shared && k.mid == b.first.mid && k.hi == b.first.hi
	mixed := k.mixed()
	p := &b.partitions[mixed>>b.shift]
	at := len(p.filling)
	if at+b.stride > cap(p.filling) {
		b.nextChunk(p)
		at = 0
	}
	p.filling = p.filling[:at+b.stride]
	r := p.filling[at:]
	binary.BigEndian.PutUint64(r, mixed)
	binary.BigEndian.PutUint16(r[8:], uint16(meta))
	switch b.upper {
	case 8:
		binary.BigEndian.PutUint64(r[10:], k.mid)
	case 12:
		binary.BigEndian.PutUint32(r[10:], k.hi)
		binary.BigEndian.PutUint64(r[14:], k.mid)
	}
}

func (b *tableBuilder) nextChunk(p *partition) {
	if p.filling != nil {
		p.full = append(p.full, p.filling)
	}
	p.filling = make([]byte, 0, b.chunk)
}

func (b *tableBuilder) build(repeats bool) (*serialTable, error) {
	bucketBits, strip := bucketBitsFor(b.n, len(b.partitions))
	t := &serialTable{bucketShift: 64 - bucketBits, strip: strip, upper: uint8(b.upper), shared: b.shared}
	t.stride = uint8(b.stride) - strip
	if b.shared {
		t.common = serialKey{mid: b.first.mid, hi: b.first.hi}
		t.stride -= uint8(b.upper)
	}
	t.strideBits = uint8(bits.Len8(t.stride) - 1)
	t.guessable = t.stride == 8 || t.stride == 16
	b.starts = make([]uint32, 1, 1<<bucketBits+1)
	b.table = t
	b.counts = make([]uint32, 1<<bucketBits/len(b.partitions))
	for i := range b.partitions {
		runtime.Gosched() // as in derStream.fill
		if err := b.sortPartition(&b.partitions[i], repeats); err != nil {
			return nil, err
		}
	}
	t.starts = b.starts
	t.chunks = slices.Clone(t.chunks)
	b.trimLast()
	return t, nil
}

// sortPartition moves a partition's records into the table: by bucket through
// scratch, then in order within each bucket.
func (b *tableBuilder) sortPartition(p *partition, repeats bool) error {
	if p.filling != nil {
		p.full = append(p.full, p.filling)
	}
	t := b.table
	mask := uint64(len(b.counts) - 1)
	clear(b.counts)
	total := 0
	for _, chunk := range p.full {
		for r := chunk; len(r) > 0; r = r[b.stride:] {
			b.counts[binary.BigEndian.Uint64(r)>>t.bucketShift&mask]++
			total++
		}
	}
	before := b.starts[len(b.starts)-1]
	start := uint32(0)
	for i, n := range b.counts {
		b.counts[i] = start
		start += n
		b.starts = append(b.starts, before+start)
	}
	b.scratch = slices.Grow(b.scratch[:0], total*b.stride)[:total*b.stride]
	for _, chunk := range p.full {
		for r := chunk; len(r) > 0; r = r[b.stride:] {
			n := &b.counts[binary.BigEndian.Uint64(r)>>t.bucketShift&mask]
			copy(b.scratch[int(*n)*b.stride:], r[:b.stride])
			*n++
		}
		b.free = append(b.free, chunk)
	}
	*p = partition{}
	return b.emit(repeats) // counts are now the ends of the buckets
}

func (b *tableBuilder) emit(repeats bool) error {
	from := 0
	for _, end := range b.counts {
		to := int(end) * b.stride
		bucket := records{b.scratch[from:to], b.stride}
		from = to
		bucket.sort()
		if !repeats && bucket.repeated() {
			return crlFault(CRLDuplicateSerial, 0, "")
		}
		for r := bucket.octets; len(r) > 0; r = r[b.stride:] {
			b.put(r[:b.stride])
		}
	}
	return nil
}

// put appends a record to the table, without what it leaves out.
func (b *tableBuilder) put(r []byte) {
	stride := int(b.table.stride)
	if len(b.tail) < stride {
		b.tail = b.tableChunk()
		b.table.chunks = append(b.table.chunks, b.tail)
	}
	copy(b.tail[:stride], r[b.table.strip:])
	b.tail = b.tail[stride:]
}

// tableChunk takes a gathered chunk, or what was left of the one before, or
// makes one.
func (b *tableBuilder) tableChunk() []byte {
	size := int(b.table.stride) * chunkRecords
	if len(b.rest) < size {
		last := len(b.free) - 1
		if last < 0 || cap(b.free[last]) < size {
			return make([]byte, size)
		}
		b.rest = b.free[last][:cap(b.free[last])]
		b.free = b.free[:last]
	}
	chunk := b.rest[:size:size]
	b.rest = b.rest[size:]
	return chunk
}

// trimLast gives the unused end of the last chunk back.
func (b *tableBuilder) trimLast() {
	if chunks := b.table.chunks; len(chunks) > 0 && len(b.tail) > 0 {
		last := chunks[len(chunks)-1]
		chunks[len(chunks)-1] = bytes.Clone(last[:len(last)-len(b.tail)])
	}
}

// records are gathered records side by side, to sort.
type records struct {
	octets []byte
	stride int
}

func (r records) Len() int        { return len(r.octets) / r.stride }
func (r records) at(i int) []byte { return r.octets[i*r.stride : (i+1)*r.stride] }

func (r records) Less(i, j int) bool { return lessRecord(r.at(i), r.at(j)) }

func (r records) Swap(i, j int) {
	a, b := r.at(i), r.at(j)
	for k := range a {
		a[k], b[k] = b[k], a[k]
	}
}

// lessRecord orders by mixed word, then by upper words.
func lessRecord(a, b []byte) bool {
	x, y := binary.BigEndian.Uint64(a), binary.BigEndian.Uint64(b)
	if x != y {
		return x < y
	}
	return bytes.Compare(a[8+metaOctets:], b[8+metaOctets:]) < 0
}

// sort is by insertion in the small buckets that mixing makes, and not
// quadratic in those only a forger would make.
func (r records) sort() {
	n := r.Len()
	if n > 64 {
		sort.Sort(r)
		return
	}
	var moved [8 + metaOctets + 12]byte
	for i := 1; i < n; i++ {
		j := i
		for j > 0 && lessRecord(r.at(i), r.at(j-1)) {
			j--
		}
		if j == i {
			continue
		}
		copy(moved[:], r.at(i))
		copy(r.octets[(j+1)*r.stride:(i+1)*r.stride], r.octets[j*r.stride:i*r.stride])
		copy(r.at(j), moved[:r.stride])
	}
}

// repeated reports two records of one serial, in sorted records.
func (r records) repeated() bool {
	for i := 1; i < r.Len(); i++ {
		if !lessRecord(r.at(i-1), r.at(i)) {
			return true
		}
	}
	return false
}
