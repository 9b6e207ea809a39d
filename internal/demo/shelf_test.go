package demo_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cpsgate/internal/demo"
)

func TestShelf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s demo.Shelf
		key := s.Put("visit", time.Now().Add(time.Minute))
		if got, ok := s.See(key); !ok || got != "visit" {
			t.Errorf("seen %q, %t", got, ok)
		}
		if _, ok := s.See("other"); ok {
			t.Error("an unknown key opens")
		}
		time.Sleep(time.Minute)
		if _, ok := s.See(key); ok {
			t.Error("it is seen after its time")
		}
		if _, ok := s.Take(key); ok {
			t.Error("it is taken after its time")
		}
		first := s.Put("first", time.Now().Add(time.Minute))
		for range 1000 {
			s.Put("more", time.Now().Add(time.Hour))
		}
		if _, ok := s.See(first); ok {
			t.Error("a full shelf grows")
		}
		if dropped := s.Drop(func(v string) bool { return v == "more" }); dropped != 1000 {
			t.Errorf("%d dropped", dropped)
		}
	})
}

// TestShelfTakesOnce: of a hundred at a time, one has it.
func TestShelfTakesOnce(t *testing.T) {
	var s demo.Shelf
	key := s.Put("attempt", time.Now().Add(time.Minute))
	var took atomic.Int32
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if _, ok := s.Take(key); ok {
				took.Add(1)
			}
		})
	}
	all.Wait()
	if took.Load() != 1 {
		t.Errorf("taken %d times", took.Load())
	}
}
