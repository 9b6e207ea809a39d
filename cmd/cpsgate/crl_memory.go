package main

import (
	"runtime/debug"
	"slices"
	"strings"
)

// gcPercent is how much garbage may gather beside the live heap, in percent of
// it, before it is collected. The index of a large CRL is most of that heap and
// holds no pointers, so collecting twice as often costs next to nothing and
// spares half the index's size. bench/logins runs with the same.
const gcPercent = 50

// spareMemory sets gcPercent, unless GOGC in the environment says otherwise.
func spareMemory(environ []string) {
	if !slices.ContainsFunc(environ, func(s string) bool { return strings.HasPrefix(s, "GOGC=") }) {
		debug.SetGCPercent(gcPercent)
	}
}
