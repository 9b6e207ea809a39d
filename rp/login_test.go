package rp_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/internal/softkey"
	"cpsgate/rp"
)

func TestFinishLogin(t *testing.T) {
	l := newLogin(t, party(t, nil))
	asked := false
	assertion, err := l.party.FinishLogin(l.pending, l.answer(t), func(id, handle []byte) (identity.Passkey, error) {
		asked = bytes.Equal(id, l.passkey.ID) && bytes.Equal(handle, holder.UserHandle)
		return l.passkey, nil
	}, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if !asked {
		t.Error("find was not asked for the credential and user handle of the response")
	}
	want := rp.Assertion{Passkey: l.passkey, UserVerified: true, PreviousSignCount: 1}
	want.Passkey.SignCount, want.Passkey.LastUsedAt = 2, now.Add(time.Minute)
	if !reflect.DeepEqual(assertion, want) {
		t.Errorf("\n%+v\n%+v", assertion, want)
	}
}

func TestFinishLoginRefuses(t *testing.T) {
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	unknown := func(_, _ []byte) (identity.Passkey, error) { return identity.Passkey{}, rp.ErrUnknownPasskey }
	stored := func(change func(*identity.Passkey)) func(*login) { return func(l *login) { change(&l.passkey) } }
	for _, c := range []struct {
		rule   string
		reason rp.Reason
		lies   []softkey.Lie
		change func(*login) // after the answer
		at     time.Duration
	}{
		{rule: "an honest answer is accepted"},
		{rule: "a counter that stays at zero is none", lies: []softkey.Lie{softkey.SignCount(0)},
			change: stored(func(k *identity.Passkey) { k.SignCount = 0 })},
		{rule: "too late", reason: rp.ReasonExpired, at: 5 * time.Minute},
		{rule: "client data of a registration", reason: rp.ReasonType, lies: []softkey.Lie{softkey.Type("webauthn.create")}},
		{rule: "another challenge", reason: rp.ReasonChallenge, lies: []softkey.Lie{softkey.Challenge(bytes.Repeat([]byte{1}, 32))}},
		{rule: "another ceremony's pending value", reason: rp.ReasonChallenge, change: func(l *login) { l.begin(t) }},
		{rule: "another host", reason: rp.ReasonOrigin, lies: []softkey.Lie{softkey.Origin("https://evil.example")}},
		{rule: "another port", reason: rp.ReasonOrigin, lies: []softkey.Lie{softkey.Origin("https://sso.example")}},
		{rule: "a frame of another origin", reason: rp.ReasonOrigin, lies: []softkey.Lie{softkey.CrossOrigin(true)}},
		{rule: "a top without a frame", reason: rp.ReasonOrigin, lies: []softkey.Lie{softkey.TopOrigin("https://evil.example")}},
		{rule: "another RP ID", reason: rp.ReasonRPID, lies: []softkey.Lie{softkey.RPID("evil.example")}},
		{rule: "nobody there", reason: rp.ReasonUserPresence, lies: []softkey.Lie{softkey.Clear(softkey.FlagUP)}},
		{rule: "nobody verified", reason: rp.ReasonUserVerification, lies: []softkey.Lie{softkey.Clear(softkey.FlagUV)}},
		{rule: "backed up but not eligible", reason: rp.ReasonBackupState, lies: []softkey.Lie{softkey.Set(softkey.FlagBS)}},
		{rule: "eligible all at once", reason: rp.ReasonBackupState, lies: []softkey.Lie{softkey.Set(softkey.FlagBE)}},
		{rule: "no more eligible", reason: rp.ReasonBackupState, change: stored(func(k *identity.Passkey) { k.BackupEligible = true })},
		{rule: "eligible from the start", reason: rp.ReasonBackupEligible, lies: []softkey.Lie{softkey.Set(softkey.FlagBE)},
			change: stored(func(k *identity.Passkey) { k.BackupEligible = true })},
		{rule: "no user handle", reason: rp.ReasonUserHandle, lies: []softkey.Lie{softkey.UserHandle(nil)}},
		{rule: "an empty user handle", reason: rp.ReasonUserHandle, lies: []softkey.Lie{softkey.UserHandle([]byte{})}},
		{rule: "another person's user handle", reason: rp.ReasonUserHandle, lies: []softkey.Lie{softkey.UserHandle([]byte("another"))}},
		{rule: "a credential stored without user handle", reason: rp.ReasonUserHandle, change: stored(func(k *identity.Passkey) { k.UserHandle = nil })},
		{rule: "a credential of another id was found", reason: rp.ReasonPasskeyUnknown, change: stored(func(k *identity.Passkey) { k.ID = []byte{1} })},
		{rule: "a signature with a bit changed", reason: rp.ReasonSignature, lies: []softkey.Lie{softkey.BadSignature()}},
		{rule: "a signature by another key", reason: rp.ReasonSignature, lies: []softkey.Lie{softkey.SignWith(stranger)}},
		{rule: "a signature with bytes after it", reason: rp.ReasonSignature, lies: []softkey.Lie{func(d *softkey.Draft) { d.AlterSignature = appended("\x00") }}},
		{rule: "a signature that is none", reason: rp.ReasonSignature, lies: []softkey.Lie{inner("signature", "AAAA")}},
		{rule: "authenticator data changed after signing", reason: rp.ReasonSignature, lies: []softkey.Lie{func(d *softkey.Draft) {
			d.SwapAuthData = func(b []byte) []byte { b[36] = 9; return b }
		}}},
		{rule: "client data changed after signing", reason: rp.ReasonSignature, lies: []softkey.Lie{func(d *softkey.Draft) { d.SwapClient = appended(" ") }}},
		{rule: "a stored key that is none", reason: rp.ReasonSignature, change: stored(func(k *identity.Passkey) { k.PublicKey = []byte{1} })},
		{rule: "a count that stands still", reason: rp.ReasonSignCount, lies: []softkey.Lie{softkey.SignCount(1)}},
		{rule: "a count that falls", reason: rp.ReasonSignCount, change: stored(func(k *identity.Passkey) { k.SignCount = 9 })},
		{rule: "a count that falls to zero", reason: rp.ReasonSignCount, lies: []softkey.Lie{softkey.SignCount(0)}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			l := newLogin(t, party(t, nil))
			body := l.answer(t, c.lies...)
			if c.change != nil {
				c.change(l)
			}
			assertion, err := l.party.FinishLogin(l.pending, body, l.find, now.Add(c.at))
			if reason := reasonOf(t, err); reason != c.reason {
				t.Errorf("reason %q instead of %q: %v", reason, c.reason, err)
			}
			if err != nil && !reflect.DeepEqual(assertion, rp.Assertion{}) {
				t.Error("a refusal came with an assertion")
			}
		})
	}
	l := newLogin(t, party(t, nil))
	if _, err := l.party.FinishLogin(l.pending, l.answer(t), unknown, now); reasonOf(t, err) != rp.ReasonPasskeyUnknown {
		t.Errorf("unknown passkey: %v", err)
	}
}

// A store that cannot answer is no verdict on the passkey.
func TestFinishLoginPassesOnErrorsOfFind(t *testing.T) {
	l := newLogin(t, party(t, nil))
	broken := errors.New("the disk is full")
	_, err := l.party.FinishLogin(l.pending, l.answer(t), func(_, _ []byte) (identity.Passkey, error) { return identity.Passkey{}, broken }, now)
	var refusal *rp.Refusal
	if !errors.Is(err, broken) || errors.As(err, &refusal) {
		t.Errorf("%v", err)
	}
}

// The store is asked for nothing before the ceremony itself is in order.
func TestFinishLoginAsksLate(t *testing.T) {
	l := newLogin(t, party(t, nil))
	_, err := l.party.FinishLogin(l.pending, l.answer(t, softkey.Origin("https://evil.example")), func(_, _ []byte) (identity.Passkey, error) {
		t.Error("find was called")
		return l.passkey, nil
	}, now)
	if reasonOf(t, err) != rp.ReasonOrigin {
		t.Error(err)
	}
}

func TestFinishLoginNamesTheClaimedPasskey(t *testing.T) {
	l := newLogin(t, party(t, nil))
	_, err := l.party.FinishLogin(l.pending, l.answer(t, softkey.BadSignature()), l.find, now)
	var refusal *rp.Refusal
	if !errors.As(err, &refusal) || refusal.Claimed == nil || refusal.Claimed.Holder != holder.IdNat || !bytes.Equal(refusal.CredentialID, l.passkey.ID) {
		t.Errorf("%+v", refusal)
	}
}

func TestSignCountRecord(t *testing.T) {
	l := newLogin(t, party(t, func(o *rp.Options) { o.SignCount = rp.SignCountRecord }))
	l.passkey.SignCount = 9
	assertion, err := l.party.FinishLogin(l.pending, l.answer(t), l.find, now)
	if err != nil || !assertion.SignCountRegressed || assertion.PreviousSignCount != 9 || assertion.Passkey.SignCount != 2 {
		t.Errorf("%v %+v", err, assertion)
	}
}

// A person known beforehand: the credential must be one of theirs, the user
// handle may be left out, and if it is there it must be theirs.
func TestFinishLoginOfKnownPerson(t *testing.T) {
	for _, c := range []struct {
		rule    string
		reason  rp.Reason
		allowed [][]byte // nil = the right one
		lies    []softkey.Lie
	}{
		{rule: "without user handle", lies: []softkey.Lie{softkey.UserHandle(nil)}},
		{rule: "with it"},
		{rule: "with another", reason: rp.ReasonUserHandle, lies: []softkey.Lie{softkey.UserHandle([]byte("another"))}},
		{rule: "by another credential", reason: rp.ReasonPasskeyUnknown, allowed: [][]byte{{1}, {2}}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			l := newLogin(t, party(t, nil))
			if l.pending.Allowed = c.allowed; c.allowed == nil {
				l.pending.Allowed = [][]byte{{1}, l.passkey.ID}
			}
			_, err := l.party.FinishLogin(l.pending, l.answer(t, c.lies...), l.find, now)
			if reason := reasonOf(t, err); reason != c.reason {
				t.Errorf("reason %q: %v", reason, err)
			}
		})
	}
}

func TestBeginLoginOptions(t *testing.T) {
	options, pending, err := party(t, func(o *rp.Options) { o.Timeout = time.Minute }).BeginLogin()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(options, &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "challenge")
	want := map[string]any{"rpId": rpID, "timeout": 60000.0, "userVerification": "required", "hints": []any{"security-key"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	if len(pending.Challenge) != 32 || !pending.Expires.Equal(now.Add(time.Minute)) || pending.UserVerification != rp.UserVerificationRequired {
		t.Errorf("%+v", pending)
	}
}

// A mode made stricter later holds for passkeys registered before.
func TestFinishLoginHoldsToTheMode(t *testing.T) {
	known := func(o *rp.Options) { o.AttestationMode, o.AllowedAAGUIDs = rp.ModeRequireKnown, [][16]byte{aaguid} }
	trusted := func(o *rp.Options) { o.AttestationMode, o.Roots = rp.ModeRequireTrustedRoots, attestationRoots(t) }
	both := func(o *rp.Options) { trusted(o); o.AllowedAAGUIDs = [][16]byte{aaguid} }
	for _, c := range []struct {
		rule   string
		mode   func(*rp.Options)
		change func(*identity.Passkey)
		reason rp.Reason
	}{
		{"known model", known, func(*identity.Passkey) {}, ""},
		{"unknown model", known, func(k *identity.Passkey) { k.AAGUID = other }, rp.ReasonAAGUID},
		{"zero AAGUID", known, func(k *identity.Passkey) { k.AAGUID = [16]byte{} }, rp.ReasonAAGUID},
		{"no attestation", known, func(k *identity.Passkey) { k.AttestationFormat = "none" }, rp.ReasonAttestation},
		{"attestation not recorded", known, func(k *identity.Passkey) { k.AttestationFormat = "" }, rp.ReasonAttestation},
		{"trusted", trusted, func(k *identity.Passkey) { k.AttestationVerdict = rp.VerdictTrusted }, ""},
		{"trusted, and the zero AAGUID", trusted, func(k *identity.Passkey) { k.AttestationVerdict, k.AAGUID = rp.VerdictTrusted, [16]byte{} }, rp.ReasonAAGUID},
		{"recorded only", trusted, func(*identity.Passkey) {}, rp.ReasonAttestation},
		{"known only", trusted, func(k *identity.Passkey) { k.AttestationVerdict = rp.VerdictKnown }, rp.ReasonAttestation},
		{"trusted, of a model not allowed", both, func(k *identity.Passkey) { k.AttestationVerdict, k.AAGUID = rp.VerdictTrusted, other }, rp.ReasonAAGUID},
	} {
		t.Run(c.rule, func(t *testing.T) {
			l := newLogin(t, party(t, nil))
			body := l.answer(t)
			c.change(&l.passkey)
			_, err := party(t, c.mode).FinishLogin(l.pending, body, l.find, now)
			if reason := reasonOf(t, err); reason != c.reason {
				t.Errorf("reason %q: %v", reason, err)
			}
		})
	}
}
