package rp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/internal/softkey"
	"cpsgate/rp"
)

// registration is one registration, begun, answered and finished.
type registration struct {
	options func(*rp.Options)               // of the relying party
	device  func(*softkey.Options)          // of the authenticator
	exclude []identity.Passkey              // given to Begin
	pending func(*rp.PendingRegistration)   // after Begin
	lies    []softkey.Lie                   // of the answer
	at      time.Duration                   // after Begin
	body    func(body []byte) (bent []byte) // of the request
}

func (r registration) run(tb testing.TB) (identity.Passkey, error) {
	tb.Helper()
	p := party(tb, r.options)
	options, pending, err := p.BeginRegistration(holder, r.exclude)
	if err != nil {
		tb.Fatal(err)
	}
	body, err := device(r.device).Create(origin, options, r.lies...)
	if err != nil {
		tb.Fatal(err)
	}
	if r.body != nil {
		body = r.body(body)
	}
	if r.pending != nil {
		r.pending(&pending)
	}
	return p.FinishRegistration(pending, body, now.Add(r.at))
}

func lies(l ...softkey.Lie) registration { return registration{lies: l} }

// what a good registration leaves behind.
func TestFinishRegistration(t *testing.T) {
	passkey, err := registration{device: func(o *softkey.Options) { o.MinPINLength = 6 }}.run(t)
	if err != nil {
		t.Fatal(err)
	}
	if len(passkey.ID) != 32 || len(passkey.PublicKey) == 0 {
		t.Errorf("id %x, public key %x", passkey.ID, passkey.PublicKey)
	}
	passkey.ID, passkey.PublicKey = nil, nil
	want := identity.Passkey{
		Holder: holder.IdNat, UserHandle: holder.UserHandle, AAGUID: aaguid,
		AttestationFormat: "packed", AttestationType: "self", AttestationVerdict: rp.VerdictRecorded,
		SignCount: 1, Transports: []string{"smart-card"}, MinPINLength: 6,
		State: identity.PasskeyPending, CreatedAt: now,
	}
	if !reflect.DeepEqual(passkey, want) {
		t.Errorf("\n%+v\n%+v", passkey, want)
	}
}

func TestFinishRegistrationRefuses(t *testing.T) {
	var taken identity.Passkey
	for _, c := range []struct {
		rule   string
		reason rp.Reason // "" = accepted
		registration
	}{
		{"an honest answer is accepted", "", lies()},
		{"unknown client data members are passed over", "", lies(func(d *softkey.Draft) {
			d.ClientMembers = map[string]any{"other_keys_can_be_added_here": "do not compare clientDataJSON against a template"}
		})},
		{"crossOrigin may be left out", "", lies(softkey.CrossOrigin(nil))},
		{"a byte order mark before client data is stripped", "", lies(func(d *softkey.Draft) {
			d.AlterClientData = func(b []byte) []byte { return append([]byte("\xEF\xBB\xBF"), b...) }
		})},
		{"unsolicited extension outputs are passed over", "", lies(func(d *softkey.Draft) {
			d.Extensions["hmac-secret"], d.Results["appid"] = true, false
		})},
		{"no extension outputs at all are fine", "", lies(func(d *softkey.Draft) { d.Extensions, d.Results = nil, nil })},
		{"no attestation is accepted in mode record", "", registration{device: func(o *softkey.Options) { o.Attestation = softkey.None }}},
		{"the last moment is in time", "", registration{at: 5*time.Minute - 1}},
		{"an answer without attachment is accepted", "", lies(softkey.Alter(func(m map[string]any) { delete(m, "authenticatorAttachment") }))},

		{"an answer at the end is too late", rp.ReasonExpired, registration{at: 5 * time.Minute}},
		{"a pending value without end has ended", rp.ReasonExpired, registration{pending: func(p *rp.PendingRegistration) { p.Expires = time.Time{} }}},
		{"client data of a login", rp.ReasonType, lies(softkey.Type("webauthn.get"))},
		{"client data of no ceremony", rp.ReasonType, lies(softkey.Type(""))},
		{"another challenge", rp.ReasonChallenge, lies(softkey.Challenge(bytes.Repeat([]byte{1}, 32)))},
		{"no challenge", rp.ReasonChallenge, lies(softkey.Challenge(nil))},
		{"a challenge with padding", rp.ReasonChallenge, lies(func(d *softkey.Draft) { d.Challenge += "=" })},
		{"another host", rp.ReasonOrigin, lies(softkey.Origin("https://sso.example.evil.example:8443"))},
		{"another port", rp.ReasonOrigin, lies(softkey.Origin("https://sso.example:8444"))},
		{"the default port", rp.ReasonOrigin, lies(softkey.Origin("https://sso.example"))},
		{"another scheme", rp.ReasonOrigin, lies(softkey.Origin("http://sso.example:8443"))},
		{"a sub-domain", rp.ReasonOrigin, lies(softkey.Origin("https://a.sso.example:8443"))},
		{"upper case", rp.ReasonOrigin, lies(softkey.Origin("https://SSO.example:8443"))},
		{"a path", rp.ReasonOrigin, lies(softkey.Origin(origin + "/"))},
		{"a frame of another origin", rp.ReasonOrigin, lies(softkey.CrossOrigin(true))},
		{"a frame, and its top", rp.ReasonOrigin, lies(softkey.CrossOrigin(true), softkey.TopOrigin("https://portal.example"))},
		{"a top without a frame", rp.ReasonOrigin, lies(softkey.TopOrigin(origin))},
		{"another RP ID", rp.ReasonRPID, lies(softkey.RPID("example"))},
		{"nobody there", rp.ReasonUserPresence, lies(softkey.Clear(softkey.FlagUP))},
		{"nobody verified", rp.ReasonUserVerification, lies(softkey.Clear(softkey.FlagUV))},
		{"a pending value without requirement still requires", rp.ReasonUserVerification, registration{
			lies: []softkey.Lie{softkey.Clear(softkey.FlagUV)}, pending: func(p *rp.PendingRegistration) { p.UserVerification = "" },
		}},
		{"backed up but not eligible", rp.ReasonBackupState, lies(softkey.Set(softkey.FlagBS))},
		{"backup eligible", rp.ReasonBackupEligible, registration{device: func(o *softkey.Options) { o.BackupEligible = true }}},
		{"backup eligible and backed up", rp.ReasonBackupEligible, registration{device: func(o *softkey.Options) { o.BackupEligible, o.BackedUp = true, true }}},
		{"an algorithm that was not offered", rp.ReasonAlgorithm, registration{pending: func(p *rp.PendingRegistration) { p.Algorithms = []int{softkey.EdDSA} }}},
		{"an algorithm that nobody offers", rp.ReasonAlgorithm, lies(func(d *softkey.Draft) { d.PublicKey.(softkey.Map)[3] = -47 })},
		{"a platform authenticator", rp.ReasonAttachment, registration{device: func(o *softkey.Options) { o.Attachment = "platform" }}},
		{"a credential that is not discoverable", rp.ReasonNotDiscoverable, lies(func(d *softkey.Draft) { d.Results["credProps"] = map[string]any{"rk": false} })},
		{"an excluded credential", rp.ReasonExcluded, registration{
			lies:    []softkey.Lie{func(d *softkey.Draft) { taken.ID = d.CredentialID }},
			pending: func(p *rp.PendingRegistration) { p.Excluded = [][]byte{{1}, taken.ID} },
		}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			passkey, err := c.run(t)
			if reason := reasonOf(t, err); reason != c.reason {
				t.Errorf("reason %q instead of %q: %v", reason, c.reason, err)
			}
			if err != nil && !reflect.DeepEqual(passkey, identity.Passkey{}) {
				t.Error("a refusal came with a passkey")
			}
		})
	}
}

// Every algorithm offered is verified, by self attestation.
func TestFinishRegistrationAlgorithms(t *testing.T) {
	for _, alg := range rp.Algorithms() {
		passkey, err := registration{device: func(o *softkey.Options) { o.Algorithms = []int{alg} }}.run(t)
		if err != nil || passkey.AttestationType != "self" {
			t.Errorf("algorithm %d: %v", alg, err)
		}
		_, err = registration{device: func(o *softkey.Options) { o.Algorithms = []int{alg} }, lies: []softkey.Lie{softkey.BadSignature()}}.run(t)
		if reasonOf(t, err) != rp.ReasonAttestation {
			t.Errorf("algorithm %d, wrong signature: %v", alg, err)
		}
	}
}

func TestBeginRegistrationOptions(t *testing.T) {
	held := identity.Passkey{ID: []byte{1, 2, 3}, Transports: []string{"smart-card", "carrier-pigeon"}}
	options, pending, err := party(t, nil).BeginRegistration(holder, []identity.Passkey{held})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(options, &got); err != nil {
		t.Fatal(err)
	}
	challenge, _ := got["challenge"].(string)
	delete(got, "challenge")
	var want map[string]any
	if err := json.Unmarshal([]byte(`{
		"rp": {"id": "sso.example", "name": "Hôpital d'exemple"},
		"user": {"id": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY", "name": "EXEMPLE Infirmière — Infirmier", "displayName": "EXEMPLE Infirmière"},
		"pubKeyCredParams": [{"type": "public-key", "alg": -7}, {"type": "public-key", "alg": -8}, {"type": "public-key", "alg": -35},
			{"type": "public-key", "alg": -36}, {"type": "public-key", "alg": -37}, {"type": "public-key", "alg": -257}],
		"timeout": 300000,
		"excludeCredentials": [{"type": "public-key", "id": "AQID", "transports": ["smart-card", "carrier-pigeon"]}],
		"authenticatorSelection": {"authenticatorAttachment": "cross-platform", "residentKey": "required", "requireResidentKey": true, "userVerification": "required"},
		"hints": ["security-key"],
		"attestation": "direct",
		"extensions": {"credProps": true, "minPinLength": true, "credentialProtectionPolicy": "userVerificationRequired"}
	}`), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n%v\n%v", got, want)
	}
	if len(challenge) != 43 || len(pending.Challenge) != 32 || !pending.Expires.Equal(now.Add(5*time.Minute)) {
		t.Errorf("challenge %q, pending %+v", challenge, pending)
	}
	if strings.Contains(string(options), string(holder.IdNat)) {
		t.Error("the options name the PS_IdNat")
	}
}

func TestChallengesDiffer(t *testing.T) {
	p := party(t, nil)
	_, a, _ := p.BeginRegistration(holder, nil)
	_, b, _ := p.BeginRegistration(holder, nil)
	_, c, _ := p.BeginLogin()
	if slices.Equal(a.Challenge, b.Challenge) || slices.Equal(a.Challenge, c.Challenge) {
		t.Error("a challenge was given twice")
	}
}

func TestBeginRegistrationNeedsUserHandle(t *testing.T) {
	for _, handle := range [][]byte{nil, make([]byte, 65)} {
		who := holder
		who.UserHandle = handle
		if _, _, err := party(t, nil).BeginRegistration(who, nil); err == nil {
			t.Errorf("a user handle of %d bytes was taken", len(handle))
		}
	}
}

// Pending values live outside the process between the two calls, and one
// ceremony's is no use for the other.
func TestPendingSurvivesJSON(t *testing.T) {
	p := party(t, nil)
	_, registration, err := p.BeginRegistration(holder, []identity.Passkey{{ID: []byte{1}}})
	if err != nil {
		t.Fatal(err)
	}
	_, login, err := p.BeginLogin()
	if err != nil {
		t.Fatal(err)
	}
	var back rp.PendingRegistration
	if err := json.Unmarshal(mustJSON(registration), &back); err != nil || !reflect.DeepEqual(back, registration) {
		t.Errorf("registration: %v %+v", err, back)
	}
	var backLogin rp.PendingLogin
	if err := json.Unmarshal(mustJSON(login), &backLogin); err != nil || !reflect.DeepEqual(backLogin, login) {
		t.Errorf("login: %v %+v", err, backLogin)
	}

	var crossed rp.PendingLogin
	if err := json.Unmarshal(mustJSON(registration), &crossed); err != nil {
		t.Fatal(err)
	}
	var refusal *rp.Refusal
	if _, err := p.FinishLogin(crossed, []byte("{}"), nil, now); err == nil || errors.As(err, &refusal) {
		t.Errorf("a login by the pending value of a registration: %v", err)
	}
	var crossedBack rp.PendingRegistration
	if err := json.Unmarshal(mustJSON(login), &crossedBack); err != nil {
		t.Fatal(err)
	}
	if _, err := p.FinishRegistration(crossedBack, []byte("{}"), now); err == nil || errors.As(err, &refusal) {
		t.Errorf("a registration by the pending value of a login: %v", err)
	}
}

func TestRefusalNamesTheCredential(t *testing.T) {
	_, err := lies(softkey.Clear(softkey.FlagUV)).run(t)
	var refusal *rp.Refusal
	if !errors.As(err, &refusal) || len(refusal.CredentialID) != 32 || refusal.Claimed != nil {
		t.Errorf("%+v", refusal)
	}
	if refusal.Error() != "user-verification: flag UV is not set" {
		t.Errorf("error %q", refusal.Error())
	}
}
