// Package heap tells the garbage collector how much garbage may gather, for a
// server whose live heap is a few megabytes, or mostly the index of a large CRL.
package heap

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
)

// percent of the live heap may gather beside it. The index of a large CRL is
// most of that heap and holds no pointers, so that collecting twice as often as
// Go does by itself costs next to nothing and spares half the index's size.
const percent = 50

// room, in octets, may gather however small the live heap is: with a few
// megabytes of it, percent alone would have the collector at work all the time.
const room = 12 << 20

var once sync.Once

// Spare sets how much may gather, now and after each collection, unless GOGC in
// the environment (NAME=value) says otherwise.
func Spare(environ []string) {
	if !slices.ContainsFunc(environ, func(s string) bool { return strings.HasPrefix(s, "GOGC=") }) {
		once.Do(func() { afterEach(adjuster(func(p int) { debug.SetGCPercent(p) })) })
	}
}

// afterEach calls f now and after each collection: what nothing refers to is
// cleaned up once in each.
func afterEach(f func()) {
	f()
	runtime.AddCleanup(new([16]byte), afterEach, f) // 16 octets: the smallest that is an allocation of its own
}

// adjuster gives a function that sets the percentage by the heap that the last
// collection found alive.
func adjuster(set func(percent int)) func() {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	inForce := 0
	return func() {
		metrics.Read(sample)
		// Setting it stops the program for a moment: not for a tenth more or less.
		if p := percentFor(sample[0].Value.Uint64()); math.Abs(float64(p-inForce)) > float64(inForce)/10 {
			set(p)
			inForce = p
		}
	}
}

// percentFor gives what Go's GOGC should be for so many live octets.
func percentFor(live uint64) int {
	const most = 400 // before the first collection nothing is known to be alive
	return int(min(most, max(percent, room*100/max(live, 1))))
}
