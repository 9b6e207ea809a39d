package sessions

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// sweepAtOnce is how many sessions one step of a sweep looks at.
const sweepAtOnce = 500

// sweepLate is for how long a session whose time is over is left alone: a touch
// by another node may be on its way.
const sweepLate = 5 * time.Second

func (p *shared) sweep(ctx context.Context, now time.Time) (over []Session, err error) {
	p.flush(ctx)
	until := strconv.FormatInt(now.Add(-sweepLate).UnixMilli(), 10)
	for {
		members, err := p.client.ZRangeByScore(ctx, p.dueKey(), &redis.ZRangeBy{Min: "-inf", Max: until, Count: sweepAtOnce}).Result()
		if err != nil || len(members) == 0 {
			return over, away(err)
		}
		gone, err := p.removeOver(ctx, members, now)
		over = append(over, gone...)
		if err != nil || len(members) < sweepAtOnce {
			return over, err
		}
	}
}

// removeOver removes those of the members whose time is over, gives the others
// their right place, and strikes out those that have no session. Of several
// nodes that sweep, one removes a session.
func (p *shared) removeOver(ctx context.Context, members []string, now time.Time) (over []Session, err error) {
	entries, err := p.look(ctx, members)
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, e := range entries {
		there[string(e.key[:])] = true
		if !e.session.expired(now) {
			if err := p.client.ZAdd(ctx, p.dueKey(), due(e.key, &e.session)).Err(); err != nil {
				return over, away(err)
			}
			continue
		}
		gone, err := p.swap(ctx, e.key, e.session, nil)
		if err != nil {
			return over, err
		}
		if gone {
			over = append(over, e.session)
		}
	}
	for _, member := range members {
		if there[member] {
			continue
		}
		if err := p.client.ZRem(ctx, p.dueKey(), member).Err(); err != nil {
			return over, away(err)
		}
	}
	return over, nil
}
