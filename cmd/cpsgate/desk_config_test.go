package main

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/store"
)

// TestDeskPolicyFromConfig: every key reaches the policy, and what is laxer
// than its default is said at start.
func TestDeskPolicyFromConfig(t *testing.T) {
	usual := enroll.Policy{
		CodeLife: 15 * time.Minute, Fresh: 5 * time.Minute, ApprovalLife: 24 * time.Hour, WrongCodes: 10, LockFor: 5 * time.Minute,
		Applet: enroll.AppletPolicy{MinPINLength: 6}, SelfEnrolment: enroll.SelfNever,
	}
	with := func(change func(*enroll.Policy)) enroll.Policy {
		p := usual
		change(&p)
		return p
	}
	for _, tt := range []struct {
		name, desk string
		want       enroll.Policy
		lenient    []string
	}{
		{"nothing said", "{}", usual, nil},
		{"stricter", "{desk_proof: never, reset: never, self_enrolment: never, min_pin_length: 8, fresh_pin: 1m}", with(func(p *enroll.Policy) {
			p.DeskProof, p.Reset, p.SelfEnrolment, p.Applet.MinPINLength, p.Fresh = enroll.Never, enroll.Never, enroll.SelfNever, 8, time.Minute
		}), nil},
		{"laxer", "{desk_proof: alone, reset: alone, reactivate: alone, grant: alone, programs_approve: true, self_enrolment: keys, min_pin_length: 4}", with(func(p *enroll.Policy) {
			p.ProgramsApprove = true
			p.DeskProof, p.Reset, p.Reactivate, p.Grant = enroll.Alone, enroll.Alone, enroll.Alone, enroll.Alone
			p.SelfEnrolment, p.Applet.MinPINLength = enroll.SelfKeys, 4
		}), []string{"desk.desk_proof", "desk.reset", "desk.reactivate", "desk.grant", "desk.programs_approve", "desk.self_enrolment", "desk.min_pin_length"}},
		{"of the applet", "{set_min_pin_length: true, force_pin_change: true, cred_protect: 3, enterprise_attestation: true, card_models: [00000000-0000-0000-0000-0000000000ca]}",
			with(func(p *enroll.Policy) {
				p.Applet = enroll.AppletPolicy{MinPINLength: 6, SetMinPINLength: true, ForcePINChange: true, CredProtect: 3, EnterpriseAttestation: true}
				p.CardModels, p.SelfEnrolment = [][16]byte{{15: 0xca}}, enroll.SelfCards
			}), nil},
		{"times", "{ticket: 10m, request: 1h, wrong_codes: 3, lock: 30m}", with(func(p *enroll.Policy) {
			p.CodeLife, p.ApprovalLife, p.WrongCodes, p.LockFor = 10*time.Minute, time.Hour, 3, 30*time.Minute
		}), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := loadConfig(writeConfig(t, goodConfig+"desk: "+tt.desk+"\n"), nil)
			if err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			got, err := deskPolicy(c.Desk, slog.New(slog.NewTextHandler(&said, nil)))
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%+v %v\nwant %+v", got, err, tt.want)
			}
			if n := strings.Count(said.String(), "leniency in force"); n != len(tt.lenient) {
				t.Errorf("%d leniencies said, want %d:\n%s", n, len(tt.lenient), &said)
			}
			for _, key := range tt.lenient {
				if !strings.Contains(said.String(), key+"=") {
					t.Errorf("%s is not said:\n%s", key, &said)
				}
			}
		})
	}
}

// TestDeskOfTheEnvironment: each of its values can be overridden.
func TestDeskOfTheEnvironment(t *testing.T) {
	c, err := loadConfig(writeConfig(t, goodConfig), []string{
		"CPSGATE_DESK_RESET=never", "CPSGATE_DESK_WRONG_CODES=3", "CPSGATE_DESK_FORCE_PIN_CHANGE=true", "CPSGATE_AUDIT_RETENTION=26280h",
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Desk.Reset != "never" || c.Desk.WrongCodes != 3 || !c.Desk.ForcePINChange || c.Audit.Retention != 26280*time.Hour {
		t.Errorf("%+v %+v", c.Desk, c.Audit)
	}
}

// TestRetentionInForce: a server that keeps events for so long prunes the older
// ones by itself, under a checkpoint that its key signed.
func TestRetentionInForce(t *testing.T) {
	_, c, l := demoConfig(t)
	defer l.Close()
	c.Audit.Retention = audit.LeastRetention
	path := filepath.Join(c.Data, store.FileName)
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	old := audit.New(s, audit.Options{Now: func() time.Time { return time.Now().AddDate(0, -2, 0) }})
	if err := old.Record(t.Context(), &audit.Event{Kind: audit.KindSessionEnd, Outcome: audit.Done}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	p, err := openProgram(t.Context(), c, quiet(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go p.retention.Run(ctx)
	for pruned := false; !pruned; {
		err := p.store.Chain(ctx, func(chain audit.Chain) error {
			pruned = len(chain.Signed) == 1 && chain.Signed[0].Pruned == 1
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
