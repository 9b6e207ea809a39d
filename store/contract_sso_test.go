package store_test

import (
	"context"
	"testing"
	"time"

	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/sso"
)

func grant(id, session string) sso.GrantRecord {
	return sso.GrantRecord{ID: id, Client: "app", Holder: string(alice), Session: session, Record: []byte(`{"é":1}`), Until: noon.Add(time.Hour)}
}

func token(n byte, grant string, refresh bool) sso.TokenRecord {
	return sso.TokenRecord{Hash: [32]byte{n}, Grant: grant, Refresh: refresh, Until: noon.Add(time.Hour)}
}

// contractGrants: grants come once, tokens are used once, and both end with
// their session.
func contractGrants(t *testing.T, b backend) {
	ctx := t.Context()
	added, err := b.AddGrant(ctx, grant("1", "s1"), token(1, "1", false), token(2, "1", true))
	same(t, "added", added, err, true)
	added, err = b.AddGrant(ctx, grant("1", "s1"), token(3, "1", true))
	same(t, "added again", added, err, false)
	_, _, found, err := b.GrantOf(ctx, [32]byte{3})
	same(t, "a token of a grant that was not added", found, err, false)
	got, g, found, err := b.GrantOf(ctx, [32]byte{2})
	same(t, "found", found, err, true)
	same(t, "token", got, nil, token(2, "1", true))
	same(t, "grant", g, nil, grant("1", "s1"))

	first, err := b.UseToken(ctx, [32]byte{2}, token(4, "1", true))
	same(t, "first use", first, err, true)
	first, err = b.UseToken(ctx, [32]byte{2}, token(5, "1", true))
	same(t, "second use", first, err, false)
	_, _, found, err = b.GrantOf(ctx, [32]byte{5})
	same(t, "what a second use would have brought", found, err, false)

	same(t, "a grant that must not come", struct{}{}, b.EndGrant(ctx, "2", "code-replayed", noon.Add(time.Hour)), struct{}{})
	added, err = b.AddGrant(ctx, grant("2", "s1"))
	same(t, "it does not come", added, err, false)

	if _, err := b.AddGrant(ctx, grant("3", "s1")); err != nil {
		t.Fatal(err)
	}
	same(t, "revoked", struct{}{}, b.EndGrant(ctx, "3", "revoked", noon.Add(time.Hour)), struct{}{})
	revoked := grant("3", "s1")
	revoked.Ended = "revoked"
	if _, err := b.AddGrant(ctx, grant("4", "s2")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.AddGrant(ctx, grant("5", "s5"), token(6, "5", false)); err != nil {
		t.Fatal(err)
	}
	some, err := b.HasGrants(ctx, "s5")
	same(t, "grants of a session", some, err, true)
	same(t, "withdrawn", struct{}{}, b.WithdrawGrant(ctx, "5", "session-over"), struct{}{})
	some, err = b.HasGrants(ctx, "s5")
	same(t, "grants of its session", some, err, false)
	_, g, _, err = b.GrantOf(ctx, [32]byte{6})
	same(t, "why it was", g.Ended, err, "session-over")
	granted, err := b.GrantedSessions(ctx, "", 9)
	same(t, "sessions with grants", granted, err, []sso.GrantedSession{{Session: "s1", Holder: string(alice)}, {Session: "s2", Holder: string(alice)}})
	granted, err = b.GrantedSessions(ctx, "s1", 1)
	same(t, "the next", granted, err, []sso.GrantedSession{{Session: "s2", Holder: string(alice)}})

	owes := sso.LogoutRecord{Client: "app", Session: "s1", Holder: string(alice), EndedAt: noon, Next: noon}
	end := func(session, reason string) (ended []sso.GrantRecord, err error) {
		err = b.EndGrantsOf(ctx, session, reason, func(all []sso.GrantRecord) []sso.LogoutRecord {
			ended = all
			return []sso.LogoutRecord{owes}
		})
		return ended, err
	}
	ended, err := end("s1", "signed-out")
	same(t, "ended, and one revoked before", ended, err, []sso.GrantRecord{grant("1", "s1"), revoked})
	due, err := b.ClaimLogouts(ctx, "app", noon, noon.Add(time.Hour), 9)
	same(t, "owed", due, err, []sso.LogoutRecord{owes})
	ended, err = end("s1", "again")
	same(t, "ended again", len(ended), err, 0)
	ended, err = end("", "of none")
	same(t, "of no session", len(ended), err, 0)
	granted, err = b.GrantedSessions(ctx, "", 9)
	same(t, "sessions with grants that are left", granted, err, []sso.GrantedSession{{Session: "s2", Holder: string(alice)}})
	_, g, _, err = b.GrantOf(ctx, [32]byte{4})
	same(t, "why", g.Ended, err, "signed-out")
	first, err = b.UseToken(ctx, [32]byte{4})
	same(t, "use after the end", first, err, false)

	same(t, "swept", struct{}{}, b.SweepGrants(ctx, noon.Add(time.Hour)), struct{}{})
	_, _, found, err = b.GrantOf(ctx, [32]byte{4})
	same(t, "after sweeping", found, err, false)
}

// contractSeen: a value is new once; consent is what was said last.
func contractSeen(t *testing.T, b backend) {
	ctx := t.Context()
	first, err := b.First(ctx, [32]byte{7}, noon.Add(time.Hour))
	same(t, "first", first, err, true)
	first, err = b.First(ctx, [32]byte{7}, noon.Add(time.Hour))
	same(t, "second", first, err, false)
	scopes, err := b.Consent(ctx, string(alice), "app")
	same(t, "no consent", scopes, err, "")
	for _, said := range []string{"openid", "openid profile"} {
		same(t, "saved", struct{}{}, b.SaveConsent(ctx, string(alice), "app", said), struct{}{})
		scopes, err = b.Consent(ctx, string(alice), "app")
		same(t, "consent", scopes, err, said)
	}
	scopes, err = b.Consent(ctx, string(bob), "app")
	same(t, "another's consent", scopes, err, "")
}

// contractLogouts: what is due is claimed by one.
func contractLogouts(t *testing.T, b backend) {
	ctx := t.Context()
	due := sso.LogoutRecord{Client: "app", Session: "s1", Holder: string(alice), EndedAt: noon, Next: noon}
	later := sso.LogoutRecord{Client: "app", Session: "s2", Holder: string(alice), EndedAt: noon, Next: noon.Add(time.Hour)}
	same(t, "added", struct{}{}, b.AddLogouts(ctx, due, later), struct{}{})
	claim := func(client string, at, until time.Time) ([]sso.LogoutRecord, error) {
		return b.ClaimLogouts(ctx, client, at, until, 10)
	}
	clients, err := b.ClientsDue(ctx, noon)
	same(t, "clients due", clients, err, []string{"app"})
	got, err := claim("other", noon, noon.Add(time.Minute))
	same(t, "another client's", len(got), err, 0)
	got, err = claim("app", noon, noon.Add(time.Minute))
	same(t, "claimed", got, err, []sso.LogoutRecord{due})
	got, err = claim("app", noon, noon.Add(time.Minute))
	same(t, "claimed again", len(got), err, 0)
	clients, err = b.ClientsDue(ctx, noon)
	same(t, "no client due", len(clients), err, 0)
	due.Attempts, due.Next = 1, noon.Add(2*time.Minute)
	same(t, "tried again later", struct{}{}, b.AddLogouts(ctx, due), struct{}{})
	got, err = claim("app", noon.Add(2*time.Minute), noon.Add(time.Hour))
	same(t, "claimed later", got, err, []sso.LogoutRecord{due})
	same(t, "removed", struct{}{}, b.RemoveLogout(ctx, "app", "s1"), struct{}{})
	got, err = claim("app", noon.Add(2*time.Hour), noon.Add(3*time.Hour))
	same(t, "left", got, err, []sso.LogoutRecord{later})
}

// contractSSOClients: a client goes with all that it was granted.
func contractSSOClients(t *testing.T, b backend) {
	ctx := t.Context()
	one, two := sso.ClientRecord{ID: "app", Record: []byte("1")}, sso.ClientRecord{ID: "other", Record: []byte("2")}
	for _, c := range []sso.ClientRecord{one, {ID: "other", Record: []byte("old")}, two} {
		same(t, "saved", struct{}{}, b.SaveSSOClient(ctx, c), struct{}{})
	}
	got, err := b.SSOClients(ctx)
	same(t, "clients", got, err, []sso.ClientRecord{one, two})
	if _, err := b.AddGrant(ctx, grant("1", "s1"), token(1, "1", false)); err != nil {
		t.Fatal(err)
	}
	same(t, "removed", struct{}{}, b.RemoveSSOClient(ctx, "app"), struct{}{})
	_, _, found, err := b.GrantOf(ctx, [32]byte{1})
	same(t, "its tokens", found, err, false)
	got, err = b.SSOClients(ctx)
	same(t, "left", got, err, []sso.ClientRecord{two})
}

// contractActivities: those of active cards, the latest seen first.
func contractActivities(t *testing.T, b backend) {
	populate(t, b)
	ctx := t.Context()
	first := sso.ActivityRecord{Card: cardA, Holder: string(alice), Profession: 10, Structure: "10B0057881", Employer: "HÔPITAL", SeenAt: noon}
	for _, a := range []sso.ActivityRecord{{Card: cardA, Holder: string(alice), Profession: 60, SeenAt: noon.Add(-time.Hour)}, first, {Card: cardB, Holder: string(alice), SeenAt: noon}} {
		same(t, "saved", struct{}{}, b.SaveActivity(ctx, a), struct{}{})
	}
	got, err := b.ActivitiesOf(ctx, string(alice))
	same(t, "of alice; card B is bob's", got, err, []sso.ActivityRecord{first})
	change(t, b, func(ctx context.Context, u enroll.Unit) error {
		c := card(cardA, alice)
		c.State = identity.CardSuspended
		return u.SaveCard(ctx, c)
	})
	got, err = b.ActivitiesOf(ctx, string(alice))
	same(t, "of a suspended card", len(got), err, 0)
}

// contractKeys: keys are added and dropped together or not at all.
func contractKeys(t *testing.T, b backend) {
	ctx := t.Context()
	one := sso.KeyRecord{ID: "1", Algorithm: "ES256", Sealed: []byte{0, 255}, From: noon}
	two := sso.KeyRecord{ID: "2", Algorithm: "RS256", Sealed: []byte{1}, From: noon.Add(time.Hour)}
	put := func(add []sso.KeyRecord, drop ...string) error {
		return b.ChangeSigningKeys(ctx, func([]sso.KeyRecord) ([]sso.KeyRecord, []string, error) { return add, drop, nil })
	}
	same(t, "added", struct{}{}, put([]sso.KeyRecord{two, one}), struct{}{})
	if err := put([]sso.KeyRecord{one}, "2"); err == nil {
		t.Error("a key is kept twice")
	}
	got, err := b.SigningKeys(ctx)
	same(t, "kept", got, err, []sso.KeyRecord{one, two})
	same(t, "dropped", struct{}{}, put(nil, "1"), struct{}{})
	got, err = b.SigningKeys(ctx)
	same(t, "left", got, err, []sso.KeyRecord{two})
}
