package mtls_test

import (
	"bytes"
	"context"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

func TestRefreshRevokesWithoutRestart(t *testing.T) {
	h := newHouse(t, nil)
	first, second, third := newCard(t, h.pki, testpki.CardSpec{}), newCard(t, h.pki, testpki.CardSpec{}), newCard(t, h.pki, testpki.CardSpec{})
	h.want(first, mtls.RevocationUnavailable, "before any CRL")
	h.fetchAll()
	for _, card := range []testpki.Pair{first, second, third} {
		h.want(card, "", "with the first CRLs")
	}
	revoke := func(card testpki.Pair) {
		h.advance(time.Hour)
		h.issuer.Revoke(card.Certificate.SerialNumber, h.clock(), testpki.ReasonKeyCompromise)
	}
	revoke(first)
	h.fetchAll()
	h.want(first, mtls.Revoked, "after a complete CRL over HTTP")
	h.want(second, "", "after a complete CRL over HTTP")

	revoke(second)
	if err := h.refresher.Fetch(t.Context(), cards, true); err != nil {
		t.Fatal(err)
	}
	h.want(second, mtls.Revoked, "after a delta CRL over LDAP")
	h.want(third, "", "after a delta CRL over LDAP")

	revoke(third)
	h.drop("any name", h.crl(testpki.CRLSpec{}))
	h.refresher.Scan(t.Context())
	h.want(third, mtls.Revoked, "after a CRL in the drop folder")
	h.want(first, mtls.Revoked, "after all of it")
}

func TestRefreshReleasesByDelta(t *testing.T) {
	h := newHouse(t, nil)
	card := newCard(t, h.pki, testpki.CardSpec{})
	h.issuer.Revoke(card.Certificate.SerialNumber, h.clock(), testpki.ReasonCertificateHold)
	h.fetchAll()
	h.want(card, mtls.Revoked, "on hold")
	h.advance(time.Hour)
	h.issuer.Release(card.Certificate.SerialNumber, h.clock())
	if err := h.refresher.Fetch(t.Context(), cards, true); err != nil {
		t.Fatal(err)
	}
	h.want(card, "", "released by the delta")
}

// Logins go on while the host is down, until nextUpdate and the grace after it;
// then they stop; when it is back they go on.
func TestRefreshHostDown(t *testing.T) {
	h := newHouse(t, func(h *house) { h.options.Sources[0].DeltaURLs = nil })
	h.verifier = newVerifier(t, trustOf(t, h.pki), mtls.Policy{Revocation: mtls.RevocationPolicy{Stale: mtls.StaleGrace, Grace: 12 * time.Hour}}, h.refresher)
	card := newCard(t, h.pki, testpki.CardSpec{})
	h.fetchAll()
	h.hostDown(true)
	step := func(d time.Duration, want mtls.Reason, verdict mtls.CRLVerdict, when string) {
		t.Helper()
		h.advance(d)
		if err := h.refresher.Fetch(t.Context(), cards, false); !errors.Is(err, mtls.FetchStatus) {
			t.Errorf("%s: fetched: %v", when, err)
		}
		h.want(card, want, when)
		if got := h.status(cards, false); got.Verdict != verdict || got.FailingFrom.IsZero() || got.Failure == "" {
			t.Errorf("%s: status %+v", when, got)
		}
	}
	day := 24 * time.Hour
	step(time.Hour, "", mtls.CRLIsFresh, "just down")
	step(4*day+time.Hour, "", mtls.CRLIsExpiring, "within the margin")
	step(2*day-3*time.Hour, "", mtls.CRLIsExpiring, "just before nextUpdate")
	step(12*time.Hour, "", mtls.CRLIsStale, "within the grace")
	step(2*time.Hour, mtls.RevocationUnavailable, mtls.CRLIsStale, "after the grace")
	h.hostDown(false)
	h.fetchAll()
	h.want(card, "", "when the host is back")
	if got := h.status(cards, false); got.Verdict != mtls.CRLIsFresh || !got.FailingFrom.IsZero() || got.Failure == "" {
		t.Errorf("healed: %+v", got)
	}
}

// A bad CRL never takes the place of a good one: not in force, not on disk.
func TestRefreshKeepsTheGoodOne(t *testing.T) {
	h := newHouse(t, nil)
	h.fetchAll()
	revoked := newCard(t, h.pki, testpki.CardSpec{})
	h.advance(time.Hour)
	h.issuer.Revoke(revoked.Certificate.SerialNumber, h.clock(), 0)
	h.fetchAll()
	good := h.status(cards, false)
	kept := filepath.Join(h.options.Folder, cards+".crl")
	copyBefore, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	stranger := h.pki.Issuer(testpki.Standard, testpki.Persons)
	next := big.NewInt(good.Number.Int64() + 1)
	newer := testpki.CRLSpec{Number: next, Entries: []testpki.Entry{}, ThisUpdate: h.clock().Add(time.Minute)}
	with := func(alter func(*testpki.CRLSpec)) []byte {
		spec := newer
		alter(&spec)
		return h.crl(spec)
	}
	h.advance(time.Hour)
	for name, tt := range map[string]struct {
		file []byte
		want mtls.CRLFault
	}{
		"a page of a captive portal": {[]byte("<html>Identifiez-vous</html>"), mtls.CRLMalformed},
		"truncated":                  {h.crl(newer)[:300], mtls.CRLTruncated},
		"signature broken":           {with(func(s *testpki.CRLSpec) { s.CorruptSignature = true }), mtls.CRLSignature},
		"unsigned":                   {with(func(s *testpki.CRLSpec) { s.Signer = silent{h.issuer.Key} }), mtls.CRLSignature},
		"signed by another":          {with(func(s *testpki.CRLSpec) { s.Signer = stranger.Key }), mtls.CRLSignature},
		"of another authority":       {makeCRL(t, stranger, newer), mtls.CRLOtherIssuer},
		"under another's name":       {makeCRL(t, stranger, testpki.CRLSpec{Number: next, Issuer: h.issuer.Certificate.RawSubject}), mtls.CRLSignature},
		"of another key":             {with(func(s *testpki.CRLSpec) { s.AuthorityKeyID = []byte("another key") }), mtls.CRLOtherIssuer},
		"a lower number":             {with(func(s *testpki.CRLSpec) { s.Number = big.NewInt(1) }), mtls.CRLOlder},
		"the same number again":      {with(func(s *testpki.CRLSpec) { s.Number = good.Number }), mtls.CRLOlder},
		"no number":                  {with(func(s *testpki.CRLSpec) { s.WithoutNumber = true }), mtls.CRLOlder},
		"issued earlier":             {with(func(s *testpki.CRLSpec) { s.ThisUpdate = good.ThisUpdate.Add(-time.Hour) }), mtls.CRLOlder},
		"from the future":            {with(func(s *testpki.CRLSpec) { s.ThisUpdate = h.clock().Add(time.Hour) }), mtls.CRLNotYet},
		"without nextUpdate":         {with(func(s *testpki.CRLSpec) { s.WithoutNextUpdate = true }), mtls.CRLStale},
		"indirect":                   {with(func(s *testpki.CRLSpec) { s.IssuingPoint = &testpki.IssuingPoint{Indirect: true} }), mtls.CRLUnsupportedScope},
		"split by reason":            {with(func(s *testpki.CRLSpec) { s.IssuingPoint = &testpki.IssuingPoint{OnlySomeReasons: 0x40} }), mtls.CRLUnsupportedScope},
		"not understood":             {with(func(s *testpki.CRLSpec) { s.Extensions = append(s.Extensions, testpki.UnknownCritical()) }), mtls.CRLUnsupportedExtension},
	} {
		h.drop("file.crl", tt.file)
		if _, err := h.refresher.Import(t.Context(), filepath.Join(h.options.Drop, "file.crl")); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
		h.want(revoked, mtls.Revoked, name)
		if copyNow, err := os.ReadFile(kept); err != nil || !bytes.Equal(copyNow, copyBefore) {
			t.Errorf("%s: the copy on disk changed", name)
		}
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	h.restart()
	h.want(revoked, mtls.Revoked, "after a restart")
	if left, _ := filepath.Glob(filepath.Join(h.options.Folder, ".coming-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	h.drop("good.crl", h.crl(newer))
	if status, err := h.refresher.Import(t.Context(), filepath.Join(h.options.Drop, "good.crl")); err != nil || status.Number.Cmp(next) != 0 || status.Authority != cards {
		t.Errorf("the good one: %+v, %v", status, err)
	}
	if _, err := h.refresher.Import(t.Context(), filepath.Join(h.options.Drop, "good.crl")); !errors.Is(err, mtls.ErrUnchanged) {
		t.Errorf("the same again: %v", err)
	}
}

func TestRefreshDeltaMustFit(t *testing.T) {
	h := newHouse(t, nil)
	h.fetchAll()
	before := h.status(cards, true)
	delta, err := h.issuer.DeltaCRL(testpki.CRLSpec{Base: big.NewInt(before.Number.Int64() + 5), Number: big.NewInt(before.Number.Int64() + 9)})
	if err != nil {
		t.Fatal(err)
	}
	h.drop("delta", delta)
	if _, err := h.refresher.Import(t.Context(), filepath.Join(h.options.Drop, "delta")); !errors.Is(err, mtls.CRLDeltaMismatch) {
		t.Errorf("upon a base that is not held: %v", err)
	}
	if after := h.status(cards, true); after.Number.Cmp(before.Number) != 0 {
		t.Errorf("the delta before was replaced: %+v", after)
	}
}

func TestRefreshRestart(t *testing.T) {
	h := newHouse(t, nil)
	card := newCard(t, h.pki, testpki.CardSpec{})
	h.fetchAll()
	h.hostDown(true)
	h.restart()
	h.want(card, "", "from the copies on disk")
	if s := h.status(cards, false); s.Source != h.issuer.CRLURL() || !s.ConfirmedAt.Equal(h.clock()) {
		t.Errorf("origin: %+v", s)
	}
	path := filepath.Join(h.options.Folder, cards+".crl")
	der, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	der[len(der)-1] ^= 1
	if err := os.WriteFile(path, der, 0o600); err != nil {
		t.Fatal(err)
	}
	h.restart()
	h.want(card, mtls.RevocationUnavailable, "from a copy that was changed")
	if !strings.Contains(h.log.String(), "CRL kept on disk not taken") {
		t.Error("not logged")
	}
}

func TestRefreshAsksConditionally(t *testing.T) {
	h := newHouse(t, nil)
	h.fetchAll()
	h.fetchAll()
	h.restart()
	h.advance(time.Minute)
	h.fetchAll()
	if h.asked["OK"] != 2 || h.asked["Not Modified"] != 4 {
		t.Errorf("asked %v", h.asked)
	}
	if s := h.status(cards, false); !s.ConfirmedAt.Equal(h.clock()) {
		t.Errorf("not confirmed: %+v", s)
	}
}

func TestRefreshTellsNews(t *testing.T) {
	type news struct {
		first bool
		added []string
	}
	var told []news
	h := newHouse(t, func(h *house) {
		h.options.OnRevoked = func(_ context.Context, n mtls.RevocationNews) {
			if !bytes.Equal(n.Issuer.Raw, h.issuer.Certificate.Raw) {
				return
			}
			one := news{first: n.First}
			for serial, entry := range n.Added {
				one.added = append(one.added, serial.String()+" "+entry.Reason.String())
			}
			slices.Sort(one.added)
			told = append(told, one)
		}
	})
	h.issuer.Revoke(big.NewInt(1), h.clock(), testpki.ReasonSuperseded)
	h.fetchAll()
	h.advance(time.Hour)
	h.issuer.Revoke(big.NewInt(2), h.clock(), testpki.ReasonKeyCompromise)
	h.fetchAll()
	h.fetchAll() // nothing new
	want := [][]string{{"1 superseded"}, {}, {"2 keyCompromise"}}
	if len(told) < 3 || !told[0].first || told[2].first || !slices.Equal(told[0].added, want[0]) {
		t.Fatalf("told %+v", told)
	}
	var all []string
	for _, n := range told[1:] {
		all = append(all, n.added...)
	}
	if slices.Sort(all); !slices.Contains(all, "2 keyCompromise") || slices.Contains(all, "1 superseded") {
		t.Errorf("told %+v", told)
	}
}
