package sessions_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cpsgate/sessions"
)

// pending is something to take.
type pending struct {
	Challenge []byte
	For       string
}

// once is what both kinds of Once are.
type once interface {
	Put(ctx context.Context, kind string, value any, ttl time.Duration) (string, error)
	Take(ctx context.Context, kind, key string, into any) error
}

func (on ground) once(t *testing.T, o sessions.OnceOptions) (once, *clock) {
	t.Helper()
	c := &clock{t: start}
	o.Now = c.now
	if on.redis == nil {
		return sessions.NewOnce(o), c
	}
	return on.redis(t, sessions.RedisOptions{}).Once(o), c
}

func put(t *testing.T, o once, kind string) string {
	t.Helper()
	key, err := o.Put(t.Context(), kind, pending{[]byte("challenge"), "alice"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestTake(t *testing.T) { everywhere(t, checkTake) }

func checkTake(t *testing.T, on ground) {
	tests := []struct {
		name  string
		after time.Duration
		kind  string
		key   func(key string) string
		want  error
	}{
		{"once", 0, "login", nil, nil},
		{"one instant before its end", time.Minute - 1, "login", nil, nil},
		{"at its end", time.Minute, "login", nil, sessions.ErrNoSuch},
		{"as another kind", 0, "registration", nil, sessions.ErrNoSuch},
		{"another key", 0, "login", func(string) string { return strings.Repeat("A", 43) }, sessions.ErrNoSuch},
		{"no key", 0, "login", func(string) string { return "" }, sessions.ErrNoSuch},
		{"a longer key", 0, "login", func(key string) string { return key + "A" }, sessions.ErrNoSuch},
		{"a huge key", 0, "login", func(string) string { return strings.Repeat("A", 1<<20) }, sessions.ErrNoSuch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, clock := on.once(t, sessions.OnceOptions{})
			key := put(t, o, "login")
			put(t, o, "registration")
			clock.add(tt.after)
			asked := key
			if tt.key != nil {
				asked = tt.key(key)
			}
			var got pending
			err := o.Take(t.Context(), tt.kind, asked, &got)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if (err == nil) != (string(got.Challenge) == "challenge" && got.For == "alice") {
				t.Errorf("took %+v", got)
			}
		})
	}
}

func TestASecondTakerLearnsThatItIsSecond(t *testing.T) {
	everywhere(t, checkASecondTakerLearnsThatItIsSecond)
}

func checkASecondTakerLearnsThatItIsSecond(t *testing.T, on ground) {
	o, clock := on.once(t, sessions.OnceOptions{})
	key := put(t, o, "login")
	var got pending
	if err := o.Take(t.Context(), "registration", key, &got); !errors.Is(err, sessions.ErrNoSuch) {
		t.Fatal(err) // and it stays where it is
	}
	if err := o.Take(t.Context(), "login", key, &got); err != nil {
		t.Fatal(err)
	}
	if err := o.Take(t.Context(), "login", key, &got); !errors.Is(err, sessions.ErrTaken) {
		t.Errorf("error %v", err)
	}
	clock.add(time.Minute)
	// Redis goes by its own clock for what is taken.
	if err := o.Take(t.Context(), "login", key, &got); !errors.Is(err, sessions.ErrNoSuch) && (on.redis == nil || !errors.Is(err, sessions.ErrTaken)) {
		t.Errorf("after its time: %v", err)
	}
}

func TestOfAHundredTakersOneSucceeds(t *testing.T) { everywhere(t, checkOfAHundredTakersOneSucceeds) }

func checkOfAHundredTakersOneSucceeds(t *testing.T, on ground) {
	for range 20 {
		o, _ := on.once(t, sessions.OnceOptions{})
		key := put(t, o, "code")
		var won atomic.Int32
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for range 100 {
			wg.Go(func() {
				<-begin
				var got pending
				err := o.Take(t.Context(), "code", key, &got)
				if err == nil && got.For == "alice" {
					won.Add(1)
				} else if !errors.Is(err, sessions.ErrTaken) {
					t.Error(err)
				}
			})
		}
		close(begin)
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d takers succeeded", won.Load())
		}
	}
}

func TestOnceIsBounded(t *testing.T) { everywhere(t, checkOnceIsBounded) }

func checkOnceIsBounded(t *testing.T, on ground) {
	o, clock := on.once(t, sessions.OnceOptions{MaxPerKind: 3, MaxOf: map[string]int{"guests": 1}, MaxBytes: 100})
	for range 3 {
		put(t, o, "login")
	}
	if _, err := o.Put(t.Context(), "login", pending{}, time.Minute); !errors.Is(err, sessions.ErrOnceFull) {
		t.Errorf("a fourth: %v", err)
	}
	put(t, o, "code") // another kind has room
	put(t, o, "guests")
	if _, err := o.Put(t.Context(), "guests", pending{}, time.Minute); !errors.Is(err, sessions.ErrOnceFull) {
		t.Errorf("a second of a kind with a bound of its own: %v", err)
	}
	clock.add(time.Minute)
	put(t, o, "login") // what was too old gave way
	if _, err := o.Put(t.Context(), "code", pending{For: strings.Repeat("x", 100)}, time.Minute); err == nil {
		t.Error("a value too large was kept")
	}
	if _, err := o.Put(t.Context(), "code", func() {}, time.Minute); err == nil {
		t.Error("a value that is no JSON was kept")
	}
}

func TestWhatCannotBeReadIsGone(t *testing.T) { everywhere(t, checkWhatCannotBeReadIsGone) }

func checkWhatCannotBeReadIsGone(t *testing.T, on ground) {
	o, _ := on.once(t, sessions.OnceOptions{})
	key := put(t, o, "login")
	var other struct{ Another string }
	if err := o.Take(t.Context(), "login", key, &other); err == nil {
		t.Error("read into what it is not")
	}
	var got pending
	if err := o.Take(t.Context(), "login", key, &got); !errors.Is(err, sessions.ErrTaken) {
		t.Errorf("error %v", err)
	}
}

func ExampleOnce() {
	o := sessions.NewOnce(sessions.OnceOptions{})
	ctx := context.Background()
	key, _ := o.Put(ctx, "greeting", "hello", time.Minute)
	var first, second string
	fmt.Println(o.Take(ctx, "greeting", key, &first), first)
	fmt.Println(o.Take(ctx, "greeting", key, &second), second)
	// Output:
	// <nil> hello
	// taken already
}
