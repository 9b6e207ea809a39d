package mtls_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"cpsgate/mtls"
)

func TestRefreshBypass(t *testing.T) {
	h := newHouse(t, nil)
	good := mtls.Bypass{Until: h.clock().Add(4 * time.Hour), Reason: "hôte des CRL injoignable", By: "EXEMPLE Administrateur", At: h.clock()}
	if h.refresher.Bypass() != nil {
		t.Error("a bypass from nowhere")
	}
	for name, alter := range map[string]func(*mtls.Bypass){
		"no reason":        func(b *mtls.Bypass) { b.Reason = " " },
		"nobody decided":   func(b *mtls.Bypass) { b.By = "" },
		"already over":     func(b *mtls.Bypass) { b.Until = h.clock() },
		"too long":         func(b *mtls.Bypass) { b.Until = h.clock().Add(8 * day) },
		"of another time":  func(b *mtls.Bypass) { b.At = b.At.Add(-8 * day) },
		"from the future":  func(b *mtls.Bypass) { b.At = b.At.Add(time.Hour) },
		"a novel for text": func(b *mtls.Bypass) { b.Reason = string(make([]byte, 2000)) },
	} {
		bad := good
		alter(&bad)
		if err := mtls.WriteBypass(h.options.Folder, bad, h.clock()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := mtls.WriteBypass(h.options.Folder, good, h.clock()); err != nil {
		t.Fatal(err)
	}
	h.refresher.Scan(t.Context())
	if b := h.refresher.Bypass(); b == nil || b.Reason != good.Reason || !h.refresher.BypassedUntil(nil).Equal(good.Until) {
		t.Errorf("in force: %+v", b)
	}
	h.restart()
	if h.refresher.Bypass() == nil {
		t.Error("lost in a restart")
	}
	h.advance(4 * time.Hour)
	if h.refresher.Bypass() != nil || !h.refresher.BypassedUntil(nil).IsZero() {
		t.Error("it did not end by itself")
	}
	good.Until = h.clock().Add(time.Hour)
	if err := mtls.WriteBypass(h.options.Folder, good, h.clock()); err != nil {
		t.Fatal(err)
	}
	h.refresher.Scan(t.Context())
	if err := mtls.EndBypass(h.options.Folder); err != nil {
		t.Fatal(err)
	}
	h.refresher.Scan(t.Context())
	if h.refresher.Bypass() != nil {
		t.Error("it was ended and is still in force")
	}
	if err := mtls.EndBypass(h.options.Folder); err != nil {
		t.Error("ending none:", err)
	}
}

func TestRefreshBypassFileThatIsNone(t *testing.T) {
	for name, text := range map[string]string{
		"not JSON":       "until tomorrow",
		"an unknown key": `{"until":"2026-03-02T12:00:00Z","reason":"r","by":"b","at":"2026-03-02T09:00:00Z","scope":"all"}`,
		"trailing":       `{"until":"2026-03-02T12:00:00Z","reason":"r","by":"b","at":"2026-03-02T09:00:00Z"}{}`,
		"for ever":       `{"until":"2999-01-01T00:00:00Z","reason":"r","by":"b","at":"2026-03-02T09:00:00Z"}`,
	} {
		h := newHouse(t, func(h *house) {
			if err := os.WriteFile(filepath.Join(h.options.Folder, "bypass.json"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		})
		if h.refresher.Bypass() != nil {
			t.Errorf("%s: in force", name)
		}
	}
}
