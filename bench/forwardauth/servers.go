package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"cpsgate/internal/heap"
	"cpsgate/sessions"
)

// running is a server under test.
type running struct {
	command *exec.Cmd
	pid     int
	address string
}

func (s *site) start(name string) error {
	if name == proxy {
		return s.startProxy()
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.Command("taskset", "-c", serverCore, self, "-serve", name, s.folder, s.redis.URL())
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return err
	}
	s.running[name] = &running{command, command.Process.Pid, strings.TrimSpace(line)}
	return nil
}

// startProxy runs oauth2-proxy as its own documentation has it for auth_request,
// without a log, and leaves sessions in Redis by its own packages.
func (s *site) startProxy() error {
	secret := strings.Repeat("k", 32)
	seed, program := filepath.Join(s.folder, "seed"), filepath.Join(s.folder, "oauth2-proxy")
	for path, what := range map[string]string{seed: ".", program: "github.com/oauth2-proxy/oauth2-proxy/v7"} {
		build := exec.Command("go", "build", "-o", path, what)
		build.Dir = filepath.Join("bench", "oauth2proxy")
		if said, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building: %w\n%s", err, said)
		}
	}
	out, err := exec.Command(seed, s.redis.URL(), secret, strconv.Itoa(s.sessions)).Output()
	if err != nil {
		return fmt.Errorf("seeding: %w", err)
	}
	var requests []string
	for cookie := range strings.Lines(string(out)) {
		requests = append(requests, request("/oauth2/auth", strings.TrimSpace(cookie)))
	}
	if err := s.keep(proxy, requests); err != nil {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	command := exec.Command("taskset", "-c", serverCore, program,
		"--http-address="+address, "--provider=github", "--client-id=x", "--client-secret=x", "--email-domain=*", "--upstream=static://202",
		"--cookie-secret="+secret, "--session-store-type=redis", "--redis-connection-url="+s.redis.URL(), "--reverse-proxy=true", "--set-xauthrequest=true",
		"--request-logging=false", "--auth-logging=false", "--standard-logging=false")
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		return err
	}
	s.running[proxy] = &running{command, command.Process.Pid, address}
	return s.answers(address)
}

// answers waits until somebody listens.
func (s *site) answers(address string) (err error) {
	for range 500 {
		var c net.Conn
		if c, err = net.Dial("tcp", address); err == nil {
			return c.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// keep writes the requests that the generator sends to a server.
func (s *site) keep(name string, requests []string) error {
	text, err := json.Marshal(requests)
	if err != nil {
		return err
	}
	s.requests[name] = filepath.Join(s.folder, strings.ReplaceAll(name, " ", "-")+".json")
	return os.WriteFile(s.requests[name], text, 0o600)
}

// request is what nginx sends by the snippet in docs/forward-auth.md.
func request(path, cookie string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: sso.hopital.example\r\nCookie: " + cookie + "\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Host: dossier.hopital.example\r\n" +
		"X-Forwarded-Method: GET\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Uri: /patients?id=1\r\n\r\n"
}

// serveChild is a Go server in a process of its own, on the address it prints.
func serveChild(name string, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("-serve NAME FOLDER REDIS")
	}
	heap.Spare(os.Environ()) // as cpsgate serve does; the bare ones get the same room
	manager, _, err := openSessions(args[1], nil)
	if err != nil {
		return err
	}
	var handler http.Handler
	switch name {
	case ours:
		handler, err = wholeServer(args[0], manager)
	case quick:
		handler = bareHandler(manager.Find)
	default:
		handler, err = jsonHandler(args[1])
	}
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	return server.Serve(listener)
}

// jsonHandler is a bare handler as anyone writes it: the session is JSON under
// the hash of its token.
func jsonHandler(url string) (http.Handler, error) {
	client, err := plainRedis(url)
	if err != nil {
		return nil, err
	}
	return bareHandler(func(ctx context.Context, token string) (s sessions.Session, err error) {
		text, err := client.Get(ctx, plainKey(token)).Bytes()
		if err != nil {
			return s, err
		}
		return s, json.Unmarshal(text, &s)
	}), nil
}

func plainRedis(url string) (*redis.Client, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	return redis.NewClient(o), nil
}

func plainKey(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "plain:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// bareHandler is the least that an Echo handler does to know a session: no
// middleware, one GET, the record decoded.
func bareHandler(find func(context.Context, string) (sessions.Session, error)) http.Handler {
	e := echo.New()
	e.GET(checkPath, func(c echo.Context) error {
		cookie, err := c.Cookie("session")
		if err != nil {
			return c.NoContent(http.StatusUnauthorized)
		}
		s, err := find(c.Request().Context(), cookie.Value)
		if err != nil {
			return c.NoContent(http.StatusUnauthorized)
		}
		c.Response().Header().Set("Remote-User", string(s.Holder))
		return c.NoContent(http.StatusOK)
	})
	return e
}
