package rp_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/internal/softkey"
	"cpsgate/rp"
)

const (
	rpID   = "sso.example"
	origin = "https://sso.example:8443"
)

var (
	now    = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)
	aaguid = [16]byte{0x1D, 0x2C, 0x3B, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	other  = [16]byte{0xFF}
	holder = identity.Professional{
		IdNat: "899700000001", FamilyName: "EXEMPLE", GivenName: "Infirmière", Profession: 60,
		UserHandle: []byte("0123456789abcdef0123456789abcdef"),
	}
)

// party makes a relying party; change bends its options.
func party(tb testing.TB, change func(*rp.Options)) *rp.RelyingParty {
	tb.Helper()
	o := rp.Options{ID: rpID, Name: "Hôpital d'exemple", Origins: []string{origin}, Now: func() time.Time { return now }}
	if change != nil {
		change(&o)
	}
	p, err := rp.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func device(change func(*softkey.Options)) *softkey.Device {
	o := softkey.Options{AAGUID: aaguid, Attestation: softkey.Self}
	if change != nil {
		change(&o)
	}
	return softkey.New(o)
}

// login is a registered passkey and a login begun.
type login struct {
	party   *rp.RelyingParty
	device  *softkey.Device
	passkey identity.Passkey
	options json.RawMessage
	pending rp.PendingLogin
}

func newLogin(tb testing.TB, p *rp.RelyingParty) *login {
	tb.Helper()
	d := device(nil)
	options, pending, err := p.BeginRegistration(holder, nil)
	if err != nil {
		tb.Fatal(err)
	}
	body, err := d.Create(origin, options)
	if err != nil {
		tb.Fatal(err)
	}
	passkey, err := p.FinishRegistration(pending, body, now)
	if err != nil {
		tb.Fatal(err)
	}
	l := &login{party: p, device: d, passkey: passkey}
	l.begin(tb)
	return l
}

func (l *login) begin(tb testing.TB) {
	tb.Helper()
	var err error
	if l.options, l.pending, err = l.party.BeginLogin(); err != nil {
		tb.Fatal(err)
	}
}

func (l *login) answer(tb testing.TB, lies ...softkey.Lie) []byte {
	tb.Helper()
	body, err := l.device.Get(origin, l.options, lies...)
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

func (l *login) find(_, _ []byte) (identity.Passkey, error) { return l.passkey, nil }

// reasonOf is the reason of a refusal; "" for nil, and a failed test for an
// error that is no refusal.
func reasonOf(tb testing.TB, err error) rp.Reason {
	tb.Helper()
	if err == nil {
		return ""
	}
	var refusal *rp.Refusal
	if !errors.As(err, &refusal) {
		tb.Fatalf("not a refusal: %v", err)
	}
	return refusal.Reason
}
