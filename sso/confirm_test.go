package sso_test

import (
	"testing"
	"time"

	"cpsgate/sessions"
	"cpsgate/sso"
)

func TestConfirmation(t *testing.T) {
	const mine, ward = "BUREAU-3", "SALLE-DE-SOINS"
	personal := []string{mine}
	for _, tt := range []struct {
		name        string
		rule        sso.Confirmation
		workstation string
		since       time.Duration // the PIN
		want        bool
	}{
		{"nothing is known of the workstation", sso.Confirmation{Personal: personal}, "", 2 * time.Minute, true},
		{"several people use it", sso.Confirmation{Personal: personal}, ward, 2 * time.Minute, true},
		{"one person uses it", sso.Confirmation{Personal: personal}, mine, 9 * time.Hour, false},
		{"an empty name among the personal ones", sso.Confirmation{Personal: []string{""}}, "", time.Hour, true},
		{"another spelling is another", sso.Confirmation{Personal: personal}, "bureau-3", time.Hour, true},
		{"the PIN was just proved", sso.Confirmation{}, "", 2*time.Minute - time.Millisecond, false},
		{"in a time to come", sso.Confirmation{}, "", -time.Second, false},
		{"a longer time", sso.Confirmation{After: 5 * time.Minute}, ward, 4 * time.Minute, false},
		{"always", sso.Confirmation{Policy: sso.ConfirmAlways, Personal: personal}, mine, 2 * time.Minute, true},
		{"always but for a PIN just proved", sso.Confirmation{Policy: sso.ConfirmAlways}, mine, time.Minute, false},
		{"never", sso.Confirmation{Policy: sso.ConfirmNever}, "", 9 * time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := sessions.Session{Workstation: tt.workstation, AuthenticatedAt: start}
			if got := tt.rule.Asks(s, start.Add(tt.since)); got != tt.want {
				t.Errorf("asks: %t", got)
			}
		})
	}
}

// TestAPINProvedWhileARequestWaits: for a PIN proved since the request came
// nobody is asked, for as long as for any other PIN.
func TestAPINProvedWhileARequestWaits(t *testing.T) {
	always := sso.Confirmation{Policy: sso.ConfirmAlways}
	never := sso.Confirmation{Policy: sso.ConfirmNever}
	for _, tt := range []struct {
		name  string
		rule  sso.Confirmation
		form  []string
		after time.Duration // since the PIN
		want  sso.Step
	}{
		{"just now", always, nil, 2*time.Minute - time.Second, sso.StepDone},
		{"a while ago", sso.Confirmation{}, nil, 3 * time.Minute, sso.StepConfirm},
		{"a while ago, always", always, nil, 3 * time.Minute, sso.StepConfirm},
		{"a while ago, prompt=select_account", always, []string{"prompt", "select_account"}, 3 * time.Minute, sso.StepConfirm},
		{"just now, prompt=select_account", always, []string{"prompt", "select_account"}, time.Minute, sso.StepDone},
		{"as the PIN chose, prompt=select_account", never, []string{"prompt", "select_account"}, 3 * time.Minute, sso.StepDone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t, func(o *sso.Options) { o.Confirm = tt.rule })
			r, err := p.provider.Begin(t.Context(), asked(tt.form...))
			if err != nil {
				t.Fatal(err)
			}
			p.clock.add(time.Second)
			session := p.open(alice, cardA)
			p.clock.add(tt.after)
			if got, err := p.provider.Next(t.Context(), r, session); got != tt.want || err != nil {
				t.Errorf("step %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

// TestAnAnswerIsRecorded: that somebody said that it is they stands in the audit
// with the sign-in, and that nobody was asked does too.
func TestAnAnswerIsRecorded(t *testing.T) {
	p := newPlace(t, nil)
	session := p.open(alice, cardA)
	signsIn := func(r sso.Request, reason string) {
		t.Helper()
		if _, err := p.provider.Issue(t.Context(), r, session); err != nil {
			t.Fatal(err)
		}
		if got := p.recorded(sso.EventSignIn); len(got) != 1 || got[0].Refused || got[0].Reason != reason || got[0].Session != session.ID {
			t.Errorf("recorded %+v, want %q", got, reason)
		}
	}
	_, r := p.step(t, asked(), session)
	signsIn(r, "")
	p.clock.add(3 * time.Minute)
	_, r = p.step(t, asked(), session)
	r.Confirm(session)
	signsIn(r, "confirmed")
}

// TestPromptNoneIsNotRecorded: an application that renews each minute without a
// question does not fill the audit; whom it may not let in stands there still.
func TestPromptNoneIsNotRecorded(t *testing.T) {
	third := app(func(c *sso.Client) { c.ID, c.ThirdParty = "third", true })
	closed := app(func(c *sso.Client) { c.ID, c.Groups = "closed", []string{"nobody"} })
	p := newPlace(t, nil, app(), third, closed)
	session := p.open(alice, cardA)
	quietly := func(client string, who *sessions.Session) error {
		t.Helper()
		r, err := p.provider.Begin(t.Context(), asked("client_id", client, "prompt", "none"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.provider.Next(t.Context(), r, who)
		return err
	}
	if err := quietly("third", session); codeOf(err) != sso.ConsentRequired {
		t.Error(err)
	}
	p.clock.add(3 * time.Minute)
	for range 40 {
		if err := quietly("app", session); codeOf(err) != sso.InteractionRequired {
			t.Fatal(err)
		}
		if err := quietly("app", nil); codeOf(err) != sso.LoginRequired {
			t.Fatal(err)
		}
	}
	p.provider.SumUp(t.Context())
	if got := p.reasons(); len(got) != 0 {
		t.Errorf("recorded %v", got)
	}
	if err := quietly("closed", session); codeOf(err) != sso.AccessDenied {
		t.Error(err)
	}
	if got := p.reasons(); len(got) != 1 || got[0] != "group" {
		t.Errorf("recorded %v", got)
	}
}
