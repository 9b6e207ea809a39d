package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/redislab"
	"cpsgate/sessions"
)

// command runs one of cpsgate's beside a server.
func (r *running) command(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	var out bytes.Buffer
	env := &environment{ctx: t.Context(), stdout: &out, stderr: &out, now: r.now}
	return run(env, args), out.String()
}

// anotherNode serves on the same database and the same Redis, and gives the
// address of its pages.
func (r *running) anotherNode(t *testing.T) string {
	t.Helper()
	l, err := demoCommand{}.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := openProgram(t.Context(), r.config, quiet(), r.now)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, l, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, p.Close()); err != nil {
			t.Error(err)
		}
	})
	return l.main.Addr().String()
}

// at is a browser's cookies at a node.
func (r *running) at(t *testing.T, node, token string) *http.Client {
	t.Helper()
	client := r.browser(t, "")
	transport := client.Transport.(*http.Transport)
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, node)
	}
	u, err := url.Parse(r.Main)
	if err != nil {
		t.Fatal(err)
	}
	client.Jar.SetCookies(u, []*http.Cookie{{Name: "__Host-cps-session", Value: token, Path: "/", Secure: true}})
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client
}

// open tells whether somebody's account opens in that browser.
func open(t *testing.T, client *http.Client, main string) bool {
	t.Helper()
	response, err := client.Get(main + inside)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// Both nodes are to follow within followsWithin; a busy machine gets as long
// again.
const followsWithin = time.Second

// TestSessionsEndOnAllNodes: one command beside two servers on a real Redis
// ends all sessions of a person, a card, a passkey or a workstation; who was
// not meant stays, and who was may sign in again.
func TestSessionsEndOnAllNodes(t *testing.T) {
	redislab.Need(t)
	server := redislab.Start(t)
	r := serveDemo(t, func(c *Config) {
		c.Sessions.Redis.URL, c.Sessions.Redis.Prefix = "redis://"+server.Address(), "cpsgate:"
	})
	nodes := []string{strings.TrimPrefix(r.Main, "https://"), r.anotherNode(t)}
	_, port, err := net.SplitHostPort(nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	nodes[0] = net.JoinHostPort("127.0.0.1", port)
	r.signedIn(t) // makes the card known
	const card = "8025000001/2600000001"
	known, err := r.program.registry.Card(t.Context(), card)
	if err != nil {
		t.Fatal(err)
	}
	passkey := identity.Passkey{
		ID: []byte("a passkey of this test's"), Holder: known.Holder, CardTokenID: card, Name: "essai", State: identity.PasskeyActive,
		Proof: identity.Proof{Kind: identity.ProofCertificate}, PublicKey: []byte{1}, CreatedAt: r.now(),
	}
	if err := r.program.store.Change(t.Context(), func(u enroll.Unit) error { return u.SavePasskey(t.Context(), passkey) }); err != nil {
		t.Fatal(err)
	}
	id := base64.RawURLEncoding.EncodeToString(passkey.ID)
	if code, said := r.command(t, "card", "show", "--data", r.config.Data, card); code != exitOK || !strings.Contains(said, "id "+id) {
		t.Errorf("card show: exit %d: %s", code, said)
	}

	for _, tt := range []struct{ flag, value string }{
		{"--person", string(known.Holder)}, {"--card", "2600000001"}, {"--passkey", id}, {"--workstation", "SALLE-2"},
	} {
		t.Run(tt.flag, func(t *testing.T) {
			start := func(s sessions.Session) string {
				s.Holder, s.Workstation = known.Holder, cmp.Or(s.Workstation, "SALLE-2")
				token, _, err := r.program.sessions.Open(t.Context(), s)
				if err != nil {
					t.Fatal(err)
				}
				return token
			}
			meant := start(sessions.Session{Method: identity.MethodFIDO2, CardTokenID: card, PasskeyID: passkey.ID, Proof: identity.ProofCertificate})
			stays := start(sessions.Session{Method: identity.MethodCPS, Workstation: "SALLE-3"})
			for _, node := range nodes {
				if !open(t, r.at(t, node, meant), r.Main) || !open(t, r.at(t, node, stays), r.Main) {
					t.Fatalf("not signed in at %s", node)
				}
			}
			if code, said := r.command(t, "sessions", "end", "--data", r.config.Data, "--reason", "départ", tt.flag, tt.value); code != exitOK {
				t.Fatalf("exit %d: %s", code, said)
			}
			since := time.Now()
			for _, node := range nodes {
				browser := r.at(t, node, meant)
				for open(t, browser, r.Main) {
					if time.Since(since) > 2*followsWithin {
						t.Fatalf("still open at %s", node)
					}
					time.Sleep(20 * time.Millisecond)
				}
			}
			t.Logf("over on both nodes after %s", time.Since(since).Round(time.Millisecond))
			if is, want := open(t, r.at(t, nodes[1], stays), r.Main), tt.flag != "--person"; is != want {
				t.Errorf("the other session is open: %t", is)
			}
			event := r.latest(t, audit.KindSessionsEnd)
			if event.Reason != "départ" || event.Actor != "console" || event.Outcome != audit.Done || event.Detail != strings.TrimPrefix(tt.flag, "--") {
				t.Errorf("the audit has %+v", event)
			}
			r.offset.Add(int64(2 * time.Second))
			if again := start(sessions.Session{Method: identity.MethodCPS, CardTokenID: card}); !open(t, r.at(t, nodes[1], again), r.Main) {
				t.Error("a later session is not open")
			}
		})
	}
}

// latest is the last event of a kind.
func (r *running) latest(t *testing.T, kind string) audit.Event {
	t.Helper()
	for event, err := range audit.Found(t.Context(), r.program.store, audit.Query{Kinds: []string{kind}}) {
		if err != nil {
			t.Fatal(err)
		}
		return event
	}
	t.Fatalf("no %s in the audit", kind)
	return audit.Event{}
}

// TestSessionsEndWhileNoServerRuns: what was kept does not come back.
func TestSessionsEndWhileNoServerRuns(t *testing.T) {
	_, c, _ := demoConfig(t)
	before, err := openProgram(t.Context(), c, quiet(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	token := func(workstation string) string {
		kept, _, err := before.sessions.Open(t.Context(), sessions.Session{Holder: "899700000017", Method: identity.MethodCPS, Workstation: workstation})
		if err != nil {
			t.Fatal(err)
		}
		return kept
	}
	ended, stays := token("SALLE-2"), token("SALLE-3")
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	r := &running{}
	if code, said := r.command(t, "sessions", "end", "--data", c.Data, "--reason", "fermeture", "--workstation", "SALLE-2"); code != exitOK {
		t.Fatalf("exit %d: %s", code, said)
	}
	after, err := openProgram(t.Context(), c, quiet(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { after.Close() })
	if _, err := after.sessions.Find(t.Context(), ended); !errors.Is(err, sessions.ErrNoSession) {
		t.Errorf("the ended one: %v", err)
	}
	if _, err := after.sessions.Find(t.Context(), stays); err != nil {
		t.Errorf("the other: %v", err)
	}
}

func TestSessionsEndRefused(t *testing.T) {
	_, c, _ := demoConfig(t)
	p, err := openProgram(t.Context(), c, quiet(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		code int
		args []string
	}{
		{"nobody", exitUnusable, []string{"--reason", "x"}},
		{"two", exitUnusable, []string{"--reason", "x", "--person", "899700000017", "--card", "2600000001"}},
		{"no reason", exitUnusable, []string{"--person", "899700000017"}},
		{"no person", exitUnusable, []string{"--reason", "x", "--person", "Camille"}},
		{"no card", exitUnusable, []string{"--reason", "x", "--card", "26"}},
		{"no passkey", exitUnusable, []string{"--reason", "x", "--passkey", "?"}},
		{"no workstation", exitUnusable, []string{"--reason", "x", "--workstation", " "}},
		{"an unknown person", exitRefused, []string{"--reason", "x", "--person", "899900001019"}},
		{"an unknown card", exitRefused, []string{"--reason", "x", "--card", "2600000009"}},
		{"an unknown passkey", exitRefused, []string{"--reason", "x", "--passkey", "AAAA"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if code, said := (&running{}).command(t, append([]string{"sessions", "end", "--data", c.Data}, tt.args...)...); code != tt.code {
				t.Errorf("exit %d: %s", code, said)
			}
		})
	}
}
