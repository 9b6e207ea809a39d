package store_test

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/sessions"
	"cpsgate/sso"
)

// backend is what every store offers to the rest of the house.
type backend interface {
	enroll.Records
	audit.Ledger
	audit.Trail
	audit.Pruner
	sessions.Keeper
	sso.KeyShelf
	sso.ClientShelf
	sso.Shelf
	Chain(ctx context.Context, read func(audit.Chain) error) error
}

// contract is what every store must do. open gives an empty one.
func contract(t *testing.T, open func(t *testing.T) backend) {
	for name, test := range map[string]func(*testing.T, backend){
		"people":                     contractPeople,
		"cards":                      contractCards,
		"certificates":               contractCertificates,
		"passkeys":                   contractPasskeys,
		"nothing is found":           contractNotFound,
		"a failed change is none":    contractAtomic,
		"changes do not interleave":  contractSerialisable,
		"references hold":            contractReferences,
		"the audit is a chain":       contractChain,
		"an event goes with its act": contractEventInUnit,
		"many append at once":        contractAppendRace,
		"session records":            contractKeeper,
		"people in order":            contractDirectory,
		"the latest certificates":    contractCurrentCertificates,
		"tickets":                    contractTickets,
		"requests":                   contractApprovals,
		"machine clients":            contractClients,
		"changes are fed":            contractChanges,
		"the audit is searched":      contractSearch,
		"the audit is pruned":        contractPrune,
		"signing keys":               contractKeys,
		"grants":                     contractGrants,
		"seen once, and consent":     contractSeen,
		"logouts to be told":         contractLogouts,
		"clients of single sign-on":  contractSSOClients,
		"activities":                 contractActivities,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

const (
	alice = identity.PSIdNat("899700000017")
	bob   = identity.PSIdNat("899700000025")
	cardA = "8025000001/0000000001"
	cardB = "8025000001/0000000002"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 123456000, time.UTC)

func person(id identity.PSIdNat) identity.Professional {
	return identity.Professional{
		IdNat: id, FamilyName: "EXEMPLE", GivenName: "Infirmière", Title: "Infirmière", Profession: 60,
		Training: true, Specialties: []string{"SM26", `with "quotes", and é`}, Structure: "10B0057881", Employer: "HOPITAL EXEMPLE",
		Roles:  []identity.Role{identity.RoleOperator, identity.RoleAuditor},
		Proved: []identity.Attribute{identity.AttributeFamilyName, identity.AttributeProfession}, UserHandle: []byte("handle of " + id),
	}
}

func card(tokenID string, holder identity.PSIdNat) identity.Card {
	return identity.Card{
		TokenID: tokenID, Holder: holder, Type: identity.CardCPE, Test: true, Generation: identity.GenerationCPS4,
		State: identity.CardActive, StateReason: "", FirstSeen: noon, LastSeen: noon,
	}
}

func certificate(serial, tokenID string, holder identity.PSIdNat) identity.Certificate {
	return identity.Certificate{
		Issuer: "CN=TEST AC", IssuerKey: "aa", Serial: serial, Fingerprint: "f" + serial, TokenID: tokenID, Holder: holder,
		NotBefore: noon.AddDate(-1, 0, 0), NotAfter: noon.AddDate(2, 0, 0), SeenAt: noon,
	}
}

func passkey(id string, holder identity.PSIdNat, tokenID string) identity.Passkey {
	return identity.Passkey{
		ID: []byte(id), Holder: holder, UserHandle: []byte("handle of " + holder), Name: "Ma carte",
		PublicKey: []byte{0xa5, 0, 0xff}, AAGUID: [16]byte{1, 15: 2},
		AttestationFormat: "packed", AttestationType: "basic_full", AttestationVerdict: "known",
		SignCount: 1<<32 - 1, Transports: []string{"smart-card", "usb"}, BackupEligible: true, BackupState: true, MinPINLength: 6,
		CardTokenID: tokenID,
		Proof:       identity.Proof{Kind: identity.ProofDesk, At: noon, CardTokenID: cardA, Operator: bob, Approver: alice},
		State:       identity.PasskeyPending, StateReason: "", CreatedAt: noon,
	}
}

func change(t *testing.T, b backend, act func(ctx context.Context, u enroll.Unit) error) {
	t.Helper()
	if err := b.Change(t.Context(), func(u enroll.Unit) error { return act(t.Context(), u) }); err != nil {
		t.Fatal(err)
	}
}

// populated has Alice with card A and Bob with card B.
func populate(t *testing.T, b backend) {
	t.Helper()
	change(t, b, func(ctx context.Context, u enroll.Unit) error {
		return errors.Join(
			u.SaveProfessional(ctx, person(alice)), u.SaveProfessional(ctx, person(bob)),
			u.SaveCard(ctx, card(cardA, alice)), u.SaveCard(ctx, card(cardB, bob)),
		)
	})
}

// same compares what was read with what should have been.
func same[T any](t *testing.T, what string, got T, err error, want T) {
	t.Helper()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v\n got %+v\nwant %+v", what, err, got, want)
	}
}

func contractPeople(t *testing.T, b backend) {
	p := person(alice)
	change(t, b, func(ctx context.Context, u enroll.Unit) error { return u.SaveProfessional(ctx, p) })
	got, err := b.Professional(t.Context(), alice)
	same(t, "made", got, err, p)
	got, err = b.ProfessionalByHandle(t.Context(), p.UserHandle)
	same(t, "by handle", got, err, p)

	next := identity.Professional{
		IdNat: alice, FamilyName: "EXEMPLE-MARIÉE", GivenName: "I.", Title: "Docteur", Profession: 10,
		Structure: "S", Employer: "E", UserHandle: []byte("another handle"),
	}
	change(t, b, func(ctx context.Context, u enroll.Unit) error {
		err := u.SaveProfessional(ctx, next)
		next.UserHandle = p.UserHandle // stays
		got, readErr := u.Professional(ctx, alice)
		same(t, "read in the unit", got, readErr, next)
		return err
	})
	got, err = b.Professional(t.Context(), alice)
	same(t, "updated", got, err, next)
	err = b.Change(t.Context(), func(u enroll.Unit) error {
		other := person(bob)
		other.UserHandle = p.UserHandle
		return u.SaveProfessional(t.Context(), other)
	})
	if err == nil {
		t.Error("two people with one user handle")
	}
}

func contractCards(t *testing.T, b backend) {
	populate(t, b)
	c := card(cardA, alice)
	got, err := b.Card(t.Context(), cardA)
	same(t, "made", got, err, c)

	second := card("8025000001/0000000003", alice)
	second.LastSeen = noon.Add(time.Hour)
	next := c
	next.Holder, next.FirstSeen = bob, noon.Add(time.Hour) // stay as they were
	next.Type, next.Test, next.Generation = identity.CardCPS, false, identity.GenerationCPS3
	next.State, next.StateReason, next.Against, next.LastSeen = identity.CardSuspended, "lost", "opposed", noon.Add(time.Minute)
	change(t, b, func(ctx context.Context, u enroll.Unit) error {
		return errors.Join(u.SaveCard(ctx, next), u.SaveCard(ctx, second))
	})
	next.Holder, next.FirstSeen = alice, noon
	got, err = b.Card(t.Context(), cardA)
	same(t, "updated", got, err, next)
	list, err := b.CardsOf(t.Context(), alice)
	same(t, "the last seen first", list, err, []identity.Card{second, next})

	if err := b.Change(t.Context(), func(u enroll.Unit) error {
		next.State = "lost"
		return u.SaveCard(t.Context(), next)
	}); err == nil {
		t.Error("a state that is none")
	}
}

func contractCertificates(t *testing.T, b backend) {
	populate(t, b)
	first, renewed := certificate("01", cardA, alice), certificate("02", cardA, alice)
	renewed.NotBefore = noon
	change(t, b, func(ctx context.Context, u enroll.Unit) error {
		return errors.Join(u.SaveCertificate(ctx, first), u.SaveCertificate(ctx, renewed))
	})
	first.SeenAt, first.SignerKey = noon.Add(time.Hour), "ab"
	change(t, b, func(ctx context.Context, u enroll.Unit) error { return u.SaveCertificate(ctx, first) })
	unsigned := first
	unsigned.SignerKey = ""
	change(t, b, func(ctx context.Context, u enroll.Unit) error { return u.SaveCertificate(ctx, unsigned) })
	list, err := b.CertificatesOf(t.Context(), cardA)
	same(t, "the latest first", list, err, []identity.Certificate{renewed, first})

	for name, other := range map[string]func(*identity.Certificate){
		"another fingerprint": func(c *identity.Certificate) { c.Fingerprint = "other" },
		"another card":        func(c *identity.Certificate) { c.TokenID = cardB },
		"another holder":      func(c *identity.Certificate) { c.Holder = bob },
	} {
		c := first
		other(&c)
		err := b.Change(t.Context(), func(u enroll.Unit) error { return u.SaveCertificate(t.Context(), c) })
		if !errors.Is(err, enroll.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func contractPasskeys(t *testing.T, b backend) {
	populate(t, b)
	inCard, usbKey := passkey("1", alice, cardA), passkey("2", alice, "")
	usbKey.CreatedAt = noon.Add(time.Minute)
	bare := identity.Passkey{ID: []byte("3"), Holder: bob, UserHandle: []byte("h"), State: identity.PasskeyActive, PublicKey: []byte{1}}
	change(t, b, func(ctx context.Context, u enroll.Unit) error {
		return errors.Join(u.SavePasskey(ctx, usbKey), u.SavePasskey(ctx, inCard), u.SavePasskey(ctx, bare))
	})
	for _, want := range []identity.Passkey{inCard, usbKey, bare} {
		got, err := b.Passkey(t.Context(), want.ID)
		same(t, "made", got, err, want)
	}
	list, err := b.PasskeysOf(t.Context(), alice)
	same(t, "oldest first", list, err, []identity.Passkey{inCard, usbKey})
	list, err = b.PasskeysOn(t.Context(), cardA)
	same(t, "in the card, or vouched for by it", list, err, []identity.Passkey{inCard, usbKey})
	list, err = b.PasskeysOn(t.Context(), cardB)
	same(t, "on another card", list, err, nil)

	next := inCard
	next.Name, next.SignCount, next.BackupState = "Renommée", 7, false
	next.State, next.StateReason, next.LastUsedAt = identity.PasskeySuspended, "why", noon.Add(time.Hour)
	want := next
	next.Holder, next.PublicKey, next.AAGUID, next.Proof.Kind, next.CardTokenID = bob, []byte{9}, [16]byte{9}, identity.ProofSameCard, cardB
	change(t, b, func(ctx context.Context, u enroll.Unit) error { return u.SavePasskey(ctx, next) })
	got, err := b.Passkey(t.Context(), inCard.ID)
	same(t, "updated", got, err, want)
}

func contractKeeper(t *testing.T, b backend) {
	one := sessions.Kept{Key: [32]byte{1}, Record: []byte("\x00\xffone"), Until: noon}
	two := sessions.Kept{Key: [32]byte{2}, Record: []byte("two"), Until: noon.Add(time.Hour)}
	read := func() map[[32]byte]sessions.Kept {
		kept := map[[32]byte]sessions.Kept{}
		for k, err := range b.Kept(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			kept[k.Key] = k
		}
		return kept
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(b.Keep(t.Context(), one, two))
	same(t, "kept", read(), nil, map[[32]byte]sessions.Kept{one.Key: one, two.Key: two})
	one.Record, one.Until = bytes.Repeat([]byte{7}, 4000), noon.Add(time.Minute)
	must(b.Keep(t.Context(), one))
	must(b.Forget(t.Context(), two.Key, [32]byte{3}))
	same(t, "replaced and forgotten", read(), nil, map[[32]byte]sessions.Kept{one.Key: one})
	must(b.Forget(t.Context()))
	must(b.Keep(t.Context()))
}
