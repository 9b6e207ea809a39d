package sessions

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// SharedOnce is a Once in Redis: what one node puts another may take, and of
// all takers on all nodes one gets it. While Redis is away nothing can be put
// or taken (ErrAway). An answer that is lost on the way counts as taken.
type SharedOnce struct {
	r *Redis
	o OnceOptions
}

// Once returns what keeps, in this Redis, things to be taken once.
func (r *Redis) Once(o OnceOptions) *SharedOnce { return &SharedOnce{r: r, o: o.withDefaults()} }

// onceHead is what stands before a value: its key, and when its time is over.
const onceHead = len(key{}) + 8

// Put is Once.Put. MaxPerKind bounds what is put within one lifetime, so that
// up to twice as much may wait.
func (o *SharedOnce) Put(ctx context.Context, kind string, value any, ttl time.Duration) (string, error) {
	b, err := o.o.write(kind, value)
	if err != nil {
		return "", err
	}
	if ttl < time.Second {
		return "", fmt.Errorf("putting %s: for %s", kind, ttl)
	}
	token, k := newToken()
	until := o.o.Now().Add(ttl)
	var puts *redis.IntCmd
	_, err = o.r.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		window := o.window(kind, until, ttl)
		puts = pipe.Incr(ctx, window)
		pipe.Expire(ctx, window, 2*ttl)
		pipe.Set(ctx, o.at(kind, k), append(head(k, until), b...), ttl)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("putting %s: %w", kind, away(err))
	}
	if puts.Val() > int64(o.o.most(kind)) {
		return "", errors.Join(fmt.Errorf("putting %s: %w", kind, ErrOnceFull), away(o.r.client.Del(ctx, o.at(kind, k)).Err()))
	}
	return token, nil
}

// Take is Once.Take.
func (o *SharedOnce) Take(ctx context.Context, kind, token string, into any) error {
	k, ok := keyOf(token)
	if !ok {
		return ErrNoSuch
	}
	// One command: it leaves an empty value for those who come second, for as
	// long as the value would have stayed (SET XX GET KEEPTTL, Redis 6.2).
	b, err := o.r.client.SetArgs(ctx, o.at(kind, k), "", redis.SetArgs{Mode: "XX", Get: true, KeepTTL: true}).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return ErrNoSuch
	case err != nil:
		return fmt.Errorf("taking %s: %w", kind, away(err))
	case b == "":
		return ErrTaken
	}
	value, err := o.value(k, []byte(b))
	if err != nil {
		return err
	}
	return readOnce(kind, value, into)
}

// value checks what was taken: another's answer is nobody's.
func (o *SharedOnce) value(k key, b []byte) ([]byte, error) {
	if len(b) < onceHead || !bytes.Equal(b[:len(k)], k[:]) {
		return nil, fmt.Errorf("%w: kept under another key", ErrNoSuch)
	}
	until := time.UnixMicro(int64(binary.BigEndian.Uint64(b[len(k):])))
	if !o.o.Now().Before(until) {
		return nil, ErrNoSuch
	}
	return b[onceHead:], nil
}

func head(k key, until time.Time) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(nil), k[:]...), uint64(until.UnixMicro()))
}

func (o *SharedOnce) at(kind string, k key) string {
	return o.r.o.Prefix + "once:" + kind + ":" + tokenEncoding.EncodeToString(k[:])
}

// window names the count of what is put while one lifetime lasts.
func (o *SharedOnce) window(kind string, until time.Time, ttl time.Duration) string {
	return o.r.o.Prefix + "puts:" + kind + ":" + strconv.FormatInt(until.Unix()/max(int64(ttl/time.Second), 1), 10)
}
