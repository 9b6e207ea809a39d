package heap

import (
	"runtime"
	"runtime/debug"
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
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	Spare([]string{"GOGC=70"})
	if got := debug.SetGCPercent(100); got != 100 {
		t.Fatalf("%d in spite of GOGC", got)
	}
	Spare(nil)
	become := func(what string, right func(int) bool) {
		t.Helper()
		for range 200 {
			runtime.GC()
			time.Sleep(5 * time.Millisecond)
			got := debug.SetGCPercent(-1) // the only way to read it
			debug.SetGCPercent(got)
			if right(got) {
				return
			}
		}
		t.Error(what)
	}
	become("not raised for a small heap", func(p int) bool { return p > 100 })
	index := make([]byte, 64<<20)
	become("not lowered for a large heap", func(p int) bool { return p == percent })
	runtime.KeepAlive(index)
	index = nil
	become("not raised again", func(p int) bool { return p > 100 })
}
