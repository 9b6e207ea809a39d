package sessions_test

import (
	"crypto/rand"
	"log/slog"
	"os"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"cpsgate/internal/redislab"
	"cpsgate/sessions"
)

// ground is where the contract of sessions is tried: the same rules hold in
// memory and in Redis.
type ground struct {
	redis func(t *testing.T, o sessions.RedisOptions) *sessions.Redis // nil: memory
}

func everywhere(t *testing.T, check func(t *testing.T, on ground)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { check(t, ground{}) })
	t.Run("a Redis in this process", func(t *testing.T) { check(t, ground{inProcess}) })
	t.Run("redis-server", func(t *testing.T) { check(t, ground{onServer}) })
}

// keeps tells whether a Keeper is in use.
func (on ground) keeps() bool { return on.redis == nil }

func (on ground) manager(t *testing.T, o sessions.Options) (*sessions.Manager, *clock) {
	t.Helper()
	if on.redis != nil {
		o.Keeper, o.Redis = nil, on.redis(t, sessions.RedisOptions{})
	}
	return newManager(t, o)
}

func inProcess(t *testing.T, o sessions.RedisOptions) *sessions.Redis {
	t.Helper()
	o.URL = "redis://" + miniredis.RunT(t).Addr()
	return openRedis(t, o)
}

// onServer is the redis-server that the tests of this package share; each has
// a prefix of its own, and nothing is ever flushed.
func onServer(t *testing.T, o sessions.RedisOptions) *sessions.Redis {
	t.Helper()
	redislab.Need(t)
	server, err := sharedServer()
	if err != nil {
		t.Fatal(err)
	}
	o.URL = server.URL()
	return openRedis(t, o)
}

func openRedis(t *testing.T, o sessions.RedisOptions) *sessions.Redis {
	t.Helper()
	if o.Prefix == "" {
		o.Prefix = "test:" + rand.Text() + ":"
	}
	o.Log = slog.New(slog.DiscardHandler)
	r, err := sessions.OpenRedis(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

var sharedServer = sync.OnceValues(func() (*redislab.Server, error) {
	dir, err := os.MkdirTemp("", "sessions-redis-")
	if err != nil {
		return nil, err
	}
	server, err := redislab.Launch(dir)
	if err != nil {
		return nil, err
	}
	atEnd = func() { server.Kill(); os.RemoveAll(dir) }
	return server, nil
})

// atEnd ends the shared server.
var atEnd = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	atEnd()
	os.Exit(code)
}
