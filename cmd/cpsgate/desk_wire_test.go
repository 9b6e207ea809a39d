//go:build linux && cgo

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"cpsgate/internal/testpki"
)

// wire stands between the workstation and the server's main listener, with a
// certificate of its own, and does to messages what networks do. The card host
// is reached past it: mutual TLS cannot be seen through.
type wire struct {
	server string // https://address
	client *http.Client
	inside *http.Transport

	mu   sync.Mutex
	seen []message
	lose map[string]fault // what happens to the next message to a path, once
}

// message is one that the workstation sent, as it sent it.
type message struct {
	path, bearer string
	body         []byte
}

// fault is what happens to a message.
type fault string

const (
	loseMessage fault = "message" // it never arrives
	loseAnswer  fault = "answer"  // it arrives, and its answer does not
	wrongRules  fault = "rules"   // its answer demands what the protocol does not know
	tooMany     fault = "limit"   // it comes too soon after others, and is not looked at
	unjudged    fault = "judge"   // the server fails over it, and says so
)

func newWire(t *testing.T, pki *testpki.PKI, outside net.Listener, server string) *wire {
	t.Helper()
	certificate, err := pki.ServerCertificate("sso.localhost")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(pki.ServerRoot())
	w := &wire{server: "https://" + server, lose: map[string]fault{}}
	w.inside = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "sso.localhost"}}
	w.client = &http.Client{Transport: w.inside, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	s := &http.Server{Handler: w, ReadHeaderTimeout: time.Minute}
	go s.Serve(tls.NewListener(outside, &tls.Config{Certificates: []tls.Certificate{certificate}}))
	t.Cleanup(func() { s.Close() })
	return w
}

// hangUp lets go of the server's connections, which would hold up its end.
func (w *wire) hangUp() { w.inside.CloseIdleConnections() }

// loses has the next message to a path suffer a fault.
func (w *wire) loses(path string, f fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose[path] = f
}

// take notes a message and says what happens to it.
func (w *wire) take(m message) fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, m)
	f := w.lose[m.path]
	delete(w.lose, m.path)
	return f
}

// messages lists those to the desk so far, and forgets them.
func (w *wire) messages() []message {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen
	w.seen = nil
	return seen
}

func (w *wire) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	m := message{r.URL.Path, r.Header.Get("Authorization"), body}
	f := fault("")
	if strings.HasPrefix(m.path, "/enroll/") {
		f = w.take(m)
	}
	if f == loseMessage {
		panic(http.ErrAbortHandler)
	}
	switch f {
	case tooMany:
		refuse(out, http.StatusTooManyRequests, "too-many-attempts", "Trop de tentatives")
		return
	case unjudged:
		refuse(out, http.StatusInternalServerError, "internal", "Un problème est survenu de notre côté")
		return
	}
	response, err := w.forward(r, m)
	if err != nil || f == loseAnswer {
		panic(http.ErrAbortHandler) // as a server that is away
	}
	defer response.Body.Close()
	for name, values := range response.Header {
		out.Header()[name] = values
	}
	if f == wrongRules {
		out.Header().Del("Content-Length")
		out.WriteHeader(response.StatusCode)
		answer, _ := io.ReadAll(response.Body)
		out.Write(bytes.Replace(answer, []byte(`"sameCard":"required"`), []byte(`"sameCard":"whatever"`), 1))
		return
	}
	out.WriteHeader(response.StatusCode)
	io.Copy(out, response.Body)
}

// refuse answers as the server would.
func refuse(out http.ResponseWriter, status int, reason, title string) {
	out.Header().Set("Content-Type", "application/json")
	out.WriteHeader(status)
	fmt.Fprintf(out, `{"reason":%q,"title":%q,"detail":"d","why":"d","do":["Attendez."],"event":"7K3M-9QXD"}`, reason, title)
}

func (w *wire) forward(r *http.Request, m message) (*http.Response, error) {
	inner, err := http.NewRequestWithContext(r.Context(), r.Method, w.server+r.URL.RequestURI(), bytes.NewReader(m.body))
	if err != nil {
		return nil, err
	}
	inner.Header, inner.Host = r.Header.Clone(), r.Host
	return w.client.Do(inner)
}

// again sends a message a second time, and gives the refusal's reason.
func (w *wire) again(t *testing.T, host string, m message) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server+m.path, bytes.NewReader(m.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = strings.TrimPrefix(host, "https://")
	r.Header.Set("Content-Type", "application/json")
	if m.bearer != "" {
		r.Header.Set("Authorization", m.bearer)
	}
	response, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
