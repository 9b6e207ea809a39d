package store_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"cpsgate/enroll"
	"cpsgate/identity"
)

func contractNotFound(t *testing.T, b backend) {
	ctx := t.Context()
	_, person := b.Professional(ctx, alice)
	_, handle := b.ProfessionalByHandle(ctx, nil)
	_, card := b.Card(ctx, cardA)
	_, passkey := b.Passkey(ctx, []byte("x"))
	_, event := b.Event(ctx, "7K3M-9QXD")
	for what, err := range map[string]error{"person": person, "handle": handle, "card": card, "passkey": passkey, "event": event} {
		if !errors.Is(err, enroll.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	cards, err := b.CardsOf(ctx, alice)
	same(t, "cards", cards, err, nil)
	passkeys, err := b.PasskeysOf(ctx, alice)
	same(t, "passkeys", passkeys, err, nil)
}

var errChanged = errors.New("changed my mind")

func contractAtomic(t *testing.T, b backend) {
	err := b.Change(t.Context(), func(u enroll.Unit) error {
		if err := u.SaveProfessional(t.Context(), person(alice)); err != nil {
			return err
		}
		return errChanged
	})
	if !errors.Is(err, errChanged) {
		t.Errorf("error %v", err)
	}
	if _, err := b.Professional(t.Context(), alice); !errors.Is(err, enroll.ErrNotFound) {
		t.Errorf("kept all the same: %v", err)
	}

	func() {
		defer func() { _ = recover() }()
		_ = b.Change(t.Context(), func(u enroll.Unit) error {
			_ = u.SaveProfessional(t.Context(), person(alice))
			panic("in the middle")
		})
	}()
	if _, err := b.Professional(t.Context(), alice); !errors.Is(err, enroll.ErrNotFound) {
		t.Errorf("kept after a panic: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	err = b.Change(gone, func(u enroll.Unit) error {
		err := u.SaveProfessional(gone, person(alice))
		cancel()
		return err
	})
	if _, found := b.Professional(t.Context(), alice); err == nil || !errors.Is(found, enroll.ErrNotFound) {
		t.Errorf("kept though the request is gone: %v, %v", err, found)
	}
	populate(t, b) // and it goes on
}

// contractSerialisable: of two who read, then write, the second reads what the
// first wrote.
func contractSerialisable(t *testing.T, b backend) {
	populate(t, b)
	change(t, b, func(ctx context.Context, u enroll.Unit) error {
		p := passkey("1", alice, cardA)
		p.SignCount = 0
		return u.SavePasskey(ctx, p)
	})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			err := b.Change(t.Context(), func(u enroll.Unit) error {
				p, err := u.Passkey(t.Context(), []byte("1"))
				if err != nil {
					return err
				}
				p.SignCount++
				return u.SavePasskey(t.Context(), p)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if p, err := b.Passkey(t.Context(), []byte("1")); err != nil || p.SignCount != 20 {
		t.Errorf("counted %d, %v", p.SignCount, err)
	}
}

func contractReferences(t *testing.T, b backend) {
	populate(t, b)
	for name, act := range map[string]func(ctx context.Context, u enroll.Unit) error{
		"a card of nobody": func(ctx context.Context, u enroll.Unit) error { return u.SaveCard(ctx, card("x", "8")) },
		"a certificate of none": func(ctx context.Context, u enroll.Unit) error {
			return u.SaveCertificate(ctx, certificate("1", "x", alice))
		},
		"a passkey of nobody":  func(ctx context.Context, u enroll.Unit) error { return u.SavePasskey(ctx, passkey("1", "8", "")) },
		"a passkey in no card": func(ctx context.Context, u enroll.Unit) error { return u.SavePasskey(ctx, passkey("1", alice, "x")) },
		"a passkey without state": func(ctx context.Context, u enroll.Unit) error {
			return u.SavePasskey(ctx, identity.Passkey{ID: []byte("1"), Holder: alice})
		},
	} {
		if err := b.Change(t.Context(), func(u enroll.Unit) error { return act(t.Context(), u) }); err == nil {
			t.Errorf("%s was kept", name)
		}
	}
}
