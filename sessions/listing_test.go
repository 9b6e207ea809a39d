package sessions_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"cpsgate/sessions"
)

// Handles of several people: of all that they have, be it locked or over and not
// taken away; of nobody else; and of one that is given new tokens all the time,
// each time.
func TestHandlesOf(t *testing.T) { everywhere(t, checkHandlesOf) }

func checkHandlesOf(t *testing.T, on ground) {
	m, clock := on.manager(t, sessions.Options{})
	_, over := open(t, m, byCard(alice, cardA))
	clock.add(sessions.DefaultIdle)
	_, locked := open(t, m, byCard(alice, cardA))
	if err := m.Lock(t.Context(), alice, locked.ID); err != nil {
		t.Fatal(err)
	}
	token, moving := open(t, m, byCard(bob, cardB))
	_, ended := open(t, m, byCard(bob, cardB))
	if err := m.EndByID(t.Context(), bob, ended.ID); err != nil {
		t.Fatal(err)
	}
	_, other := open(t, m, byCard("899700000033", cardB))
	ctx, stop := context.WithCancel(t.Context())
	var turning sync.WaitGroup
	turning.Go(func() {
		for ctx.Err() == nil {
			var err error
			if token, _, err = m.Rotate(t.Context(), token, nil); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer turning.Wait()
	defer stop()
	for range 100 {
		handles, err := m.HandlesOf(t.Context(), alice, bob)
		if err != nil {
			t.Fatal(err)
		}
		if len(handles) != 3 || !handles[over.ID] || !handles[locked.ID] || !handles[moving.ID] || handles[other.ID] {
			t.Fatalf("%v, not %s, %s, %s", handles, over.ID, locked.ID, moving.ID)
		}
	}
	if handles, err := m.HandlesOf(t.Context()); err != nil || len(handles) != 0 {
		t.Errorf("of nobody: %v, %v", handles, err)
	}
}

// What another version of us may have written is not absent: nobody learns that it
// is, until it is gone.
func TestHandlesThatCannotBeRead(t *testing.T) {
	r := onServer(t, sessions.RedisOptions{})
	m, _ := newManager(t, sessions.Options{Redis: r})
	token, _ := open(t, m, byCard(alice, cardA))
	_, whole := open(t, m, byCard(bob, cardB))
	name, client := sessions.KeyName(r, token), sessions.Client(r)
	raw, err := client.Get(t.Context(), name).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	raw[0]++ // its version
	if err := client.Set(t.Context(), name, raw, 0).Err(); err != nil {
		t.Fatal(err)
	}
	if handles, err := m.HandlesOf(t.Context(), alice, bob); !errors.Is(err, sessions.ErrUnreadable) || handles != nil {
		t.Errorf("%v, %v", handles, err)
	}
	if handles, err := m.HandlesOf(t.Context(), bob); err != nil || !handles[whole.ID] {
		t.Errorf("of who has none such: %v, %v", handles, err)
	}
	if err := client.Del(t.Context(), name).Err(); err != nil {
		t.Fatal(err)
	}
	if handles, err := m.HandlesOf(t.Context(), alice, bob); err != nil || len(handles) != 1 {
		t.Errorf("once it is gone: %v, %v", handles, err)
	}
}
