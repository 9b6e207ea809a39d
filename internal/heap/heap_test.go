package heap

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"
)

func TestPercentFor(t *testing.T) {
	for live, want := range map[uint64]int{
		0: 400, 1 << 20: 400, 4 << 20: 300, 12 << 20: 100, 24 << 20: 50, 1 << 40: 50,
	} {
		if got := percentFor(live); got != want {
			t.Errorf("%d octets alive: %d %%, want %d", live, got, want)
		}
	}
}

// TestSpareFollowsTheHeap: what was right for a small heap is not kept for a
// large one, nor the other way round.
func TestSpareFollowsTheHeap(t *testing.T) {
	var inForce atomic.Int64
	afterEach(adjuster(func(p int) { inForce.Store(int64(p)) }))
	become := func(what string, right func(int64) bool) {
		t.Helper()
		for range 200 {
			runtime.GC()
			if right(inForce.Load()) {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Errorf("%s: %d %%", what, inForce.Load())
	}
	become("not raised for a small heap", func(p int64) bool { return p > 100 })
	index := make([]byte, 64<<20)
	become("not lowered for a large heap", func(p int64) bool { return p == percent })
	runtime.KeepAlive(index)
	become("not raised again", func(p int64) bool { return p > 100 })
}

func TestGOGCIsLeftAlone(t *testing.T) {
	before := debug.SetGCPercent(70)
	defer debug.SetGCPercent(before)
	Spare([]string{"PATH=/bin", "GOGC=70"})
	if got := debug.SetGCPercent(before); got != 70 {
		t.Errorf("%d %% in spite of GOGC", got)
	}
}
