package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/store"
)

// begin is when the first of the sample people signed in.
var begin = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// chief holds every role.
var chief = identity.PSIdNat("8" + rpps(0))

// rpps is the i-th number of the test range, with its key.
func rpps(i int) string {
	body := fmt.Sprintf("997%07d", i)
	for key := range 10 {
		if r := fmt.Sprint(body, key); identity.RPPS(r).Check() == nil {
			return r
		}
	}
	return body
}

// letters writes a number in letters, so that names differ.
func letters(i int) string {
	s := ""
	for ; i >= 0; i = i/26 - 1 {
		s = string(rune('A'+i%26)) + s
	}
	return s
}

// fill makes n people, and of each a card, a certificate, a ticket and a sign-in.
func fill(ctx context.Context, s *store.Store, registry *enroll.Registry, log *audit.Log, n int) error {
	console := enroll.Act{Console: true, Reason: "bench"}
	var table strings.Builder
	table.WriteString("rpps,family_name,given_name\n")
	for i := range n {
		fmt.Fprintf(&table, "%s,EXEMPLE %s,%s\n", rpps(i), letters(i*7919%n), letters(i))
	}
	report, err := registry.ImportPeople(ctx, console, strings.NewReader(table.String()), enroll.ImportOptions{})
	if err != nil || report.Added != n {
		return fmt.Errorf("%d people added: %w", report.Added, err)
	}
	for _, role := range []identity.Role{identity.RoleOperator, identity.RoleAdmin, identity.RoleAuditor} {
		if _, err := registry.Grant(ctx, console, chief, role); err != nil {
			return err
		}
	}
	return s.Change(ctx, func(u enroll.Unit) error {
		for i := range n {
			if err := fillOne(ctx, u, log, i); err != nil {
				return err
			}
		}
		return nil
	})
}

func fillOne(ctx context.Context, u enroll.Unit, log *audit.Log, i int) error {
	who, token, at := identity.PSIdNat("8"+rpps(i)), fmt.Sprintf("8025000001/%010d", i), begin.Add(time.Duration(i)*time.Second)
	if err := u.SaveCard(ctx, identity.Card{TokenID: token, Holder: who, State: identity.CardActive, FirstSeen: at, LastSeen: at}); err != nil {
		return err
	}
	certificate := identity.Certificate{
		Issuer: "CN=TEST", IssuerKey: "aa", Serial: fmt.Sprintf("%X", i), Fingerprint: fmt.Sprint(i), TokenID: token, Holder: who,
		NotBefore: at, NotAfter: at.AddDate(3, 0, 0), SeenAt: at,
	}
	if err := u.SaveCertificate(ctx, certificate); err != nil {
		return err
	}
	ticket := enroll.Ticket{ID: fmt.Sprint(i), State: enroll.TicketDone, Holder: who, Operator: chief, OpenedAt: at, ExpiresAt: at}
	if err := u.SaveTicket(ctx, enroll.TicketRecord{Ticket: ticket, CodeHash: fmt.Sprint(i)}); err != nil {
		return err
	}
	return log.RecordIn(ctx, u, &audit.Event{Kind: audit.KindLoginCPS, Outcome: audit.Accepted, At: at, Actor: who, Subject: who, Card: token})
}

// middleOf is the cursor in the middle of the directory.
func middleOf(ctx context.Context, registry *enroll.Registry, n int) (cursor string, err error) {
	const step = 200
	for range max(n/2/step, 1) {
		page, err := registry.SearchPeople(ctx, enroll.PeopleQuery{Limit: min(step, n/2), After: cursor})
		if err != nil {
			return "", err
		}
		cursor = page.Next
	}
	return cursor, nil
}
