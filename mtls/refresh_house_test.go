package mtls_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// house is a PKI that publishes over HTTP and LDAP, a Refresher on it, and a
// Verifier on that, all on one clock.
type house struct {
	t      *testing.T
	pki    *testpki.PKI
	issuer *testpki.Authority
	root   *testpki.Authority
	server *httptest.Server
	log    bytes.Buffer

	mu    sync.Mutex
	now   time.Time
	down  bool
	asked map[string]int // statuses the server gave

	options   mtls.RefreshOptions
	refresher *mtls.Refresher
	verifier  *mtls.Verifier
}

const cards, roots = "aci-fo-pp", "acr-fo"

func newHouse(t *testing.T, alter func(*house)) *house {
	t.Helper()
	h := &house{t: t, now: today(), asked: map[string]int{}}
	listener := localListener(t)
	h.server = httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(h.server.Close)
	var err error
	h.pki, err = testpki.New(testpki.Options{Now: h.clock, BaseURL: h.server.URL, LDAPURL: "ldap://" + listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = h.pki.ServeLDAP(listener) }()
	h.issuer, h.root = h.pki.Issuer(testpki.Fort, testpki.Persons), h.pki.Root(testpki.Fort)
	fetcher := &mtls.Fetcher{Hosts: []string{strings.TrimPrefix(h.server.URL, "http://"), listener.Addr().String()}, Patience: 5 * time.Second}
	h.options = mtls.RefreshOptions{
		Sources: []mtls.CRLSource{
			{Name: cards, Issuer: h.issuer.Certificate, URLs: []string{h.issuer.CRLURL()}, DeltaURLs: []string{h.issuer.LDAPDeltaURL()}},
			{Name: roots, Issuer: h.root.Certificate, URLs: []string{h.root.CRLURL()}},
		},
		Folder: t.TempDir(), Drop: t.TempDir(), Fetch: fetcher.CRL, Now: h.clock, Random: func() float64 { return 1 },
		Log: slog.New(slog.NewTextHandler(&h.log, nil)),
	}
	if alter != nil {
		alter(h)
	}
	h.restart()
	return h
}

// restart opens the Refresher anew on the same folders.
func (h *house) restart() {
	h.t.Helper()
	var err error
	if h.refresher, err = mtls.NewRefresher(h.options); err != nil {
		h.t.Fatal(err)
	}
	h.verifier = newVerifier(h.t, trustOf(h.t, h.pki), mtls.Policy{}, h.refresher)
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *house) hostDown(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
}

func (h *house) serve(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	down := h.down
	h.mu.Unlock()
	if down {
		http.Error(w, "maintenance", http.StatusServiceUnavailable)
		return
	}
	recorded := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	h.pki.Handler().ServeHTTP(recorded, r)
	h.mu.Lock()
	h.asked[http.StatusText(recorded.status)]++
	h.mu.Unlock()
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (h *house) fetchAll() {
	h.t.Helper()
	if err := h.refresher.FetchAll(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// verdict is the reason the card is refused for at the house's time, "" when it
// is let in.
func (h *house) verdict(card testpki.Pair) mtls.Reason {
	h.t.Helper()
	_, err := h.verifier.Verify(mtls.Leaf{DER: card.DER}, h.clock())
	var refusal *mtls.Refusal
	if errors.As(err, &refusal) {
		return refusal.Reason
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return ""
}

func (h *house) want(card testpki.Pair, want mtls.Reason, when string) {
	h.t.Helper()
	if got := h.verdict(card); got != want {
		h.t.Errorf("%s: %q, want %q\n%s", when, got, want, h.log.String())
	}
}

func (h *house) status(name string, delta bool) mtls.CRLStatus {
	h.t.Helper()
	for _, s := range h.refresher.Status() {
		if s.Authority == name && s.Delta == delta {
			return s
		}
	}
	h.t.Fatalf("no status of %s", name)
	return mtls.CRLStatus{}
}

// drop puts a file into the drop folder.
func (h *house) drop(name string, content []byte) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.options.Drop, name), content, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) crl(spec testpki.CRLSpec) []byte {
	h.t.Helper()
	return makeCRL(h.t, h.issuer, spec)
}

func localListener(t testing.TB) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}
