package sessions

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// lookAgain bounds how often an index is looked at for sessions that came
// meanwhile.
const lookAgain = 20

// looksAtAbsent is how often nothing must lie under a key that is listed until
// it is a session no more. Once is not enough: a key may be listed a moment
// before its session lies there, while the key that this one is to take the
// place of is not looked at before it goes. By the second look either the one or
// the other was there all through the first.
const looksAtAbsent = 2

// eachListed gives what lies under the members of an index for several values,
// nil for a member that is no key. It looks until nothing is listed that was not
// looked at. A session that is given another key between listing and looking is
// found by that: the new key is listed before the old one goes. Such a session
// may be given under both.
func (p *shared) eachListed(ctx context.Context, index by, values []string, give func(member string, raw []byte) error) error {
	looks := map[string]int{}
	for range lookAgain {
		members, err := p.members(ctx, index, values)
		if err != nil {
			return err
		}
		var open []string
		for _, m := range members {
			if looks[m] < looksAtAbsent {
				open = append(open, m)
			}
		}
		if len(open) == 0 {
			return nil
		}
		if err := p.lookAt(ctx, open, looks, give); err != nil {
			return err
		}
	}
	return errors.New("looking for sessions: new ones come all the time")
}

// lookAt gives what lies under the members, and counts the looks.
func (p *shared) lookAt(ctx context.Context, members []string, looks map[string]int, give func(string, []byte) error) error {
	for _, m := range members {
		if _, ok := keyIn(m); !ok {
			looks[m] = looksAtAbsent
			if err := give(m, nil); err != nil {
				return err
			}
		}
	}
	keys, answers, err := p.ask(ctx, members)
	if err != nil {
		return err
	}
	for i, k := range keys {
		member := string(k[:])
		raw, err := answers[i].Bytes()
		if errors.Is(err, redis.Nil) {
			looks[member]++
			continue
		}
		looks[member] = looksAtAbsent
		if err := give(member, raw); err != nil {
			return err
		}
	}
	return nil
}

// keyIn is the key that a member is.
func keyIn(member string) (k key, ok bool) {
	if len(member) != len(k) {
		return k, false
	}
	return key([]byte(member)), true
}

// handles gives the handles of what is listed of the holders. To whoever ends
// what is absent, a record that is none to us may be another version's.
func (p *shared) handles(ctx context.Context, holders ...string) (map[string]bool, error) {
	handles := map[string]bool{}
	err := p.eachListed(ctx, byHolder, holders, func(member string, raw []byte) error {
		k, ok := keyIn(member)
		if !ok {
			return fmt.Errorf("%w: listed under no key", ErrUnreadable)
		}
		s, err := decodeRecord(k, raw)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnreadable, err)
		}
		handles[s.ID] = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return handles, nil
}

// members are the keys listed for several values of an index, in one round trip.
func (p *shared) members(ctx context.Context, index by, values []string) (all []string, err error) {
	if len(values) == 0 {
		return nil, nil
	}
	sets := make([]*redis.StringSliceCmd, len(values))
	_, err = p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, value := range values {
			sets[i] = pipe.SMembers(ctx, p.indexKey(index, value))
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
