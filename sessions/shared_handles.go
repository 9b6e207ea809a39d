package sessions

import (
	"context"
	"errors"
	"fmt"

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
		if err := p.lookForHandles(ctx, fresh, handles); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("looking for sessions: new ones come all the time")
}

// lookForHandles adds the handles of what lies under the members. To whoever
// ends what is absent, a record that is none to us may be another version's.
func (p *shared) lookForHandles(ctx context.Context, members []string, handles map[string]bool) error {
	for _, member := range members {
		if len(member) != len(key{}) {
			return fmt.Errorf("%w: listed under no key", ErrUnreadable)
		}
	}
	keys, answers, err := p.ask(ctx, members)
	if err != nil {
		return err
	}
	for i, k := range keys {
		raw, err := answers[i].Bytes()
		if errors.Is(err, redis.Nil) {
			continue
		}
		s, err := decodeRecord(k, raw)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnreadable, err)
		}
		handles[s.ID] = true
	}
	return nil
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
