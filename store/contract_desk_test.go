package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

func contractDirectory(t *testing.T, b backend) {
	change(t, b, func(ctx context.Context, u enroll.Unit) error {
		var errs []error
		for i, name := range []string{"DUPONT Zoé", "Dupond Anne", "ÉTIENNE Luc", "DUPONT Anne", "dupont anne"} {
			p := person(identity.PSIdNat(fmt.Sprint("8", i)))
			p.FamilyName, p.GivenName = name[:len(name)-4], name[len(name)-4:]
			if i != 1 {
				p.Roles = nil
			}
			errs = append(errs, u.SaveProfessional(ctx, p))
		}
		return errors.Join(errs...)
	})
	ids := func(people []identity.Professional, err error) (list string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range people {
			list += string(p.IdNat[1:])
		}
		return list
	}
	for name, tt := range map[string]struct {
		between enroll.Range
		want    string
	}{
		"all, by name":        {enroll.Range{By: enroll.ByName, Limit: 9}, "13402"},
		"the first two":       {enroll.Range{By: enroll.ByName, Limit: 2}, "13"},
		"after a place":       {enroll.Range{By: enroll.ByName, Limit: 9, After: enroll.Place{Key: "dupont anne", IdNat: "83"}}, "402"},
		"within bounds":       {enroll.Range{By: enroll.ByName, Limit: 9, From: "dupont", To: "dupont\x7f"}, "340"},
		"by the given name":   {enroll.Range{By: enroll.ByGiven, Limit: 9, From: "anne", To: "anne\x7f"}, "134"},
		"by the number":       {enroll.Range{By: enroll.ByIdNat, Limit: 9, After: enroll.Place{IdNat: "81"}}, "234"},
		"by a piece of those": {enroll.Range{By: enroll.ByIdNat, Limit: 9, From: "82", To: "82\x7f"}, "2"},
	} {
		if got := ids(b.PeopleBetween(t.Context(), tt.between)); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	some, err := b.ProfessionalsOf(t.Context(), []identity.PSIdNat{"83", "8x", "80"})
	slices.SortFunc(some, func(a, b identity.Professional) int { return strings.Compare(string(a.IdNat), string(b.IdNat)) })
	if got := ids(some, err); got != "03" {
		t.Errorf("some: %s", got)
	}
	none, err := b.ProfessionalsOf(t.Context(), nil)
	same(t, "none", none, err, nil)
	if got := ids(b.Staff(t.Context())); got != "1" {
		t.Errorf("staff: %s", got)
	}
	change(t, b, func(ctx context.Context, u enroll.Unit) error { // many at once, some of them known
		many := make([]identity.Professional, 0, 25)
		for i := range 25 {
			many = append(many, identity.Professional{
				IdNat: identity.PSIdNat(fmt.Sprint("80", i)), UserHandle: []byte(fmt.Sprint("many", i%24, i/24)), FamilyName: fmt.Sprint("Z", i),
			})
		}
		return errors.Join(u.SaveProfessional(ctx), u.SaveProfessional(ctx, many...))
	})
	if got := ids(b.PeopleBetween(t.Context(), enroll.Range{By: enroll.ByIdNat, Limit: 99, From: "800", To: "81"})); len(got) < 25 {
		t.Errorf("many: %s", got)
	}
	change(t, b, func(ctx context.Context, u enroll.Unit) error { // a new name is found, the old one is not
		p := person("80")
		p.FamilyName, p.GivenName, p.Roles = "AAA", "Zoé", nil
		return u.SaveProfessional(ctx, p)
	})
	if got := ids(b.PeopleBetween(t.Context(), enroll.Range{By: enroll.ByName, Limit: 5})); got != "01342" {
		t.Errorf("renamed: %s", got)
	}
}

func contractCurrentCertificates(t *testing.T, b backend) {
	populate(t, b)
	first, renewed, other := certificate("01", cardA, alice), certificate("02", cardA, alice), certificate("03", cardB, bob)
	renewed.NotBefore = noon
	change(t, b, func(ctx context.Context, u enroll.Unit) error {
		return errors.Join(u.SaveCertificate(ctx, renewed), u.SaveCertificate(ctx, first), u.SaveCertificate(ctx, other))
	})
	got, err := b.CurrentCertificates(t.Context(), "", 9)
	same(t, "each card's latest", got, err, []identity.Certificate{renewed, other})
	got, err = b.CurrentCertificates(t.Context(), "", 1)
	same(t, "the first", got, err, []identity.Certificate{renewed})
	got, err = b.CurrentCertificates(t.Context(), cardA, 9)
	same(t, "the next", got, err, []identity.Certificate{other})
	one, err := b.CertificateBySerial(t.Context(), "aa", "01")
	same(t, "by serial", one, err, first)
	_, err = b.CertificateBySerial(t.Context(), "bb", "01")
	if !errors.Is(err, enroll.ErrNotFound) {
		t.Errorf("another issuer's: %v", err)
	}
	cards, err := b.CardsAfter(t.Context(), "", 9)
	same(t, "all cards", cards, err, []identity.Card{card(cardA, alice), card(cardB, bob)})
	cards, err = b.CardsAfter(t.Context(), cardA, 9)
	same(t, "cards after one", cards, err, []identity.Card{card(cardB, bob)})
	revoked := card(cardA, alice)
	revoked.State = identity.CardRevoked
	change(t, b, func(ctx context.Context, u enroll.Unit) error { return u.SaveCard(ctx, revoked) })
	got, err = b.CurrentCertificates(t.Context(), "", 9)
	same(t, "none of a revoked card", got, err, []identity.Certificate{other})
}

func ticket(id string, opened time.Time) enroll.TicketRecord {
	return enroll.TicketRecord{
		Ticket: enroll.Ticket{
			ID: id, State: enroll.TicketClaimed, StateReason: "why", Phase: enroll.PhaseRegistered, Holder: alice, Operator: bob,
			OpenedAt: opened, ExpiresAt: opened.Add(time.Hour), ClaimedAt: opened.Add(time.Second), EndedAt: opened.Add(time.Minute),
			DeskProof:   enroll.Leave{State: enroll.LeaveGiven, By: bob, Approver: alice, Card: cardA},
			Reset:       enroll.Leave{State: enroll.LeaveAsked, By: bob},
			Workstation: enroll.Workstation{Name: "GUICHET-1", Reader: `Reader "00"`, Address: "192.0.2.7", Generation: identity.GenerationCPS4},
			Applet: enroll.Applet{
				PINSet: true, Credentials: -1, AAGUID: "00", Versions: []string{"FIDO_2_1"}, MinPINLength: 4, Options: map[string]bool{"rk": true},
			},
			Card: cardA, ProvedAt: opened, PasskeyID: []byte("1"),
			Steps: []enroll.Step{{Name: enroll.StepOpened, At: opened, OK: true}, {Name: "card", At: opened, Detail: "é"}},
		},
		CodeHash: "code " + id, SecretHash: "secret " + id, Ceremony: []byte{0, 255},
	}
}

func contractTickets(t *testing.T, b backend) {
	populate(t, b)
	full := ticket("1", noon)
	bare := enroll.TicketRecord{Ticket: enroll.Ticket{ID: "2", State: enroll.TicketOpen, Operator: bob, OpenedAt: noon, ExpiresAt: noon}, CodeHash: "code 2"}
	bare.Ceremony = []byte{}
	change(t, b, func(ctx context.Context, u enroll.Unit) error {
		return errors.Join(u.SavePasskey(ctx, passkey("1", alice, cardA)), u.SaveTicket(ctx, full), u.SaveTicket(ctx, bare))
	})
	for _, want := range []enroll.TicketRecord{full, bare} {
		got, err := b.Ticket(t.Context(), want.ID)
		same(t, "made", got, err, want)
	}
	got, err := b.TicketByCode(t.Context(), "code 1")
	same(t, "by code", got, err, full)
	got, err = b.TicketBySecret(t.Context(), "secret 1")
	same(t, "by secret", got, err, full)
	for _, find := range []func(context.Context, string) (enroll.TicketRecord, error){b.Ticket, b.TicketByCode, b.TicketBySecret} {
		if _, err := find(t.Context(), ""); !errors.Is(err, enroll.ErrNotFound) {
			t.Errorf("found by nothing: %v", err)
		}
	}
	next := full
	next.State, next.Steps, next.Ceremony = enroll.TicketDone, next.Steps[:1], []byte{}
	want := next
	next.CodeHash, next.Operator, next.OpenedAt = "other", alice, noon.Add(time.Hour) // stay as they were
	change(t, b, func(ctx context.Context, u enroll.Unit) error { return u.SaveTicket(ctx, next) })
	got, err = b.Ticket(t.Context(), "1")
	same(t, "updated", got, err, want)

	due, err := b.TicketsDue(t.Context(), noon, 9)
	same(t, "due", due, err, []string{"2"})
	due, err = b.TicketsDue(t.Context(), noon.Add(-time.Microsecond), 9)
	same(t, "not yet", due, err, nil)
	for name, wrong := range map[string]func(*enroll.TicketRecord){
		"a code twice":      func(r *enroll.TicketRecord) { r.CodeHash = "code 1" },
		"a secret twice":    func(r *enroll.TicketRecord) { r.SecretHash = "secret 1" },
		"a state of none":   func(r *enroll.TicketRecord) { r.State = "lost" },
		"a holder of none":  func(r *enroll.TicketRecord) { r.Holder = "8" },
		"a card of none":    func(r *enroll.TicketRecord) { r.Card = "x" },
		"a passkey of none": func(r *enroll.TicketRecord) { r.PasskeyID = []byte("x") },
	} {
		r := ticket("3", noon)
		wrong(&r)
		if err := b.Change(t.Context(), func(u enroll.Unit) error { return u.SaveTicket(t.Context(), r) }); err == nil {
			t.Errorf("%s was kept", name)
		}
	}
}

func contractApprovals(t *testing.T, b backend) {
	request := enroll.Approval{
		ID: "1", Deed: enroll.DeedGrant, State: enroll.ApprovalWaiting, By: bob, Subject: alice, Card: cardA, Ticket: "t", Role: identity.RoleAdmin,
		Reason: "why", RequestedAt: noon, ExpiresAt: noon.Add(time.Hour), DecidedBy: alice, DecidedAt: noon.Add(time.Minute),
	}
	proposal := enroll.Approval{ID: "2", Deed: enroll.DeedReactivate, State: enroll.ApprovalProposed, Subject: alice, Card: cardB, RequestedAt: noon}
	change(t, b, func(ctx context.Context, u enroll.Unit) error {
		return errors.Join(u.SaveApproval(ctx, request), u.SaveApproval(ctx, proposal))
	})
	got, err := b.Approval(t.Context(), "1")
	same(t, "made", got, err, request)
	got, err = b.ApprovalLike(t.Context(), request)
	same(t, "the same", got, err, request)
	got, err = b.ApprovalLike(t.Context(), enroll.Approval{Deed: enroll.DeedReactivate, Subject: alice, Card: cardB})
	same(t, "the same proposal", got, err, proposal)
	other := request
	other.Role = identity.RoleOperator
	if _, err := b.ApprovalLike(t.Context(), other); !errors.Is(err, enroll.ErrNotFound) {
		t.Errorf("another: %v", err)
	}
	due, err := b.ApprovalsDue(t.Context(), noon.Add(time.Hour), 9)
	same(t, "due; a proposal never is", due, err, []string{"1"})
	page, err := b.ApprovalPage(t.Context(), enroll.ApprovalQuery{Limit: 1})
	if err != nil || len(page.Approvals) != 1 || page.Approvals[0].ID != "2" || page.Next == "" {
		t.Errorf("the latest: %+v, %v", page, err)
	}
	page, err = b.ApprovalPage(t.Context(), enroll.ApprovalQuery{Limit: 1, After: page.Next})
	same(t, "the one before", page, err, enroll.ApprovalPage{Approvals: []enroll.Approval{request}})

	next := request
	next.State, next.DecidedBy, next.DecidedAt = enroll.ApprovalDone, bob, noon.Add(time.Hour)
	want := next
	next.By, next.Role, next.Reason = alice, identity.RoleOperator, "x" // stay as they were
	change(t, b, func(ctx context.Context, u enroll.Unit) error { return u.SaveApproval(ctx, next) })
	got, err = b.Approval(t.Context(), "1")
	same(t, "decided", got, err, want)
	if _, err := b.ApprovalLike(t.Context(), request); !errors.Is(err, enroll.ErrNotFound) {
		t.Errorf("after its decision: %v", err)
	}
}

func contractClients(t *testing.T, b backend) {
	c := enroll.Client{
		Name: "hr", TokenHash: "hash", Scopes: []enroll.Scope{enroll.ScopePeople, enroll.ScopeAudit}, CreatedAt: noon, CreatedBy: bob,
		ExpiresAt: noon.Add(time.Hour), LastUsedAt: noon, RevokedAt: noon, RevokedBy: alice,
	}
	bare := enroll.Client{Name: "aa", TokenHash: "other", CreatedAt: noon}
	change(t, b, func(ctx context.Context, u enroll.Unit) error {
		return errors.Join(u.SaveClient(ctx, c), u.SaveClient(ctx, bare))
	})
	got, err := b.Client(t.Context(), "hr")
	same(t, "made", got, err, c)
	got, err = b.ClientByToken(t.Context(), "hash")
	same(t, "by token", got, err, c)
	list, err := b.Clients(t.Context())
	same(t, "by name", list, err, []enroll.Client{bare, c})
	next := c
	next.LastUsedAt = noon.Add(time.Hour)
	want := next
	next.TokenHash, next.Scopes = "stolen", enroll.Scopes() // stay as they were
	change(t, b, func(ctx context.Context, u enroll.Unit) error { return u.SaveClient(ctx, next) })
	got, err = b.Client(t.Context(), "hr")
	same(t, "used", got, err, want)
	if _, err := b.ClientByToken(t.Context(), "stolen"); !errors.Is(err, enroll.ErrNotFound) {
		t.Errorf("a token changed: %v", err)
	}
}

func contractChanges(t *testing.T, b backend) {
	log := audit.New(b, audit.Options{})
	var want []enroll.Change
	for i, kind := range []string{audit.KindLoginCPS, audit.KindCardState, audit.KindLogout, audit.KindSessionsEnd} {
		e := audit.Event{Kind: kind, Outcome: audit.Done, Card: cardA, Subject: alice}
		if err := log.Record(t.Context(), &e); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(enroll.ChangeKinds(), kind) {
			want = append(want, enroll.Change{Sequence: uint64(i) + 1, Event: e.ID, Kind: kind, Card: cardA, Subject: alice})
		}
	}
	got, err := b.ChangesAfter(t.Context(), 0)
	same(t, "all", got, err, want)
	got, err = b.ChangesAfter(t.Context(), 2)
	same(t, "the later ones", got, err, want[1:])
	last, err := b.LastEvent(t.Context())
	same(t, "the last", last, err, 4)
	before, err := b.LastEventBefore(t.Context(), time.Unix(0, 0))
	same(t, "before all", before, err, 0)
	before, err = b.LastEventBefore(t.Context(), time.Now().Add(time.Hour))
	same(t, "before a later time", before, err, 4)
}
