package sessions

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// How long Redis is waited for: one command, tried twice at most.
const (
	redisDial  = time.Second
	redisReply = time.Second
	redisTries = 1 // beyond the first
)

// ACL is what the user of RedisOptions must be allowed, as Redis writes it;
// beside it, the keys and channels that begin with the prefix.
const ACL = "-@all +get +set +del +getdel +incr +incrby +expire +sadd +srem +smembers +scard" +
	" +zadd +zrem +zrangebyscore +eval +publish +subscribe +unsubscribe +ping +select +client|setname" +
	" +cluster|slots +cluster|shards +command +readonly +asking"

// RedisOptions say which Redis, and as whom. URL alone is needed.
type RedisOptions struct {
	// URL is redis://host:port/0, redis+sentinel://host:port,host:port/master/0
	// or redis+cluster://host:port,host:port; rediss for TLS. It bears no
	// password.
	URL      string
	User     string // ACL user; "": the default one
	Password string
	// SentinelUser and SentinelPassword are for the sentinels themselves.
	SentinelUser, SentinelPassword string

	Roots  *x509.CertPool // who may vouch for a rediss server; nil: the system's
	Prefix string         // of every key and channel; "": "cpsgate:"

	// TrustMemory is for how long after it was last seen in Redis a session is
	// believed while Redis is away. 0: not at all.
	TrustMemory time.Duration

	// Observe is told of each round trip: how many commands, how long, and what
	// went wrong with the connection or a command. nil: nobody is told.
	Observe func(commands int, took time.Duration, err error)

	Log *slog.Logger // nil: slog.Default
}

// Redis is a Redis that all nodes share: sessions by Options.Redis, what may be
// taken once by Once, counts by Count. It is safe for concurrent use.
type Redis struct {
	o      RedisOptions
	client redis.UniversalClient
}

// quiet keeps go-redis, whose log is the process's, from writing lines of its
// own: each error comes back to a caller, who says it once.
var quiet = sync.OnceFunc(logging.Disable)

// OpenRedis reads the options. It does not connect: a Redis that is away at
// start is found when it comes.
func OpenRedis(o RedisOptions) (*Redis, error) {
	quiet()
	if o.Prefix == "" {
		o.Prefix = "cpsgate:"
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.TrustMemory < 0 {
		return nil, errors.New("redis: memory cannot be trusted for a negative time")
	}
	where, err := parseRedisURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	r := &Redis{o: o, client: redis.NewUniversalClient(universal(o, where))}
	r.client.AddHook(trips{o.Observe})
	return r, nil
}

func universal(o RedisOptions, where redisAddress) *redis.UniversalOptions {
	u := &redis.UniversalOptions{
		Addrs: where.hosts, MasterName: where.master, IsClusterMode: where.cluster, DB: where.db,
		Username: o.User, Password: o.Password, SentinelUsername: o.SentinelUser, SentinelPassword: o.SentinelPassword,
		Protocol:    2,
		DialTimeout: redisDial, DialerRetries: 1, ReadTimeout: redisReply, WriteTimeout: redisReply, PoolTimeout: redisReply,
		MaxRetries: redisTries, ContextTimeoutEnabled: true,
		// What a client tells of itself on connecting once shifted the answers
		// of those after it (CVE-2025-29923); nothing here needs telling.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if where.tls {
		u.TLSConfig = &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12} // for the host of each connection
	}
	return u
}

// Close ends the connections.
func (r *Redis) Close() error { return r.client.Close() }

// Ready tells whether Redis takes a write now.
func (r *Redis) Ready(ctx context.Context) error {
	return away(r.client.Set(ctx, r.o.Prefix+"ready:"+rand.Text(), "1", time.Second).Err())
}

// SessionBytes is how much of Redis's memory a token's session takes, its
// place in the indexes not counted (MEMORY USAGE). For measurements.
func (r *Redis) SessionBytes(ctx context.Context, token string) (int64, error) {
	k, ok := keyOf(token)
	if !ok {
		return 0, ErrNoSession
	}
	n, err := r.client.MemoryUsage(ctx, r.sessionKey(k), 0).Result()
	if errors.Is(err, redis.Nil) {
		return 0, ErrNoSession
	}
	return n, away(err)
}

// sessionKey is where a session lies. The hash stands there as it is: written
// out it would take sixteen bytes more of every session.
func (r *Redis) sessionKey(k key) string { return r.o.Prefix + "s:" + string(k[:]) }

// away marks an error of Redis, whichever: a server that cannot be reached, one
// that may not be written to, one that refuses us.
func away(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}

// trips tells of each round trip.
type trips struct {
	observe func(commands int, took time.Duration, err error)
}

func (t trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (t trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	if t.observe == nil {
		return next
	}
	return func(ctx context.Context, command redis.Cmder) error {
		began := time.Now()
		err := next(ctx, command)
		t.observe(1, time.Since(began), present(err))
		return err
	}
}

func (t trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	if t.observe == nil {
		return next
	}
	return func(ctx context.Context, commands []redis.Cmder) error {
		began := time.Now()
		err := next(ctx, commands)
		t.observe(len(commands), time.Since(began), present(err))
		return err
	}
}

// present leaves out the error that means an absent key.
func present(err error) error {
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}
