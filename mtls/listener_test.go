package mtls_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// cardListener serves what TakeCertificate hands over.
type cardListener struct {
	*httptest.Server
	pki *testpki.PKI
}

func startListener(t *testing.T, change func(*mtls.ListenerOptions, *http.Server), now func() time.Time) *cardListener {
	t.Helper()
	pki := newPKI(t, false)
	certificate, err := pki.ServerCertificate("cps.localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaf, err := mtls.TakeCertificate(r.Context(), r.TLS, now(), 5*time.Second)
		switch {
		case err != nil:
			fmt.Fprint(w, err)
		case leaf.DER == nil:
			fmt.Fprint(w, "no certificate")
		default:
			fmt.Fprintf(w, "%d bytes", len(leaf.DER))
		}
	}))
	options := mtls.ListenerOptions{
		Certificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil },
		Acceptable:  pki.CardIssuers(),
	}
	server.Config.ConnContext = mtls.ConnContext
	server.Config.ErrorLog = mtls.ErrorLog(slog.New(slog.DiscardHandler))
	if change != nil {
		change(&options, server.Config)
	}
	server.TLS = options.Config()
	server.StartTLS()
	t.Cleanup(server.Close)
	return &cardListener{server, pki}
}

func (l *cardListener) client(change func(*tls.Config), card ...testpki.Pair) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(l.pki.ServerRoot())
	config := &tls.Config{RootCAs: roots, ServerName: "cps.localhost", Time: today}
	for _, c := range card {
		config.Certificates = append(config.Certificates, c.TLS())
	}
	if change != nil {
		change(config)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}, Timeout: 10 * time.Second}
}

func (l *cardListener) get(t *testing.T, client *http.Client) (string, *http.Response) {
	t.Helper()
	response, err := client.Get(l.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), response
}

func TestCertificateIsTakenOnce(t *testing.T) {
	l := startListener(t, nil, time.Now)
	card := newCard(t, l.pki, testpki.CardSpec{})
	client := l.client(nil, card)
	body, response := l.get(t, client)
	if body != fmt.Sprintf("%d bytes", len(card.DER)) {
		t.Errorf("first request: %s", body)
	}
	if response.TLS.Version != tls.VersionTLS12 || response.ProtoMajor != 1 || response.TLS.NegotiatedProtocol == "h2" {
		t.Errorf("TLS %x, %s", response.TLS.Version, response.Proto)
	}
	if body, _ := l.get(t, client); body != mtls.ErrTaken.Error() {
		t.Errorf("second request on the connection: %s", body)
	}
	if body, _ := l.get(t, l.client(nil)); body != "no certificate" {
		t.Errorf("without a card: %s", body)
	}
}

func TestStrangersCertificateReachesTheVerifier(t *testing.T) {
	l := startListener(t, nil, time.Now)
	stranger := newCard(t, l.pki, testpki.CardSpec{Issuer: l.pki.Impostor(testpki.Fort, testpki.Persons)})
	if body, _ := l.get(t, l.client(nil, stranger)); body != fmt.Sprintf("%d bytes", len(stranger.DER)) {
		t.Errorf("an unverified certificate shall be handed over, to be refused by a page: %s", body)
	}
}

func TestStaleHandshake(t *testing.T) {
	late := func() time.Time { return time.Now().Add(6 * time.Second) }
	l := startListener(t, nil, late)
	if body, _ := l.get(t, l.client(nil, newCard(t, l.pki, testpki.CardSpec{}))); !strings.HasPrefix(body, mtls.ErrStaleHandshake.Error()) {
		t.Error(body)
	}
	early := startListener(t, nil, func() time.Time { return time.Now().Add(-time.Minute) })
	if body, _ := early.get(t, early.client(nil, newCard(t, early.pki, testpki.CardSpec{}))); !strings.HasPrefix(body, mtls.ErrStaleHandshake.Error()) {
		t.Errorf("a handshake of the future: %s", body)
	}
}

func TestWithoutConnContext(t *testing.T) {
	l := startListener(t, func(_ *mtls.ListenerOptions, s *http.Server) { s.ConnContext = nil }, time.Now)
	if body, _ := l.get(t, l.client(nil, newCard(t, l.pki, testpki.CardSpec{}))); body != mtls.ErrNoHandshake.Error() {
		t.Error(body)
	}
	for rule, state := range map[string]*tls.ConnectionState{"no TLS": nil, "not complete": {}} {
		ctx := mtls.ConnContext(context.Background(), nil)
		if _, err := mtls.TakeCertificate(ctx, state, today(), time.Hour); !errors.Is(err, mtls.ErrNoHandshake) {
			t.Errorf("%s: %v", rule, err)
		}
	}
	resumed := &tls.ConnectionState{HandshakeComplete: true, DidResume: true}
	if _, err := mtls.TakeCertificate(mtls.ConnContext(context.Background(), nil), resumed, today(), time.Hour); !errors.Is(err, mtls.ErrResumed) {
		t.Errorf("resumed: %v", err)
	}
	// A complete handshake that our configuration never saw has no end.
	unseen := &tls.ConnectionState{HandshakeComplete: true}
	if _, err := mtls.TakeCertificate(mtls.ConnContext(context.Background(), nil), unseen, today(), time.Hour); !errors.Is(err, mtls.ErrNoHandshake) {
		t.Errorf("unseen: %v", err)
	}
}

func TestHandshakesRefused(t *testing.T) {
	l := startListener(t, nil, time.Now)
	for rule, change := range map[string]func(*tls.Config){
		"TLS 1.3 alone": func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 },
		"TLS 1.1":       func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		"no ECDHE": func(c *tls.Config) {
			c.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_CBC_SHA}
		},
		"ECDHE with CBC": func(c *tls.Config) {
			c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		},
	} {
		if response, err := l.client(change).Get(l.URL); err == nil {
			response.Body.Close()
			t.Errorf("%s: accepted", rule)
		}
	}
}

func TestTLS13WhereConfigured(t *testing.T) {
	l := startListener(t, func(o *mtls.ListenerOptions, _ *http.Server) { o.MaxVersion = tls.VersionTLS13 }, time.Now)
	card := newCard(t, l.pki, testpki.CardSpec{})
	body, response := l.get(t, l.client(nil, card))
	if response.TLS.Version != tls.VersionTLS13 || body != fmt.Sprintf("%d bytes", len(card.DER)) {
		t.Errorf("TLS %x: %s", response.TLS.Version, body)
	}
}

// A session is never resumed, whatever the client keeps.
func TestNoResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		l := startListener(t, func(o *mtls.ListenerOptions, _ *http.Server) { o.MaxVersion = version }, time.Now)
		card := newCard(t, l.pki, testpki.CardSpec{})
		cache := tls.NewLRUClientSessionCache(4)
		for range 2 {
			client := l.client(func(c *tls.Config) { c.ClientSessionCache = cache }, card)
			body, response := l.get(t, client)
			if response.TLS.DidResume || body != fmt.Sprintf("%d bytes", len(card.DER)) {
				t.Errorf("resumed %v: %s", response.TLS.DidResume, body)
			}
			client.CloseIdleConnections()
		}
	}
}

// The browser is told whose certificates to offer, and what a reload changed.
func TestAcceptableNames(t *testing.T) {
	var told [][]byte
	ask := func(l *cardListener) [][]byte {
		l.get(t, l.client(func(c *tls.Config) {
			c.GetClientCertificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
				told = request.AcceptableCAs
				return &tls.Certificate{}, nil
			}
		}))
		return told
	}
	names := func(authorities []*x509.Certificate) (names [][]byte) {
		for _, a := range authorities {
			names = append(names, a.RawSubject)
		}
		return names
	}
	same := func(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }
	l := startListener(t, nil, time.Now)
	if got := ask(l); !same(got, names(l.pki.CardIssuers())) {
		t.Errorf("%d names told", len(got))
	}
	var now atomic.Pointer[[]*x509.Certificate]
	put := func(authorities []*x509.Certificate) { now.Store(&authorities) }
	put(l.pki.CardIssuers())
	live := startListener(t, func(o *mtls.ListenerOptions, _ *http.Server) {
		o.AcceptableNow = func() []*x509.Certificate { return *now.Load() }
	}, time.Now)
	for _, authorities := range [][]*x509.Certificate{l.pki.CardIssuers(), l.pki.CardIssuers()[:1], nil, l.pki.Roots()} {
		put(authorities)
		if got := ask(live); !same(got, names(authorities)) {
			t.Errorf("%d names told, want %d", len(got), len(authorities))
		}
	}
}

func TestSameHost(t *testing.T) {
	for _, c := range []struct {
		host, serverName string
		want             bool
	}{
		{"a.cps.localhost:8444", "a.cps.localhost", true},
		{"A.cps.LOCALHOST.", "a.cps.localhost", true},
		{"a.cps.localhost", "a.cps.localhost.", true},
		{"b.cps.localhost:8444", "a.cps.localhost", false},
		{"", "", false},
		{"a.cps.localhost", "", false},
		{"[::1]:8444", "a.cps.localhost", false},
	} {
		if got := mtls.SameHost(c.host, c.serverName); got != c.want {
			t.Errorf("%q and %q: %v", c.host, c.serverName, got)
		}
	}
}

func TestErrorLog(t *testing.T) {
	var out bytes.Buffer
	log := mtls.ErrorLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})))
	for _, quiet := range []string{
		"http: TLS handshake error from 192.0.2.1:1: EOF",
		"http: TLS handshake error from 192.0.2.1:1: read tcp 192.0.2.2:8444->192.0.2.1:1: read: connection reset by peer",
		"http: TLS handshake error from 192.0.2.1:1: read tcp 192.0.2.2:8444->192.0.2.1:1: i/o timeout",
	} {
		if log.Println(quiet); out.Len() > 0 {
			t.Errorf("logged: %s", out.String())
		}
	}
	for _, loud := range []string{
		"http: TLS handshake error from 192.0.2.1:1: tls: invalid signature by the client certificate: crypto/rsa: verification error",
		"http: panic serving 192.0.2.1:1: EOF",
	} {
		out.Reset()
		if log.Println(loud); !strings.Contains(out.String(), "level=WARN") {
			t.Errorf("not logged: %s", loud)
		}
	}
}

// A scan that opens a connection and goes is a handshake broken off.
func TestScanIsNoError(t *testing.T) {
	var out bytes.Buffer
	logged := make(chan struct{}, 1)
	l := startListener(t, func(_ *mtls.ListenerOptions, s *http.Server) {
		handler := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})
		s.ErrorLog = mtls.ErrorLog(slog.New(&signalling{handler, logged}))
	}, time.Now)
	connection, err := net.Dial("tcp", l.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	connection.Close()
	<-logged
	if !strings.Contains(out.String(), "level=DEBUG") {
		t.Errorf("logged: %s", out.String())
	}
}

type signalling struct {
	slog.Handler
	logged chan struct{}
}

func (s *signalling) Handle(ctx context.Context, r slog.Record) error {
	err := s.Handler.Handle(ctx, r)
	s.logged <- struct{}{}
	return err
}

// crypto/tls parses certificates of 256 KiB; the limit of 64 KiB holds by the
// handshake as by a proxy's header.
func TestOversizedCertificateOfAHandshake(t *testing.T) {
	var verifier *mtls.Verifier
	var refused *mtls.Refusal
	l := startListener(t, func(_ *mtls.ListenerOptions, server *http.Server) {
		server.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			leaf, err := mtls.TakeCertificate(r.Context(), r.TLS, time.Now(), 5*time.Second)
			if err == nil {
				refused = verifier.Judge(leaf, today()).Refusal
			}
		})
	}, time.Now)
	verifier = newVerifier(t, trustOf(t, l.pki), mtls.Policy{}, freshCRLs(t, l.pki))
	sized := func(octets int) testpki.Pair {
		return newCard(t, l.pki, testpki.CardSpec{AlterAuth: func(template *testpki.Template) {
			template.Set(pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: make([]byte, octets)})
		}})
	}
	if l.get(t, l.client(nil, sized(60<<10))); refused != nil {
		t.Errorf("of 60 KiB: %v", refused)
	}
	if l.get(t, l.client(nil, sized(64<<10))); refused == nil || refused.Reason != mtls.Malformed {
		t.Errorf("of more than 64 KiB: %v", refused)
	}
}
