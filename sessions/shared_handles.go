package sessions

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// lookAgain bounds how often handles looks for sessions that came meanwhile.
const lookAgain = 20

// handles looks until nothing is listed that was not looked at. A session that
// is given another key between listing and looking is found by that: the new key
// is listed before the old one goes.
func (p *shared) handles(ctx context.Context, holders ...string) (map[string]bool, error) {
	handles, looked := map[string]bool{}, map[string]bool{}
	for range lookAgain {
		members, err := p.members(ctx, holders)
		if err != nil {
			return nil, err
		}
		var fresh []string
		for _, m := range members {
			if !looked[m] {
				looked[m], fresh = true, append(fresh, m)
			}
		}
		if len(fresh) == 0 {
			return handles, nil
		}
		entries, err := p.look(ctx, fresh)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			handles[e.session.ID] = true
		}
	}
	return nil, errors.New("looking for sessions: new ones come all the time")
}

// members are the keys listed of several holders, in one round trip.
func (p *shared) members(ctx context.Context, holders []string) (all []string, err error) {
	if len(holders) == 0 {
		return nil, nil
	}
	sets := make([]*redis.StringSliceCmd, len(holders))
	_, err = p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, holder := range holders {
			sets[i] = pipe.SMembers(ctx, p.indexKey(byHolder, holder))
		}
		return nil
	})
	if err != nil {
		return nil, away(err)
	}
	for _, set := range sets {
		if err := set.Err(); err != nil { // the pipeline tells its first error only
			return nil, away(err)
		}
		all = append(all, set.Val()...)
	}
	return all, nil
}
