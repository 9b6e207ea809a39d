package sessions_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"cpsgate/sessions"
)

// between is a hook that comes in at what a node sends to Redis.
type between func(ctx context.Context, commands []redis.Cmder, next func(...redis.Cmder) error) error

func (between) DialHook(next redis.DialHook) redis.DialHook { return next }

func (b between) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		return b(ctx, []redis.Cmder{command}, func(cs ...redis.Cmder) error { return next(ctx, cs[0]) })
	}
}

func (b between) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		return b(ctx, commands, func(cs ...redis.Cmder) error { return next(ctx, cs) })
	}
}

func sends(commands []redis.Cmder, name string) bool {
	return slices.ContainsFunc(commands, func(c redis.Cmder) bool { return c.Name() == name })
}

// pair is two nodes on one Redis, and the connection of the first.
func pair(t *testing.T, told sessions.Options) (a, b *sessions.Manager, ofA, ofB *sessions.Redis) {
	t.Helper()
	prefix := "test:" + rand.Text() + ":"
	ofA, ofB = onServer(t, sessions.RedisOptions{Prefix: prefix}), onServer(t, sessions.RedisOptions{Prefix: prefix})
	first, second := told, told
	first.Redis, first.Now, second.Redis, second.Now = ofA, time.Now, ofB, time.Now
	a, _ = newManager(t, first)
	b, _ = newManager(t, second)
	return a, b, ofA, ofB
}

// TestRotatedWhileItIsListed: a session that is given a new token between the
// two reads of those who end, lock or list sessions is not missed by them.
func TestRotatedWhileItIsListed(t *testing.T) {
	for name, act := range map[string]func(ctx context.Context, m *sessions.Manager, s sessions.Session) error{
		"EndOfHolder": func(ctx context.Context, m *sessions.Manager, _ sessions.Session) error {
			_, err := m.EndOfHolder(ctx, alice)
			return err
		},
		"EndOfCard": func(ctx context.Context, m *sessions.Manager, _ sessions.Session) error {
			_, err := m.EndOfCard(ctx, cardA)
			return err
		},
		"EndOfWorkstation": func(ctx context.Context, m *sessions.Manager, s sessions.Session) error {
			_, err := m.EndOfWorkstation(ctx, s.Workstation)
			return err
		},
		"EndBefore": func(ctx context.Context, m *sessions.Manager, _ sessions.Session) error {
			_, err := m.EndBefore(ctx, sessions.Whose{Holder: alice}, time.Now().Add(time.Minute))
			return err
		},
		"EndByID": func(ctx context.Context, m *sessions.Manager, s sessions.Session) error {
			return m.EndByID(ctx, alice, s.ID)
		},
		"Lock": func(ctx context.Context, m *sessions.Manager, s sessions.Session) error {
			return m.Lock(ctx, alice, s.ID)
		},
		"OfHandle": func(ctx context.Context, m *sessions.Manager, s sessions.Session) error {
			_, err := m.OfHandle(ctx, alice, s.ID)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b, ofA, _ := pair(t, sessions.Options{})
			of := byCard(alice, cardA)
			of.Workstation = "POSTE-12"
			token, s := open(t, b, of)
			var once sync.Once
			sessions.Client(ofA).AddHook(between(func(_ context.Context, commands []redis.Cmder, next func(...redis.Cmder) error) error {
				err := next(commands...)
				if sends(commands, "smembers") {
					once.Do(func() {
						fresh, _, err := b.Rotate(t.Context(), token, nil)
						if err != nil {
							t.Error(err)
						}
						token = fresh
					})
				}
				return err
			}))
			if err := act(t.Context(), a, s); err != nil {
				t.Error(err)
			}
			want := map[string]error{"Lock": sessions.ErrLocked, "OfHandle": nil}
			wanted, kept := want[name]
			if !kept {
				wanted = sessions.ErrNoSession
			}
			wantFind(t, b, token, wanted)
		})
	}
}

// TestListedBeforeItIsThere: nor is one whose new key is listed a moment before
// the session lies there, as it may be in a Cluster, and that is looked at
// before, and the old one after it is gone.
func TestListedBeforeItIsThere(t *testing.T) {
	a, b, ofA, ofB := pair(t, sessions.Options{})
	token, _ := open(t, a, byCard(alice, cardA))
	listed, goOn, rotated := make(chan struct{}), make(chan struct{}), make(chan string, 1)
	sessions.Client(ofB).AddHook(between(func(_ context.Context, commands []redis.Cmder, next func(...redis.Cmder) error) error {
		if !sends(commands, "sadd") {
			return next(commands...)
		}
		at := slices.IndexFunc(commands, func(c redis.Cmder) bool { return c.Name() == "set" })
		err := next(commands[:at]...)
		close(listed)
		<-goOn
		return errors.Join(err, next(commands[at:]...))
	}))
	old := sessions.KeyName(ofA, token)
	var once sync.Once
	sessions.Client(ofA).AddHook(between(func(_ context.Context, commands []redis.Cmder, next func(...redis.Cmder) error) error {
		if !sends(commands, "get") || len(commands) < 2 {
			return next(commands...)
		}
		var err error
		once.Do(func() {
			var of []redis.Cmder
			for _, c := range commands {
				if c.Args()[1] == old {
					of = append(of, c)
					continue
				}
				err = errors.Join(err, ignoreNil(next(c)))
			}
			close(goOn)
			rotated <- <-rotated // it is over
			err = errors.Join(err, ignoreNil(next(of...)))
			commands = nil
		})
		if commands == nil {
			return err
		}
		return next(commands...)
	}))
	go func() {
		fresh, _, err := b.Rotate(t.Context(), token, nil)
		if err != nil {
			t.Error(err)
		}
		rotated <- fresh
	}()
	<-listed
	if n, err := a.EndOfHolder(t.Context(), alice); n != 1 || err != nil {
		t.Errorf("%d ended, %v", n, err)
	}
	wantFind(t, b, <-rotated, sessions.ErrNoSession)
}

func ignoreNil(err error) error {
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// TestEndsAndRotations: of a hundred ends that race with rotations on another
// node, none leaves a token.
func TestEndsAndRotations(t *testing.T) {
	a, b, _, _ := pair(t, sessions.Options{})
	for range 100 {
		token, _ := open(t, b, byCard(alice, cardA))
		var wg sync.WaitGroup
		wg.Go(func() {
			for range 5 {
				fresh, _, err := b.Rotate(t.Context(), token, nil)
				if err != nil {
					return
				}
				token = fresh
			}
		})
		if _, err := a.EndOfHolder(t.Context(), alice); err != nil {
			t.Fatal(err)
		}
		wg.Wait() // a rotation that lost takes back what it listed
		wantFind(t, b, token, sessions.ErrNoSession)
		if list, err := a.OfHolder(t.Context(), alice); err != nil || len(list) != 0 {
			t.Fatalf("%d sessions are left, %v", len(list), err)
		}
	}
}
