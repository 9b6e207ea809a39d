package sessions_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"cpsgate/identity"
	"cpsgate/internal/redislab"
	"cpsgate/sessions"
)

// node is one server of several that share a Redis.
func node(t *testing.T, o sessions.RedisOptions, with sessions.Options) *sessions.Manager {
	t.Helper()
	if o.URL == "" {
		with.Redis = onServer(t, o)
	} else {
		with.Redis = openRedis(t, o)
	}
	with.Now = time.Now
	m, _ := newManager(t, with)
	return m
}

// running runs a node until the test ends.
func running(t *testing.T, m *sessions.Manager) *sessions.Manager {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { m.Run(ctx); close(done) }()
	t.Cleanup(func() { stop(); <-done })
	return m
}

// TestEveryNodeAtOnce: what one node opens, rotates, locks or ends is so on the
// other with the next request, whether or not messages pass between them.
func TestEveryNodeAtOnce(t *testing.T) {
	prefix := "test:" + rand.Text() + ":"
	var told atomic.Int32
	count := sessions.Options{OnEnded: func(context.Context, sessions.Session, string) { told.Add(1) }}
	for name, start := range map[string]func(*testing.T, *sessions.Manager) *sessions.Manager{
		"with messages":     running,
		"with messages cut": func(_ *testing.T, m *sessions.Manager) *sessions.Manager { return m }, // it never subscribes
	} {
		t.Run(name, func(t *testing.T) {
			told.Store(0)
			a := start(t, node(t, sessions.RedisOptions{Prefix: prefix, TrustMemory: time.Minute}, count))
			b := start(t, node(t, sessions.RedisOptions{Prefix: prefix, TrustMemory: time.Minute}, count))
			token, s := open(t, a, byPasskey(alice, cardA, "key"))
			wantFind(t, b, token, nil)
			fresh, _, err := b.Rotate(t.Context(), token, nil)
			if err != nil {
				t.Fatal(err)
			}
			wantFind(t, a, token, sessions.ErrNoSession)
			wantFind(t, a, fresh, nil)
			if err := a.Lock(t.Context(), alice, s.ID); err != nil {
				t.Fatal(err)
			}
			wantFind(t, b, fresh, sessions.ErrLocked)
			if fresh, _, err = b.Unlock(t.Context(), fresh, nil); err != nil {
				t.Fatal(err)
			}
			wantFind(t, a, fresh, nil)
			began := time.Now()
			if n, err := b.EndOfCard(t.Context(), cardA); n != 1 || err != nil {
				t.Fatalf("%d ended, %v", n, err)
			}
			wantFind(t, a, fresh, sessions.ErrNoSession)
			if took := time.Since(began); took > time.Second {
				t.Errorf("over everywhere after %s", took)
			}
			if told.Load() != 1 {
				t.Errorf("told %d times", told.Load())
			}
		})
	}
}

// TestOneOfAHundredOnTwoNodes: codes are taken, and tokens rotated, once.
func TestOneOfAHundredOnTwoNodes(t *testing.T) {
	prefix := "test:" + rand.Text() + ":"
	onceA, onceB := onServer(t, sessions.RedisOptions{Prefix: prefix}).Once(sessions.OnceOptions{}), onServer(t, sessions.RedisOptions{Prefix: prefix}).Once(sessions.OnceOptions{})
	a, b := node(t, sessions.RedisOptions{Prefix: prefix}, sessions.Options{}), node(t, sessions.RedisOptions{Prefix: prefix}, sessions.Options{})
	race := func(try func(node int) error, second error) {
		t.Helper()
		var won atomic.Int32
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for i := range 100 {
			wg.Go(func() {
				<-begin
				if err := try(i % 2); err == nil {
					won.Add(1)
				} else if !errors.Is(err, second) {
					t.Error(err)
				}
			})
		}
		close(begin)
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d succeeded", won.Load())
		}
	}
	for range 5 {
		key := put(t, onceA, "code")
		race(func(node int) error {
			var got pending
			return []once{onceA, onceB}[node].Take(t.Context(), "code", key, &got)
		}, sessions.ErrTaken)
		token, _ := open(t, a, byCard(alice, cardA))
		race(func(node int) error {
			_, _, err := []*sessions.Manager{a, b}[node].Rotate(t.Context(), token, nil)
			return err
		}, sessions.ErrNoSession)
	}
}

// TestRoundTrips: what looking up and signing in cost, counted on the wire.
func TestRoundTrips(t *testing.T) {
	var trips atomic.Int32
	r := onServer(t, sessions.RedisOptions{Observe: func(int, time.Duration, error) { trips.Add(1) }})
	m, _ := newManager(t, sessions.Options{Redis: r, Now: time.Now})
	o := r.Once(sessions.OnceOptions{})
	counted := func(what string, most int32, do func()) {
		t.Helper()
		trips.Store(0)
		do()
		t.Logf("%s: %d round trips", what, trips.Load())
		if trips.Load() > most {
			t.Errorf("%s takes %d round trips, not %d", what, trips.Load(), most)
		}
	}
	var token string
	open(t, m, byCard(bob, cardB)) // connections are made once
	if err := r.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	counted("signing in with a passkey", 3, func() {
		ceremony := put(t, o, "login")
		var got pending
		if err := o.Take(t.Context(), "login", ceremony, &got); err != nil {
			t.Fatal(err)
		}
		token, _ = open(t, m, byPasskey(alice, cardA, strings.Repeat("k", 32)))
	})
	find := func() {
		if _, err := m.Find(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	counted("looking up", 1, find)

	late, _ := newManager(t, sessions.Options{Redis: r, Now: func() time.Time { return time.Now().Add(5 * time.Minute) }})
	m = late
	counted("looking up when the idle end moves", 1, find)
	sessions.Flush(t.Context(), late)
	s, err := late.Find(t.Context(), token)
	if err != nil || time.Until(s.IdleUntil) < 34*time.Minute {
		t.Errorf("idle until %s, %v", s.IdleUntil, err)
	}
}

// TestSessionBytes: how much of Redis's memory a session takes.
func TestSessionBytes(t *testing.T) {
	r := onServer(t, sessions.RedisOptions{Prefix: rand.Text()[:7] + ":"})
	m, _ := newManager(t, sessions.Options{Redis: r, Now: time.Now})
	for _, tt := range []struct {
		name string
		of   sessions.Session
	}{
		{"by certificate", sessions.Session{Holder: alice, Method: identity.MethodCPS, CardTokenID: cardA, Address: "192.0.2.100", Workstation: "POSTE-URGENCES-12"}},
		{"by passkey", sessions.Session{Holder: alice, Method: identity.MethodFIDO2, CardTokenID: cardA, PasskeyID: []byte(strings.Repeat("k", 64)), Proof: identity.ProofSameCard, Address: "192.0.2.100", Workstation: "POSTE-URGENCES-12"}},
	} {
		token, _ := open(t, m, tt.of)
		n, err := r.SessionBytes(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("a session %s takes %d bytes", tt.name, n)
		if n > 320 {
			t.Errorf("a session %s takes %d bytes", tt.name, n)
		}
	}
	if _, err := r.SessionBytes(t.Context(), strings.Repeat("A", 43)); !errors.Is(err, sessions.ErrNoSession) {
		t.Errorf("no session: %v", err)
	}
}

// TestExpiryIsToldByOneNode: of two that sweep.
func TestExpiryIsToldByOneNode(t *testing.T) {
	prefix := "test:" + rand.Text() + ":"
	var told atomic.Int32
	count := func(context.Context, sessions.Session, string) { told.Add(1) }
	early, clock := newManager(t, sessions.Options{Redis: onServer(t, sessions.RedisOptions{Prefix: prefix}), OnEnded: count})
	late, _ := newManager(t, sessions.Options{Redis: onServer(t, sessions.RedisOptions{Prefix: prefix}), OnEnded: count, Now: clock.now})
	var tokens []string
	for range 20 {
		token, _ := open(t, early, byCard(identity.PSIdNat(rand.Text()), cardA))
		tokens = append(tokens, token)
	}
	clock.add(20 * time.Minute)
	used := tokens[0]
	wantFind(t, early, used, nil)
	clock.add(10*time.Minute + 6*time.Second)
	var wg sync.WaitGroup
	for _, m := range []*sessions.Manager{early, late, early, late} {
		wg.Go(func() { sessions.Sweep(t.Context(), m) })
	}
	wg.Wait()
	if told.Load() != 19 {
		t.Errorf("told of %d ends", told.Load())
	}
	wantFind(t, late, used, nil)
	wantFind(t, late, tokens[1], sessions.ErrNoSession)
}

// TestAnothersRecordSignsNobodyIn: what lies under a key, or comes back for it,
// must say so itself.
func TestAnothersRecordSignsNobodyIn(t *testing.T) {
	r := onServer(t, sessions.RedisOptions{})
	m, _ := newManager(t, sessions.Options{Redis: r, Now: time.Now})
	mine, _ := open(t, m, byCard(alice, cardA))
	theirs, _ := open(t, m, byCard(bob, cardB))
	client := sessions.Client(r)
	record, err := client.Get(t.Context(), sessions.KeyName(r, theirs)).Result()
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"another's": record, "garbage": "{", "nothing": "", "cut": record[:len(record)-1]} {
		t.Run(name, func(t *testing.T) {
			client.Set(t.Context(), sessions.KeyName(r, mine), value, time.Minute)
			if s := wantFind(t, m, mine, sessions.ErrNoSession); s.Holder != "" {
				t.Errorf("found %+v", s)
			}
		})
	}
}

// FuzzRecord: whatever bytes are read as a session are exactly what would be
// written for it.
func FuzzRecord(f *testing.F) {
	k := [32]byte{1, 2, 3}
	s := byPasskey(alice, cardA, "key")
	s.ID, s.State, s.CreatedAt, s.Proof = "ID", sessions.StateLocked, start, identity.ProofDesk
	record, err := sessions.Encode(k, &s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(record)
	s.InCard = true
	if record, err = sessions.Encode(k, &s); err != nil {
		f.Fatal(err)
	}
	if back, err := sessions.Decode(k, record); err != nil || !back.InCard || back.Method != s.Method {
		f.Fatalf("%+v, %v", back, err)
	}
	f.Add(record)
	f.Add(record[:len(record)-1])
	f.Add(append(record, 0))
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := sessions.Decode(k, b)
		if err != nil {
			return
		}
		again, err := sessions.Encode(k, &s)
		if err != nil || string(again) != string(b) {
			t.Fatalf("%x is written %x, %v", b, again, err)
		}
	})
}

// TestRedisOverTLSByACL: a server that takes TLS and one user alone, who may do
// what docs/operations.md lists and nothing else.
func TestRedisOverTLSByACL(t *testing.T) {
	redislab.Need(t)
	certificate := newServerCertificate(t)
	server := redislab.Start(t, "port 0", "tls-port {port}", "tls-auth-clients no",
		"tls-cert-file "+certificate.chain, "tls-key-file "+certificate.key,
		"user default off", documentedUser)
	address := "rediss://localhost:" + strings.TrimPrefix(server.Address(), "127.0.0.1:")
	good := sessions.RedisOptions{URL: address, User: "cpsgate", Password: "secret", Roots: certificate.roots, Prefix: "cpsgate:"}
	m := node(t, good, sessions.Options{MaxPerHolder: 2})
	for range 3 {
		open(t, m, byPasskey(alice, cardA, "key"))
	}
	token, s := open(t, m, byCard(alice, cardA))
	if err := m.Lock(t.Context(), alice, s.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Unlock(t.Context(), token, nil); err != nil {
		t.Fatal(err)
	}
	sessions.Sweep(t.Context(), m)
	if n, err := m.EndOfHolder(t.Context(), alice); n != 2 || err != nil {
		t.Errorf("%d ended, %v", n, err)
	}
	o := openRedis(t, good).Once(sessions.OnceOptions{})
	var got pending
	if err := o.Take(t.Context(), "code", put(t, o, "code"), &got); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*sessions.RedisOptions){
		"a wrong password":    func(o *sessions.RedisOptions) { o.Password = "wrong" },
		"no user":             func(o *sessions.RedisOptions) { o.User, o.Password = "", "" },
		"another's prefix":    func(o *sessions.RedisOptions) { o.Prefix = "other:" },
		"an unknown issuer":   func(o *sessions.RedisOptions) { o.Roots = newServerCertificate(t).roots },
		"no TLS":              func(o *sessions.RedisOptions) { o.URL = strings.Replace(o.URL, "rediss", "redis", 1) },
		"another server name": func(o *sessions.RedisOptions) { o.URL = strings.Replace(o.URL, "localhost", "127.0.0.1", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			spoil(&o)
			m := node(t, o, sessions.Options{})
			if _, _, err := m.Open(t.Context(), byCard(alice, cardA)); !errors.Is(err, sessions.ErrAway) {
				t.Errorf("opened: %v", err)
			}
		})
	}
}

// documentedUser is the user of docs/operations.md, beside the default one.
const documentedUser = "user cpsgate on >secret ~cpsgate:* &cpsgate:* " + sessions.ACL

// TestCluster: the same rules with sessions spread over three nodes, as the user
// of docs/operations.md, and while slots move.
func TestCluster(t *testing.T) {
	nodes := redislab.Cluster(t, documentedUser)
	o := sessions.RedisOptions{URL: "redis+cluster://" + nodes[0].Address() + "," + nodes[1].Address(), User: "cpsgate", Password: "secret", Prefix: "cpsgate:"}
	m := node(t, o, sessions.Options{})
	tokens := map[string]bool{}
	for range 12 {
		token, _ := open(t, m, byPasskey(alice, cardA, "key"))
		tokens[token] = true
		wantFind(t, m, token, nil)
	}
	for token := range tokens {
		fresh, _, err := m.Rotate(t.Context(), token, nil)
		if err != nil {
			t.Fatal(err)
		}
		wantFind(t, m, token, sessions.ErrNoSession)
		wantFind(t, m, fresh, nil)
	}
	r := openRedis(t, o)
	moving, _ := open(t, m, byPasskey(alice, cardB, "another"))
	moveAway(t, nodes, sessions.KeyName(r, moving))
	wantFind(t, m, moving, nil)
	fresh, _, err := m.Rotate(t.Context(), moving, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantFind(t, m, moving, sessions.ErrNoSession)
	moveAway(t, nodes, sessions.KeyName(r, fresh))
	if n, err := m.EndOfCard(t.Context(), cardB); n != 1 || err != nil {
		t.Errorf("%d ended while they move, %v", n, err)
	}
	wantFind(t, m, fresh, sessions.ErrNoSession)
	sessions.Sweep(t.Context(), m)
	if n, err := m.EndOfPasskey(t.Context(), []byte("key")); n != 12 || err != nil {
		t.Errorf("%d ended, %v", n, err)
	}
	on := r.Once(sessions.OnceOptions{})
	key := put(t, on, "code")
	var got pending
	if err := on.Take(t.Context(), "code", key, &got); err != nil {
		t.Error(err)
	}
	if err := on.Take(t.Context(), "code", key, &got); !errors.Is(err, sessions.ErrTaken) {
		t.Error(err)
	}
}

// moveAway begins to move the slot of a key to another node, the key with it, so
// that whoever asks where the slot is at home is told to ask there (-ASK).
func moveAway(t *testing.T, nodes []*redislab.Server, name string) {
	t.Helper()
	type member struct {
		client   *redis.Client
		id, port string
	}
	var from, to *member
	for _, n := range nodes {
		m := &member{client: redis.NewClient(&redis.Options{Addr: n.Address()}), port: strconv.Itoa(n.Port)}
		t.Cleanup(func() { m.client.Close() })
		id, err := m.client.Do(t.Context(), "CLUSTER", "MYID").Text()
		if err != nil {
			t.Fatal(err)
		}
		m.id = id
		if m.client.Get(t.Context(), name).Err() == nil {
			from = m
		} else {
			to = m
		}
	}
	if from == nil || to == nil {
		t.Fatal("no node has the session, or all")
	}
	slot, err := from.client.ClusterKeySlot(t.Context(), name).Result()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		to.client.Do(t.Context(), "CLUSTER", "SETSLOT", slot, "IMPORTING", from.id).Err(),
		from.client.Do(t.Context(), "CLUSTER", "SETSLOT", slot, "MIGRATING", to.id).Err(),
		from.client.Migrate(t.Context(), "127.0.0.1", to.port, name, 0, time.Second).Err(),
	); err != nil {
		t.Fatal(err)
	}
}
