package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestHealth: ready while the server serves, not before and not after.
func TestHealth(t *testing.T) {
	d, c, l := demoConfig(t)
	ask := func() (code int, said string) {
		var out, errs bytes.Buffer
		env := &environment{ctx: t.Context(), stdout: &out, stderr: &errs, now: time.Now}
		code = run(env, []string{"health", "--config", d.Config})
		return code, out.String() + errs.String()
	}
	p, err := openProgram(t.Context(), c, quiet(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, l, nil) }()
	if code, said := ask(); code != exitOK || said != "ready\n" {
		t.Errorf("a server that serves: exit %d, %q", code, said)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if code, said := ask(); code != exitRefused || !strings.Contains(said, "no answer") {
		t.Errorf("a server that has ended: exit %d, %q", code, said)
	}
	write(t, d.Config, []byte("mian: {}"))
	if code, _ := ask(); code != exitUnusable {
		t.Errorf("a configuration that is none: exit %d", code)
	}
}

// TestHealthBelievesOnlyReady plays servers that are not.
func TestHealthBelievesOnlyReady(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		says   string // "" = ready
	}{
		{"ready", func(w http.ResponseWriter, _ *http.Request) {}, ""},
		{"not ready", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "not\nready", http.StatusServiceUnavailable)
		}, "503 Service Unavailable not ready"},
		{"sent elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		}, "302"},
		{"half an answer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = w.Write([]byte("half"))
		}, "half an answer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := httptest.NewServer(tc.answer)
			defer server.Close()
			err := askReady(t.Context(), server.URL+"/readyz")
			if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("says %v, want %q", err, tc.says)
			}
		})
	}
}

// TestHealthWaitsNotForever: whoever asked can give up.
func TestHealthWaitsNotForever(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if c, err := l.Accept(); err == nil {
			cancel()
			defer c.Close()
			<-t.Context().Done()
		}
	}()
	if err := askReady(ctx, "http://"+l.Addr().String()+"/readyz"); err == nil {
		t.Error("silence counts as ready")
	}
}

func TestReadyURL(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8445": "http://127.0.0.1:8445/readyz",
		":8445":          "http://127.0.0.1:8445/readyz",
		"0.0.0.0:8445":   "http://127.0.0.1:8445/readyz",
		"[::]:8445":      "http://[::1]:8445/readyz",
		"[::1]:8445":     "http://[::1]:8445/readyz",
		"admin.test:80":  "http://admin.test:80/readyz",
		"127.0.0.1:0":    "", // any port: who knows which
		"8445":           "",
	} {
		got, err := readyURL(listen)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", listen, got, err, want)
		}
	}
}
