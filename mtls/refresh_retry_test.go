package mtls_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// scan looks at the folders some times, so far apart.
func (h *house) scan(times int, apart time.Duration) {
	for range times {
		h.advance(apart)
		h.refresher.Scan(h.t.Context())
	}
}

// TestDroppedTriedAgain: a file that could not be kept is taken, as it is, once
// it can be; meanwhile the log says so once.
func TestDroppedTriedAgain(t *testing.T) {
	h := newHouse(t, nil)
	h.drop("root", makeCRL(t, h.root, testpki.CRLSpec{}))
	card := newCard(t, h.pki, testpki.CardSpec{})
	obstacle := filepath.Join(h.options.Folder, cards+".crl")
	if err := os.MkdirAll(filepath.Join(obstacle, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.drop("list", h.crl(testpki.CRLSpec{}))
	h.scan(10, 31*time.Second)
	h.want(card, mtls.RevocationUnavailable, "while the copy cannot be kept")
	if told := strings.Count(h.log.String(), "CRL not taken"); told != 1 {
		t.Errorf("told %d times:\n%s", told, h.log.String())
	}
	if refused := h.refresher.Refused(); refused == nil || !strings.HasSuffix(refused.File, "list") {
		t.Errorf("refused: %+v", refused)
	}
	if err := os.RemoveAll(obstacle); err != nil {
		t.Fatal(err)
	}
	h.refresher.Scan(t.Context())
	h.want(card, mtls.RevocationUnavailable, "just before it is due")
	h.scan(1, 10*time.Minute)
	h.want(card, "", "when it can be")
	if refused := h.refresher.Refused(); refused != nil {
		t.Errorf("refused: %+v", refused)
	}
}

// TestKeptTriedAgain: a machine that starts with its clock not right yet takes
// its last good copies, and the bypass, when the clock is right.
func TestKeptTriedAgain(t *testing.T) {
	h := newHouse(t, nil)
	h.fetchAll()
	card := newCard(t, h.pki, testpki.CardSpec{})
	bypass := mtls.Bypass{Until: h.clock().Add(time.Hour), At: h.clock(), Reason: "r", By: "b"}
	if err := mtls.WriteBypass(h.options.Folder, bypass, h.clock()); err != nil {
		t.Fatal(err)
	}
	right := h.clock()
	h.advance(-30 * day)
	h.restart()
	h.scan(3, time.Second)
	for _, s := range h.refresher.Status() {
		if s.Verdict != mtls.CRLIsMissing {
			t.Errorf("with a wrong clock: %+v", s)
		}
	}
	h.advance(right.Sub(h.clock()))
	h.refresher.Scan(t.Context())
	h.want(card, "", "when the clock is right")
	if h.refresher.Bypass() == nil {
		t.Error("the bypass is not in force")
	}
}

// TestRefusedForGood: what is in the file stays there, so it is looked at once.
func TestRefusedForGood(t *testing.T) {
	h := newHouse(t, nil)
	for name, content := range map[string][]byte{
		"page": []byte("<html>"), "broken": h.crl(testpki.CRLSpec{CorruptSignature: true}),
		"stranger": makeCRL(t, h.pki.Issuer(testpki.Standard, testpki.Persons), testpki.CRLSpec{}),
	} {
		h.drop(name, content)
	}
	h.scan(5, time.Hour)
	if told := strings.Count(h.log.String(), "CRL not taken") + strings.Count(h.log.String(), "CRL left aside"); told != 3 {
		t.Errorf("told %d times:\n%s", told, h.log.String())
	}
}

func TestCausesThatMayPass(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{&fs.PathError{Op: "open", Path: "list", Err: fs.ErrPermission}, true},
		{fmt.Errorf("keeping CRL: %w", fs.ErrPermission), true},
		{&mtls.CRLError{Fault: mtls.CRLUnreadable}, true},
		{&mtls.CRLError{Fault: mtls.CRLNotYet}, true},
		{&mtls.CRLError{Fault: mtls.CRLSignature}, false},
		{&mtls.CRLError{Fault: mtls.CRLOlder}, false},
		{fmt.Errorf("%w: %w", mtls.ErrNotWanted, &mtls.CRLError{Fault: mtls.CRLOtherIssuer}), false},
	} {
		if got := mtls.MayPass(tt.err); got != tt.want {
			t.Errorf("%v: %t", tt.err, got)
		}
	}
}
