package sessions_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cpsgate/internal/redislab"
	"cpsgate/sessions"
)

// eventually waits until a call gives that error, 20 seconds at most.
func eventually(t *testing.T, what string, want error, call func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = call(); errors.Is(err, want) {
			return
		}
	}
	t.Fatalf("%s: %v, want %v", what, err, want)
}

// TestRedisAway: while Redis cannot be asked nobody gets in, nobody is told to
// be signed out, and nothing needs a restart afterwards.
func TestRedisAway(t *testing.T) {
	for _, tt := range []struct {
		name       string
		leave      func(*redislab.Server) error
		comeBack   func(*redislab.Server) error
		remembered bool
	}{
		{"frozen", (*redislab.Server).Freeze, (*redislab.Server).Thaw, true},
		{"killed, then started empty", func(s *redislab.Server) error { s.Kill(); return nil }, (*redislab.Server).Restart, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := redislab.Start(t)
			r := openRedis(t, sessions.RedisOptions{URL: server.URL()})
			m, _ := newManager(t, sessions.Options{Redis: r, Now: time.Now})
			running(t, m)
			o := r.Once(sessions.OnceOptions{})
			token, _ := open(t, m, byCard(alice, cardA))
			key := put(t, o, "code")
			if err := tt.leave(server); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if s, err := m.Find(t.Context(), token); !errors.Is(err, sessions.ErrAway) || s.Holder != "" {
				t.Errorf("found %+v, %v", s, err)
			}
			if took := time.Since(began); took > 6*time.Second {
				t.Errorf("it took %s to say so", took)
			}
			if _, _, err := m.Open(t.Context(), byCard(alice, cardA)); !errors.Is(err, sessions.ErrAway) {
				t.Errorf("opened: %v", err)
			}
			if _, err := m.EndOfCard(t.Context(), cardA); !errors.Is(err, sessions.ErrAway) {
				t.Errorf("an end that is none is told as one: %v", err)
			}
			var got pending
			if err := o.Take(t.Context(), "code", key, &got); !errors.Is(err, sessions.ErrAway) {
				t.Errorf("taken: %v", err)
			}
			if err := r.Ready(t.Context()); !errors.Is(err, sessions.ErrAway) {
				t.Errorf("ready: %v", err)
			}
			if err := tt.comeBack(server); err != nil {
				t.Fatal(err)
			}
			eventually(t, "ready again", nil, func() error { return r.Ready(t.Context()) })
			want := sessions.ErrNoSession
			if tt.remembered {
				want = nil
			}
			wantFind(t, m, token, want)
			open(t, m, byCard(alice, cardA))
		})
	}
}

// TestAReadOnlyReplicaLetsNobodyIn: nor one that lacks memory.
func TestAReadOnlyReplicaLetsNobodyIn(t *testing.T) {
	master := redislab.Start(t)
	server := redislab.Start(t)
	redislab.Need(t, "redis-cli")
	m := node(t, sessions.RedisOptions{URL: server.URL()}, sessions.Options{})
	token, _ := open(t, m, byCard(alice, cardA))
	server.Command(t, "config", "set", "maxmemory", "1")
	if _, _, err := m.Open(t.Context(), byCard(alice, cardA)); !errors.Is(err, sessions.ErrAway) {
		t.Errorf("without memory: %v", err)
	}
	server.Command(t, "config", "set", "maxmemory", "0")
	server.Command(t, "replicaof", "127.0.0.1", master.Address()[len("127.0.0.1:"):])
	if _, _, err := m.Open(t.Context(), byCard(alice, cardA)); !errors.Is(err, sessions.ErrAway) {
		t.Errorf("read-only: %v", err)
	}
	if _, _, err := m.Rotate(t.Context(), token, nil); err == nil {
		t.Error("rotated on a replica")
	}
	server.Command(t, "replicaof", "no", "one")
	eventually(t, "writable again", nil, func() error {
		_, _, err := m.Open(t.Context(), byCard(alice, cardA))
		return err
	})
}

// TestTrustMemory: a session is believed while Redis is away for as long as was
// said, and not once another node has ended it.
func TestTrustMemory(t *testing.T) {
	server := redislab.Start(t)
	prefix := "test:" + rand.Text() + ":"
	o := sessions.RedisOptions{URL: server.URL(), Prefix: prefix, TrustMemory: 2 * time.Minute}
	m, clock := newManager(t, sessions.Options{Redis: openRedis(t, o)})
	clock.add(time.Since(start))
	running(t, m)
	other := node(t, o, sessions.Options{})
	kept, _ := open(t, m, byCard(alice, cardA))
	ended, _ := open(t, m, byCard(bob, cardB))
	unseen, _ := open(t, other, byCard(alice, cardA))
	// The subscription begins with an empty memory: wait for it, then fill it.
	eventually(t, "subscribed", nil, func() error {
		n, err := sessions.Client(openRedis(t, o)).PubSubNumSub(t.Context(), prefix+"ended").Result()
		if err == nil && n[prefix+"ended"] == 0 {
			err = errDisk
		}
		return err
	})
	eventually(t, "remembered", nil, func() error {
		wantFind(t, m, kept, nil)
		wantFind(t, m, ended, nil)
		if sessions.Remembered(m) < 2 {
			return errDisk
		}
		return nil
	})
	if _, err := other.EndOfHolder(t.Context(), bob); err != nil {
		t.Fatal(err)
	}
	eventually(t, "heeded", nil, func() error {
		if sessions.Remembered(m) != 1 {
			return errDisk
		}
		return nil
	})
	server.Kill()
	find := func(token string) error {
		_, err := m.Find(context.WithoutCancel(t.Context()), token)
		return err
	}
	for name, tt := range map[string]struct {
		token string
		want  error
	}{"confirmed lately": {kept, nil}, "ended by another node": {ended, sessions.ErrAway}, "never seen here": {unseen, sessions.ErrAway}} {
		if err := find(tt.token); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	clock.add(2 * time.Minute)
	if err := find(kept); !errors.Is(err, sessions.ErrAway) {
		t.Errorf("believed for longer than was said: %v", err)
	}
}

// TestSentinel: a master that dies is followed to its replica.
func TestSentinel(t *testing.T) {
	master, replica, sentinels := redislab.Sentinels(t, "cps", documentedUser)
	address := "redis+sentinel://"
	for i, s := range sentinels {
		if i > 0 {
			address += ","
		}
		address += s.Address()
	}
	m := node(t, sessions.RedisOptions{URL: address + "/cps/0", User: "cpsgate", Password: "secret", Prefix: "cpsgate:"}, sessions.Options{})
	token, _ := open(t, m, byCard(alice, cardA))
	eventually(t, "replicated", nil, func() error {
		if replica.Command(t, "dbsize") == "0\n" {
			return errDisk
		}
		return nil
	})
	master.Kill()
	if _, err := m.Find(t.Context(), token); err != nil && !errors.Is(err, sessions.ErrAway) {
		t.Errorf("during the failover: %v", err)
	}
	eventually(t, "found on the replica", nil, func() error {
		_, err := m.Find(t.Context(), token)
		return err
	})
	eventually(t, "opened there", nil, func() error {
		_, _, err := m.Open(t.Context(), byCard(alice, cardA))
		return err
	})
}

func TestOpenRedisRefuses(t *testing.T) {
	for name, address := range map[string]string{
		"no URL":                    "",
		"another scheme":            "http://localhost",
		"no host":                   "redis://",
		"a password":                "redis://:secret@localhost",
		"a query":                   "redis://localhost?db=1",
		"several hosts":             "redis://a,b",
		"an unknown kind":           "redis+proxy://a",
		"no master":                 "redis+sentinel://a,b",
		"a cluster with a database": "redis+cluster://a,b/1",
		"a database with a name":    "redis://a/sessions",
		"no port":                   "redis://a:port",
		"port zero":                 "redis://a:0",
		"an empty host":             "redis+cluster://a,,b",
		"a path within":             "redis://a/0/1",
	} {
		if r, err := sessions.OpenRedis(sessions.RedisOptions{URL: address}); err == nil {
			r.Close()
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := sessions.OpenRedis(sessions.RedisOptions{URL: "redis://a", TrustMemory: -1}); err == nil {
		t.Error("a negative time to trust: accepted")
	}
	for _, address := range []string{
		"redis://localhost", "rediss://redis.example.fr:6380/3", "redis://[::1]:6379", "redis+sentinel://a,b:26380/cps", "rediss+cluster://a,b,c",
	} {
		r, err := sessions.OpenRedis(sessions.RedisOptions{URL: address})
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		r.Close()
	}
}

func FuzzRedisURL(f *testing.F) {
	for _, s := range []string{"redis://localhost/0", "rediss+sentinel://a,b/m/1", "redis+cluster://a:1,b", "redis://%zz", "redis://a@b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if hosts, ok := sessions.ParseURL(s); ok && len(hosts) == 0 {
			t.Errorf("%q names no host", s)
		}
	})
}

type serverCertificate struct {
	chain, key string
	roots      *x509.CertPool
}

// newServerCertificate makes a certificate for localhost that vouches for itself.
func newServerCertificate(t *testing.T) serverCertificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	c := serverCertificate{chain: write("cert.pem", "CERTIFICATE", der), key: write("key.pem", "PRIVATE KEY", secret), roots: x509.NewCertPool()}
	c.roots.AddCert(leaf)
	return c
}
