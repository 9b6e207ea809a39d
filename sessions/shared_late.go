package sessions

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// change is one swap.
type change struct{ was, next Session }

// touches are swaps that wait for the next flush.
type touches struct {
	mu sync.Mutex // guards of
	of map[key]change
}

// maxTouches bounds what waits while Redis is away.
const maxTouches = 100_000

func (t *touches) add(k key, c change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.of) < maxTouches {
		t.of[k] = c
	}
}

func (t *touches) forget(k key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, k)
}

func (t *touches) takeAll() map[key]change {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.of
	t.of = map[key]change{}
	return all
}

// touch waits for the next flush, a second at most: looking a session up then
// never takes a second round trip.
func (p *shared) touch(k key, was, next Session) { p.late.add(k, change{was, next}) }

// flush makes the touches that wait. One that fails is lost, as is one whose
// session changed meanwhile: the next use of the session touches it again.
func (p *shared) flush(ctx context.Context) {
	all := p.late.takeAll()
	if len(all) == 0 {
		return
	}
	_, err := p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for k, c := range all {
			old, record, life, err := p.states(k, &c.was, &c.next)
			if err != nil {
				continue
			}
			pipe.Eval(ctx, swapIf, []string{p.sessionKey(k)}, old, record, life)
			pipe.ZAddXX(ctx, p.dueKey(), due(k, &c.next)) // only what is listed still
		}
		return nil
	})
	if err != nil {
		p.log.WarnContext(ctx, "touched sessions not kept", "sessions", len(all), "error", err)
	}
}

// flushEvery is how long a touch waits at most.
const flushEvery = time.Second

// run flushes touches and heeds what other nodes announce, until ctx ends.
func (p *shared) run(ctx context.Context) {
	var heeding sync.WaitGroup
	if p.trust.lasts > 0 { // else there is nothing to drop
		heeding.Go(func() { p.heed(ctx) })
	}
	defer heeding.Wait()
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.flush(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// heed drops from memory what other nodes have ended or locked. Each time the
// subscription begins anew everything is dropped: something may have been
// missed. While there is none, what was missed is believed for no longer than
// memory is trusted, and only if Redis is away.
func (p *shared) heed(ctx context.Context) {
	for ctx.Err() == nil {
		if err := p.listen(ctx); err != nil && ctx.Err() == nil {
			p.log.WarnContext(ctx, "what other nodes end is not heard for now", "error", err)
		}
		wait(ctx, flushEvery)
	}
}

// listenTime is how long a subscription may be silent before it is asked
// whether it still lives, and then how long it may take to answer.
const listenTime = 5 * time.Second

// listen is one subscription, until it fails.
func (p *shared) listen(ctx context.Context) error {
	subscription := p.client.Subscribe(ctx, p.endedAt())
	defer subscription.Close()
	defer context.AfterFunc(ctx, func() { subscription.Close() })() // Receive heeds no context
	for asked := false; ; {
		message, err := subscription.ReceiveTimeout(ctx, listenTime)
		var silent net.Error
		if errors.As(err, &silent) && silent.Timeout() && !asked {
			asked, err = true, subscription.Ping(ctx)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		asked = false
		switch m := message.(type) {
		case *redis.Subscription:
			p.trust.dropAll()
		case *redis.Message:
			if len(m.Payload) == len(key{}) {
				p.trust.drop(key([]byte(m.Payload)))
			}
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
