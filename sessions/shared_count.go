package sessions

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Count adds to counts that all nodes share and gives what they come to in the
// running window of that length. It is one round trip for all of them, meant to
// be made now and then beside the requests counted, not within them.
func (r *Redis) Count(ctx context.Context, window time.Duration, now time.Time, add map[string]int) (map[string]int, error) {
	if len(add) == 0 {
		return nil, nil
	}
	prefix := r.o.Prefix + "count:" + strconv.FormatInt(now.UnixMilli()/max(window.Milliseconds(), 1), 10) + ":"
	sums := make(map[string]*redis.IntCmd, len(add))
	_, err := r.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for name, n := range add {
			sums[name] = pipe.IncrBy(ctx, prefix+name, int64(n))
			pipe.Expire(ctx, prefix+name, 2*window)
		}
		return nil
	})
	if err != nil {
		return nil, away(err)
	}
	totals := make(map[string]int, len(sums))
	for name, sum := range sums {
		totals[name] = int(sum.Val())
	}
	return totals, nil
}
