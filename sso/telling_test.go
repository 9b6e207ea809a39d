package sso_test

import (
	"context"
	"testing"
	"time"

	"cpsgate/sso"
)

// unwriting is a shelf that reads who is to be told, and cannot write that they
// are being told.
type unwriting struct {
	sso.Shelf
	times int
}

func (u *unwriting) ClaimLogouts(_ context.Context, client string, now, _ time.Time, _ int) ([]sso.LogoutRecord, error) {
	if u.times++; u.times > 3 {
		return nil, errDisk
	}
	return []sso.LogoutRecord{{Client: client, Session: "s", Holder: string(alice), EndedAt: now, Next: now}}, errDisk
}

// What cannot be claimed is told to nobody: it would be told without end.
func TestWhatCannotBeClaimedIsNotTold(t *testing.T) {
	l, shelf := &listener{}, &unwriting{}
	p := tellingOn(t, nil, l, func(o *sso.Options) { shelf.Shelf, o.Shelf = o.Shelf, shelf })
	session := p.open(alice, cardA)
	p.tokens(session)
	if err := p.sessions.EndByID(t.Context(), alice, session.ID); err != nil {
		t.Fatal(err)
	}
	p.provider.TellClients(t.Context())
	if n := len(l.heard()); n != 0 || shelf.times != 1 {
		t.Errorf("told %d times, tried %d times", n, shelf.times)
	}
}

// Of a client that is removed, or listens no more, nobody says that it was told.
func TestWhoListensNoMoreWasNotTold(t *testing.T) {
	l := &listener{}
	p := telling(t, l)
	if _, err := p.provider.Clients().Add(t.Context(), app(func(c *sso.Client) { c.ID = "silent" })); err != nil {
		t.Fatal(err)
	}
	for _, client := range []string{"silent", "unknown"} {
		due := sso.LogoutRecord{Client: client, Session: "s", Holder: string(alice), EndedAt: p.clock.now(), Next: p.clock.now()}
		if err := p.store.AddLogouts(t.Context(), due); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		p.provider.TellClients(t.Context())
		p.clock.add(time.Hour)
	}
	e := p.told()
	if len(e) != 2 || len(l.heard()) != 0 {
		t.Fatalf("%+v, told %d times", e, len(l.heard()))
	}
	for _, e := range e {
		if e.Reason != "not-listening" || e.Session != "s" || e.Holder != alice || e.Client == "app" {
			t.Errorf("%+v", e)
		}
	}
}
