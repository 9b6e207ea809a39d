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
