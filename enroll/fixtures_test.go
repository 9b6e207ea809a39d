package enroll_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/store"
)

const (
	alice = identity.PSIdNat("899700000017")
	bob   = identity.PSIdNat("899700000025")
	carol = identity.PSIdNat("899700000033")
	cardA = "8025000001/0000000001"
	cardB = "8025000001/0000000002"
	cardC = "8025000001/0000000003"
)

var (
	noon    = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	errDisk = errors.New("disk is full")
)

// desk is a registry over a real store, and what its hooks were told.
type desk struct {
	*enroll.Registry
	store *store.Store
	log   *audit.Log
	path  string

	policy enroll.Policy

	mu    sync.Mutex
	told  []string
	ended []enroll.Ending
	hook  error // what the hooks answer
	now   time.Time
}

// Stores as files, made once and copied for each test: migrating takes most of
// a test's time otherwise.
var files struct {
	empty, populated, staffed             []byte
	makeEmpty, makePopulated, makeStaffed sync.Once
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	files.makeEmpty.Do(func() { files.empty = closed(t, deskOn(t, nil)) })
	return deskOn(t, files.empty)
}

// closed is a desk's store as a file that nobody has open.
func closed(t *testing.T, d *desk) []byte {
	t.Helper()
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func deskOn(t testing.TB, file []byte, policy ...enroll.Policy) *desk {
	t.Helper()
	path := filepath.Join(t.TempDir(), store.FileName)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, path, append(policy, enroll.Policy{SelfEnrolment: enroll.SelfKeys})[0])
}

func open(t testing.TB, path string, policy enroll.Policy) *desk {
	t.Helper()
	d := &desk{path: path, policy: policy, now: noon}
	s, err := store.Open(t.Context(), d.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	d.store = s
	d.log = audit.New(s, audit.Options{Now: d.clock})
	d.Registry = d.registryOver(t, s)
	return d
}

func (d *desk) clock() time.Time { return d.now }

func (d *desk) registryOver(t testing.TB, records enroll.Records) *enroll.Registry {
	t.Helper()
	r, err := enroll.New(records, enroll.Options{
		Audit: d.log, Now: d.clock, Policy: d.policy,
		OnCardState: func(_ context.Context, tokenID string, state identity.CardState) error {
			return d.tell("card " + tokenID + " " + string(state))
		},
		OnPasskeyState: func(_ context.Context, id []byte, state identity.PasskeyState) error {
			return d.tell("passkey " + string(id) + " " + string(state))
		},
		OnSessionsEnd: func(_ context.Context, of enroll.Ending) error {
			d.mu.Lock()
			d.ended = append(d.ended, of)
			d.mu.Unlock()
			return d.tell(fmt.Sprintf("sessions of %s on %s by %s at %s", of.Holder, of.Card, of.Passkey, of.Workstation))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (d *desk) tell(what string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, what)
	return d.hook
}

// unrecorded are records whose audit fails.
type unrecorded struct{ enroll.Records }

func (r unrecorded) Change(ctx context.Context, act func(enroll.Unit) error) error {
	return r.Records.Change(ctx, func(u enroll.Unit) error { return act(unrecordedUnit{u}) })
}

type unrecordedUnit struct{ enroll.Unit }

func (unrecordedUnit) Append(context.Context, func(audit.Tail) (audit.Event, error)) error {
	return errDisk
}

// holder is what a certificate on a card says.
func holder(id identity.PSIdNat, tokenID, serial string) identity.Cardholder {
	return identity.Cardholder{
		Professional: identity.Professional{IdNat: id, FamilyName: "EXEMPLE", GivenName: "Infirmière", Profession: 60},
		Card:         identity.Card{TokenID: tokenID, Type: identity.CardCPS, Test: true},
		Certificate: identity.Certificate{
			Issuer: "CN=TEST AC IGC-SANTE FORT PERSONNES", IssuerKey: "aa", Serial: serial, Fingerprint: "f" + serial,
			NotBefore: noon.AddDate(-1, 0, 0), NotAfter: noon.AddDate(2, 0, 0),
		},
	}
}

func (d *desk) admit(t *testing.T, h identity.Cardholder) (identity.Professional, identity.Card) {
	t.Helper()
	p, c, err := d.Admit(t.Context(), h, d.now)
	if err != nil {
		t.Fatal(err)
	}
	return p, c
}

// key is a passkey as rp gives it, of a person whom the desk knows.
func (d *desk) key(t *testing.T, id string, of identity.PSIdNat, inCard, vouchedBy string) identity.Passkey {
	t.Helper()
	p, err := d.Professional(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	return identity.Passkey{
		ID: []byte(id), Holder: of, UserHandle: p.UserHandle, Name: "Ma clé", PublicKey: []byte{1},
		AttestationVerdict: "recorded", CardTokenID: inCard,
		Proof: identity.Proof{Kind: identity.ProofCertificate, At: noon, CardTokenID: vouchedBy},
	}
}

func (d *desk) add(t *testing.T, p identity.Passkey) {
	t.Helper()
	if err := d.AddPasskey(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

func (d *desk) use(t *testing.T, id string) {
	t.Helper()
	if err := d.Used(t.Context(), identity.Passkey{ID: []byte(id), SignCount: 1}); err != nil {
		t.Fatal(err)
	}
}

func (d *desk) set(t *testing.T, tokenID string, state identity.CardState) {
	t.Helper()
	if err := d.SetCardState(t.Context(), tokenID, state, "test", carol); err != nil {
		t.Fatal(err)
	}
}

func (d *desk) state(t *testing.T, id string) string {
	t.Helper()
	p, err := d.Passkey(t.Context(), []byte(id))
	if err != nil {
		t.Fatal(err)
	}
	return string(p.State)
}

// events are the kinds recorded so far, oldest first.
func (d *desk) events(t *testing.T) []audit.Event {
	t.Helper()
	var list []audit.Event
	for e, err := range d.store.Events(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

func (d *desk) wantKinds(t *testing.T, want ...string) {
	t.Helper()
	var kinds []string
	for _, e := range d.events(t) {
		kinds = append(kinds, e.Kind)
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("recorded %v, want %v", kinds, want)
	}
}

// wantRefusal compares the reason; "" is none.
func wantRefusal(t *testing.T, err error, want enroll.Reason) *enroll.Refusal {
	t.Helper()
	var refusal *enroll.Refusal
	switch {
	case want == "" && err == nil:
		return nil
	case !errors.As(err, &refusal):
		t.Fatalf("error %v, want %q", err, want)
	case refusal.Reason != want:
		t.Fatalf("refused as %q (%v), want %q", refusal.Reason, err, want)
	}
	return refusal
}
