package demo

import (
	"crypto/rand"
	"sync"
	"time"
)

// most is how many things a shelf keeps: a demonstration has few visitors.
const most = 1000

// shelf keeps things in memory for a time, each under a key that nobody guesses.
type shelf[T any] struct {
	mu   sync.Mutex
	kept map[string]kept[T]
}

type kept[T any] struct {
	thing T
	until time.Time
}

// put keeps a thing until then. A full shelf makes room by what ends soonest.
func (s *shelf[T]) put(thing T, until time.Time) (key string) {
	key = random()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = map[string]kept[T]{}
	}
	if len(s.kept) >= most {
		first, soonest := "", time.Time{}
		for k, v := range s.kept {
			if first == "" || v.until.Before(soonest) {
				first, soonest = k, v.until
			}
		}
		delete(s.kept, first)
	}
	s.kept[key] = kept[T]{thing, until}
	return key
}

// see gives what is kept under the key and not yet over.
func (s *shelf[T]) see(key string) (thing T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.kept[key]
	if !ok || !time.Now().Before(k.until) {
		return thing, false
	}
	return k.thing, true
}

// take is see, once.
func (s *shelf[T]) take(key string) (thing T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.kept[key]
	delete(s.kept, key)
	if !ok || !time.Now().Before(k.until) {
		return thing, false
	}
	return k.thing, true
}

// drop takes away all that the condition holds for, and counts them.
func (s *shelf[T]) drop(condition func(T) bool) (dropped int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, k := range s.kept {
		if condition(k.thing) {
			delete(s.kept, key)
			dropped++
		}
	}
	return dropped
}

// random is 52 letters and digits, 260 bits.
func random() string { return rand.Text() + rand.Text() }
