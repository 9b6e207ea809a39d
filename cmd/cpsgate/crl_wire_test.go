package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// crlWire is a whole server that fetches its CRLs over HTTP and its deltas over
// LDAP, from hosts that a test can take down, on a clock that it can move.
type crlWire struct {
	*running
	t     *testing.T
	pki   *testpki.PKI
	clock atomic.Int64 // the PKI's; running has the server's
	down  atomic.Bool  // the host of complete CRLs

	directoryDown atomic.Bool
}

// directory hangs up on whoever comes while it is down.
type directory struct {
	net.Listener
	down *atomic.Bool
}

func (d directory) Accept() (net.Conn, error) {
	for {
		connection, err := d.Listener.Accept()
		if err != nil || !d.down.Load() {
			return connection, err
		}
		connection.Close()
	}
}

func serveCRLWire(t *testing.T, stale string) *crlWire {
	t.Helper()
	w := &crlWire{t: t}
	ldap, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ldap.Close() })
	host := httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(host.Close)
	w.pki, err = testpki.New(testpki.Options{
		Test: true, BaseURL: host.URL, LDAPURL: "ldap://" + ldap.Addr().String(),
		Now: func() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = w.pki.ServeLDAP(directory{ldap, &w.directoryDown}) }() // ends with the listener
	w.running = serveDemo(t, func(c *Config) {
		c.Trust.CRLs, c.Trust.Stale = "", stale
		c.CRL.look = 20 * time.Millisecond
		for _, r := range []testpki.Range{testpki.Fort, testpki.Standard} {
			issuer, root := w.pki.Issuer(r, testpki.Persons), w.pki.Root(r)
			c.CRL.Sources = append(c.CRL.Sources,
				CRLSourceConfig{Issuer: root.Certificate.Subject.CommonName, URLs: []string{root.CRLURL()}},
				CRLSourceConfig{Issuer: issuer.Certificate.Subject.CommonName, URLs: []string{issuer.CRLURL()}, DeltaURLs: []string{issuer.LDAPDeltaURL()}})
		}
	})
	return w
}

func (w *crlWire) serve(out http.ResponseWriter, r *http.Request) {
	if w.down.Load() {
		http.Error(out, "maintenance", http.StatusServiceUnavailable)
		return
	}
	w.pki.Handler().ServeHTTP(out, r)
}

// pass moves both clocks.
func (w *crlWire) pass(d time.Duration) {
	w.clock.Add(int64(d))
	w.offset.Add(int64(d))
}

// signsIn is what the good card, in a browser just opened, is led to.
func (w *crlWire) signsIn() (path, page string) {
	w.t.Helper()
	path, page, _ = get(w.t, w.browser(w.t, "good"), w.Main+"/login/card")
	return path, page
}

const inside = "/account"

// lets asserts that the good card signs in now.
func (w *crlWire) lets(when string) {
	w.t.Helper()
	if path, page := w.signsIn(); path != inside {
		w.t.Errorf("%s: led to %s: %.600s", when, path, page)
	}
}

// refuses asserts that the good card gets a page now that says so.
func (w *crlWire) refuses(when, says string) {
	w.t.Helper()
	if path, page := w.signsIn(); path == inside || !strings.Contains(page, says) {
		w.t.Errorf("%s: led to %s, which does not say %q: %.600s", when, path, says, page)
	}
}

// eventually waits until the good card gets in, or a page that says so.
func (w *crlWire) eventually(when, says string, meanwhile func()) {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		path, page := w.signsIn()
		if says == inside && path == inside || says != inside && strings.Contains(page, says) {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("%s: after 20 s led to %s: %.600s", when, path, page)
		}
		meanwhile()
	}
}

const (
	cannotCheck = "Nous ne pouvons pas vérifier votre carte pour le moment"
	isOpposed   = "Votre carte a été mise en opposition"
)

// TestCRLHostDown: sign-ins go on while the hosts of the CRLs are down, until
// nextUpdate (six days) and the grace after it (six hours); then they stop with
// the page that says so; when the hosts are back they go on, with nobody acting.
func TestCRLHostDown(t *testing.T) {
	t.Parallel()
	w := serveCRLWire(t, "grace:6h")
	w.eventually("when the server has fetched", inside, func() {})
	w.down.Store(true)
	w.directoryDown.Store(true)
	const day = 24 * time.Hour
	w.pass(3 * day)
	w.lets("three days on")
	w.pass(3*day - 10*time.Minute)
	w.lets("just before nextUpdate")
	w.pass(6 * time.Hour)
	w.lets("within the grace")
	w.pass(20 * time.Minute)
	w.refuses("after the grace", cannotCheck)
	w.pass(day)
	w.refuses("a day later", cannotCheck)
	w.down.Store(false)
	w.directoryDown.Store(false)
	w.eventually("when the host is back", inside, func() { w.pass(5 * time.Minute) }) // the back-off is an hour at most
}

// TestRevokedByDelta: a card that a delta CRL in the directory names is refused
// after one refresh, while the host of complete CRLs is down.
func TestRevokedByDelta(t *testing.T) {
	t.Parallel()
	w := serveCRLWire(t, "refuse")
	w.eventually("when the server has fetched", inside, func() {})
	client := w.signedIn(t)
	w.down.Store(true)
	w.pass(time.Hour)
	leaf := w.card(t, "good").Leaf
	w.pki.Issuer(testpki.Fort, testpki.Persons).Revoke(leaf.SerialNumber, w.now(), testpki.ReasonKeyCompromise)
	w.lets("before the refresh")
	w.pass(24 * time.Hour) // the longest time between two fetches
	w.eventually("after the refresh", isOpposed, func() {})
	w.ends(t, client, 5*time.Second)
}

// TestReloadBringsCRLs: an anchor that comes by a reload lets its cards in, by
// the list that lay in the drop folder since before; one that goes keeps them
// out; one that is broken changes nothing.
func TestReloadBringsCRLs(t *testing.T) {
	t.Parallel()
	d, c, _ := demoConfig(t)
	anchor := d.path("anchors", "issuer-1.pem")
	text := readFile(t, anchor)
	if err := os.Remove(anchor); err != nil {
		t.Fatal(err)
	}
	j, err := openJudge(t.Context(), c, quiet(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	leaf := mtls.Leaf{DER: (&running{demo: d}).card(t, "good").Certificate[0]}
	lets := func(want bool, when string) {
		t.Helper()
		if _, err := j.Verify(leaf, time.Now()); (err == nil) != want {
			t.Errorf("%s: %v", when, err)
		}
	}
	lets(false, "without its anchor")
	write(t, anchor, text)
	if err := j.trust.Reload(); err != nil {
		t.Fatal(err)
	}
	lets(true, "with its anchor")
	write(t, anchor, text[:len(text)/2])
	if err := j.trust.Reload(); err == nil {
		t.Error("a broken anchor is taken")
	}
	lets(true, "with the last good ones")
	if err := os.Remove(anchor); err != nil {
		t.Fatal(err)
	}
	if err := j.trust.Reload(); err != nil {
		t.Fatal(err)
	}
	lets(false, "when its anchor is gone")
}
