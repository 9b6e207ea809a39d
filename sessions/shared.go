package sessions

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
)

// shared is the place in Redis, the same for all nodes.
//
//	<prefix>s:<key>            one session's record; outlives its idle end a little
//	<prefix>holder:<value> …   sets of keys, one for each value of each index
//	<prefix>due                sorted set of keys by idle end, for sweeping
//	<prefix>ended              channel: keys that are no longer what they were
//
// No script and no transaction spans two keys, so that any of them may lie
// anywhere in a Cluster. An index may name a session that is gone, never fail
// to name one that is there: whoever reads it looks at the record itself.
type shared struct {
	*Redis
	keep  time.Duration // of the indexes: past the longest session
	now   func() time.Time
	trust *trust
	log   *slog.Logger

	late touches
}

func newShared(o Options, longest time.Duration) *shared {
	return &shared{
		Redis: o.Redis, keep: longest + redisGrace, now: o.Now, log: o.Log,
		trust: newTrust(o.Redis.o.TrustMemory, o.Now),
		late:  touches{of: map[key]change{}},
	}
}

// redisGrace is how long a record stays after its session's time is over, so
// that a sweeping node finds it and tells.
const redisGrace = time.Hour

// swapIf replaces (ARGV[2], for ARGV[3] ms) or deletes (ARGV[2] empty) what lies
// there only if it is ARGV[1].
const swapIf = `if redis.call('GET',KEYS[1])~=ARGV[1] then return 0 end
if ARGV[2]=='' then redis.call('DEL',KEYS[1]) else redis.call('SET',KEYS[1],ARGV[2],'PX',ARGV[3]) end
return 1`

// life is how long a record is to be kept, by Redis's own clock.
func (p *shared) life(s *Session) time.Duration {
	return max(s.IdleUntil.Sub(p.now()), 0) + redisGrace
}

// indexKey names an index's set. Credential ids are of any bytes and length.
func (p *shared) indexKey(index by, value string) string {
	if index == byPasskey {
		sum := sha256.Sum256([]byte(value))
		value = tokenEncoding.EncodeToString(sum[:])
	}
	return p.o.Prefix + string(index) + ":" + value
}

func (p *shared) dueKey() string  { return p.o.Prefix + "due" }
func (p *shared) endedAt() string { return p.o.Prefix + "ended" }

func (p *shared) get(ctx context.Context, k key) (Session, error) {
	raw, err := p.client.Get(ctx, p.sessionKey(k)).Bytes()
	if errors.Is(err, redis.Nil) {
		p.trust.drop(k)
		return Session{}, ErrNoSession
	}
	if err != nil {
		if s, found := p.trust.recall(k); found {
			return s, nil
		}
		return Session{}, away(err)
	}
	s, err := p.read(ctx, k, raw)
	if err == nil {
		p.trust.note(k, s)
	}
	return s, err
}

// read reads what lies under k. What is no record of k is no session, whoever
// put it there or handed it out.
func (p *shared) read(ctx context.Context, k key, raw []byte) (Session, error) {
	s, err := decodeRecord(k, raw)
	if err != nil {
		p.log.ErrorContext(ctx, "redis holds or gives what is not a session's record", "error", err)
		return Session{}, ErrNoSession
	}
	return s, nil
}

func (p *shared) insert(ctx context.Context, k key, s Session) (int, error) {
	record, err := encodeRecord(k, &s)
	if err != nil {
		return 0, err
	}
	var ofHolder *redis.IntCmd
	_, err = p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for index, value := range s.indexed() {
			if value == "" {
				continue
			}
			set := p.indexKey(index, value)
			pipe.SAdd(ctx, set, k[:])
			pipe.Expire(ctx, set, p.keep)
		}
		ofHolder = pipe.SCard(ctx, p.indexKey(byHolder, string(s.Holder)))
		pipe.ZAdd(ctx, p.dueKey(), due(k, &s))
		pipe.Set(ctx, p.sessionKey(k), record, p.life(&s))
		return nil
	})
	if err != nil {
		_, _ = p.take(ctx, k) // its token was given to nobody
		return 0, away(err)
	}
	return int(ofHolder.Val()), nil
}

func due(k key, s *Session) redis.Z {
	return redis.Z{Score: float64(s.IdleUntil.UnixMilli()), Member: k[:]}
}

func (p *shared) swap(ctx context.Context, k key, was Session, next *Session) (bool, error) {
	p.late.forget(k)
	old, record, life, err := p.states(k, &was, next)
	if err != nil {
		return false, err
	}
	done, err := p.client.Eval(ctx, swapIf, []string{p.sessionKey(k)}, old, record, life).Int()
	p.trust.drop(k)
	if err != nil {
		return false, away(err)
	}
	if done == 0 {
		return false, nil
	}
	if next == nil {
		p.unlist(ctx, entry{k, was})
		return true, nil
	}
	p.announce(ctx, k)
	return true, nil
}

// states are the arguments of swapIf.
func (p *shared) states(k key, was, next *Session) (old, record []byte, life int64, err error) {
	if old, err = encodeRecord(k, was); err != nil || next == nil {
		return old, nil, 0, err
	}
	record, err = encodeRecord(k, next)
	return old, record, p.life(next).Milliseconds(), err
}

func (p *shared) take(ctx context.Context, keys ...key) ([]Session, error) {
	for _, k := range keys {
		p.late.forget(k)
		p.trust.drop(k)
	}
	gone := make([]*redis.StringCmd, len(keys))
	_, err := p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, k := range keys {
			gone[i] = pipe.GetDel(ctx, p.sessionKey(k))
		}
		return nil
	})
	taken := p.found(ctx, keys, gone)
	if len(taken) > 0 {
		p.unlist(ctx, taken...)
	}
	return sessionsOf(taken), away(present(err))
}

func sessionsOf(entries []entry) []Session {
	list := make([]Session, 0, len(entries))
	for _, e := range entries {
		list = append(list, e.session)
	}
	return list
}

// found reads those answers that hold a session.
func (p *shared) found(ctx context.Context, keys []key, answers []*redis.StringCmd) []entry {
	var list []entry
	for i, k := range keys {
		raw, err := answers[i].Bytes()
		if err != nil {
			continue
		}
		if s, err := p.read(ctx, k, raw); err == nil {
			list = append(list, entry{k, s})
		}
	}
	return list
}

// unlist takes sessions that are gone out of the indexes, and announces that.
// What stays listed by a failure is passed over by list, and goes with its set.
func (p *shared) unlist(ctx context.Context, gone ...entry) {
	_, err := p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, e := range gone {
			for index, value := range e.session.indexed() {
				if value != "" {
					pipe.SRem(ctx, p.indexKey(index, value), e.key[:])
				}
			}
			pipe.ZRem(ctx, p.dueKey(), e.key[:])
			pipe.Publish(ctx, p.endedAt(), e.key[:])
		}
		return nil
	})
	if err != nil {
		p.log.WarnContext(ctx, "ended sessions stay listed, or are not announced", "sessions", len(gone), "error", err)
	}
}

// announce tells the other nodes that what they remember of a session is old.
func (p *shared) announce(ctx context.Context, k key) {
	if err := p.client.Publish(ctx, p.endedAt(), k[:]).Err(); err != nil {
		p.log.WarnContext(ctx, "a session's change is not announced", "error", err)
	}
}

func (p *shared) list(ctx context.Context, index by, value string) ([]entry, error) {
	var list []entry
	err := p.eachListed(ctx, index, []string{value}, func(member string, raw []byte) error {
		if k, ok := keyIn(member); ok {
			if s, err := p.read(ctx, k, raw); err == nil {
				list = append(list, entry{k, s})
			}
		}
		return nil
	})
	return list, err
}

// look gets what lies under the members of the sorted set.
func (p *shared) look(ctx context.Context, members []string) ([]entry, error) {
	keys, answers, err := p.ask(ctx, members)
	return p.found(ctx, keys, answers), err
}

// ask asks for what lies under the members that are keys.
func (p *shared) ask(ctx context.Context, members []string) (keys []key, answers []*redis.StringCmd, err error) {
	for _, member := range members {
		if k, ok := keyIn(member); ok {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, nil, nil
	}
	answers = make([]*redis.StringCmd, len(keys))
	_, err = p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, k := range keys {
			answers[i] = pipe.Get(ctx, p.sessionKey(k))
		}
		return nil
	})
	if err := present(err); err != nil {
		return nil, nil, away(err)
	}
	for _, answer := range answers { // the pipeline tells its first error only
		if err := present(answer.Err()); err != nil {
			return nil, nil, away(err)
		}
	}
	return keys, answers, nil
}
