package forwardauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
	"cpsgate/sso/forwardauth"
)

func TestAPassTellsWhoItIs(t *testing.T) {
	h := newGatehouse(t, forwardauth.Application{Origin: records, Fields: forwardauth.FieldNames()})
	pass, err := h.Check(t.Context(), ask(records, "/patients?id=1", h.cookieFor(records, h.open(byCard(doctor)))))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range pass.Fields {
		got[f.Name] = f.Values[0]
	}
	token := got[forwardauth.FieldToken]
	delete(got, forwardauth.FieldToken)
	want := map[string]string{
		"Remote-User": string(doctor), "Remote-Name": "Alix MODÈLE", "Remote-Groups": "operator,admin,profession-10,specialty-SM26",
		"X-Cpsgate-Method": "cps", "X-Cpsgate-Acr": "level-cps", "X-Cpsgate-Auth-Time": "1772438400",
		"X-Cpsgate-Id-Nat":     string(doctor),
		"X-Cpsgate-Profession": "10", "X-Cpsgate-Specialties": "SM26", "X-Cpsgate-Structure": "10B0057881",
		"X-Cpsgate-Session": got["X-Cpsgate-Session"],
	}
	if !maps.Equal(got, want) || got["X-Cpsgate-Session"] == "" {
		t.Errorf("fields %v,\nwant %v", got, want)
	}
	for name := range got {
		if !slices.Contains(forwardauth.FieldNames(), name) {
			t.Errorf("%s is not in the list of fields that proxies take away", name)
		}
	}
	var claims map[string]any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(token, "signed:")), &claims); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"iss": signOn, "aud": records, "sub": string(doctor), "sid": got["X-Cpsgate-Session"], "name": "Alix MODÈLE",
		"iat": float64(start.Unix()), "exp": float64(start.Add(forwardauth.DefaultTokenLife).Unix()), "auth_time": float64(start.Unix()),
		"family_name": "MODÈLE", "given_name": "Alix", "acr": "level-cps", "cps_method": "cps", "cps_profession": "10",
	} {
		if claims[name] != want {
			t.Errorf("claim %s is %v, want %v", name, claims[name], want)
		}
	}
}

// TestAPassTellsWhatTheApplicationWants: the person always, and beside that what
// its application names; nothing is signed that nobody gets.
func TestAPassTellsWhatTheApplicationWants(t *testing.T) {
	const person = "Remote-User Remote-Name Remote-Groups"
	for _, c := range []struct {
		name   string
		fields []string
		want   string
		signed int
	}{
		{"by default", nil, person + " X-Cpsgate-Method X-Cpsgate-Acr X-Cpsgate-Session X-Cpsgate-Token", 1},
		{"nothing more", []string{}, person, 0},
		{"its own choice", []string{"X-Cpsgate-Structure", "X-Cpsgate-Profession"}, person + " X-Cpsgate-Profession X-Cpsgate-Structure", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newGatehouse(t, forwardauth.Application{Origin: records, Fields: c.fields})
			pass, err := h.Check(t.Context(), ask(records, "/", h.cookieFor(records, h.open(byCard(doctor)))))
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, f := range pass.Fields {
				names = append(names, f.Name)
			}
			if got := strings.Join(names, " "); got != c.want || h.signed != c.signed {
				t.Errorf("got %q, want %q; %d tokens signed, want %d", got, c.want, h.signed, c.signed)
			}
		})
	}
	o := newGatehouse(t).options([]forwardauth.Application{{Origin: records, Fields: []string{"X-Cpsgate-Secret"}}})
	if _, err := forwardauth.New(o); err == nil || !strings.Contains(err.Error(), `"X-Cpsgate-Secret"`) {
		t.Errorf("a field that is none: %v", err)
	}
}

// What a certificate says of a name cannot end a field or begin another.
func TestANameForgesNoField(t *testing.T) {
	h := newGatehouse(t)
	h.people[nurse] = identity.Professional{IdNat: nurse, FamilyName: "EX\r\nRemote-User: admin", GivenName: "\x00Zoé\x7f"}
	pass, err := h.Check(t.Context(), ask(records, "/", h.cookieFor(records, h.open(byCard(nurse)))))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range pass.Fields {
		if strings.ContainsAny(f.Values[0], "\r\n\x00\x7f") {
			t.Errorf("%s: %q", f.Name, f.Values[0])
		}
	}
}

func TestOneHostsCookieOpensNothingElsewhere(t *testing.T) {
	h := newGatehouse(t)
	token := h.open(byCard(nurse))
	cookie := h.cookieFor(records, token)
	otherKey := newGatehouse(t)
	o := otherKey.options([]forwardauth.Application{{Origin: records}})
	o.Key[0] ^= 1
	stranger, err := forwardauth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Check(t.Context(), ask(records, "/", cookie)); err == nil {
		t.Error("a cookie under another key passes")
	}
	flip := func(at int) string {
		b := []byte(cookie)
		b[at] ^= 1
		return string(b)
	}
	tests := []struct {
		name           string
		origin, cookie string
		want           forwardauth.Reason
	}{
		{"at its own host", records, cookie, ""},
		{"at another host", stock, cookie, forwardauth.ReasonCookie},
		{"none", records, "", forwardauth.ReasonNotSignedIn},
		{"the session's own token", records, token, forwardauth.ReasonCookie},
		{"a bit of its nonce flipped", records, flip(0), forwardauth.ReasonCookie},
		{"a bit of its token flipped", records, flip(30), forwardauth.ReasonCookie},
		{"cut short", records, cookie[:len(cookie)-2], forwardauth.ReasonCookie},
		{"one byte long", records, "A", forwardauth.ReasonCookie},
		{"with more behind it", records, cookie + "AA", forwardauth.ReasonCookie},
		{"padded", records, cookie + "=", forwardauth.ReasonCookie},
		{"huge", records, strings.Repeat("A", 1<<16), forwardauth.ReasonCookie},
		{"not base64", records, "<script>", forwardauth.ReasonCookie},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := h.Check(t.Context(), ask(tt.origin, "/", tt.cookie))
			wantRefusal(t, err, tt.want)
		})
	}
}

func TestACookieDiesWithItsSession(t *testing.T) {
	tests := []struct {
		name string
		end  func(h *gatehouse, token string)
		want forwardauth.Reason
	}{
		{"signed out", func(h *gatehouse, token string) { _ = h.sessions.End(h.t.Context(), token) }, forwardauth.ReasonNotSignedIn},
		{"the card stopped", func(h *gatehouse, _ string) { _, _ = h.sessions.EndOfCard(h.t.Context(), "8025000001/0000000001") }, forwardauth.ReasonNotSignedIn},
		{"idle too long", func(h *gatehouse, _ string) { h.pass(31 * time.Minute) }, forwardauth.ReasonNotSignedIn},
		{"a new token at a rise in rights", func(h *gatehouse, token string) { _, _, _ = h.sessions.Rotate(h.t.Context(), token, nil) }, forwardauth.ReasonNotSignedIn},
		{"locked", func(h *gatehouse, token string) {
			s, _ := h.sessions.Find(h.t.Context(), token)
			_ = h.sessions.Lock(h.t.Context(), nurse, s.ID)
		}, forwardauth.ReasonLocked},
		{"the person no longer known", func(h *gatehouse, _ string) { delete(h.people, nurse); h.pass(forwardauth.DefaultPeopleAge) }, forwardauth.ReasonPerson},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newGatehouse(t)
			token := h.open(byCard(nurse))
			q := ask(records, "/", h.cookieFor(records, token))
			_, err := h.Check(t.Context(), q)
			wantRefusal(t, err, "")
			tt.end(h, token)
			_, err = h.Check(t.Context(), q)
			wantRefusal(t, err, tt.want)
		})
	}
}

func TestFaultsLetNobodyIn(t *testing.T) {
	t.Run("of sessions", func(t *testing.T) {
		h := newGatehouse(t)
		o := h.options([]forwardauth.Application{{Origin: records}})
		cookie := h.cookieFor(records, h.open(byCard(nurse)))
		find := o.Find
		away := false
		o.Find = func(ctx context.Context, token string) (sessions.Session, error) {
			if away {
				return sessions.Session{}, errStore
			}
			return find(ctx, token)
		}
		gate, err := forwardauth.New(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gate.Check(t.Context(), ask(records, "/", cookie)); err != nil {
			t.Fatal(err)
		}
		away = true
		if pass, err := gate.Check(t.Context(), ask(records, "/", cookie)); !errors.Is(err, errStore) || pass != nil {
			t.Errorf("%v, %v", pass, err)
		}
		if n := gate.Counts()["fault"]; n != 1 {
			t.Errorf("%d faults counted", n)
		}
	})
	t.Run("of people", func(t *testing.T) {
		h := newGatehouse(t)
		cookie := h.cookieFor(records, h.open(byCard(nurse)))
		h.broken = errStore
		if pass, err := h.Check(t.Context(), ask(records, "/", cookie)); !errors.Is(err, errStore) || pass != nil {
			t.Errorf("%v, %v", pass, err)
		}
	})
}

// TestOneLookUpACheck: the session's, and for what is told of the person as
// often as the bound says. A change of roles is seen within it.
func TestOneLookUpACheck(t *testing.T) {
	h := newGatehouse(t, forwardauth.Application{Origin: records, Rules: []forwardauth.Rule{{Path: "/", Roles: []identity.Role{identity.RoleOperator}}}})
	q := ask(records, "/", h.cookieFor(records, h.open(byCard(doctor))))
	h.finds = 0
	for range 100 {
		if _, err := h.Check(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if h.finds != 100 || h.reads != 1 || h.signed != 1 {
		t.Errorf("100 checks: %d look-ups, %d readings of people, %d signatures", h.finds, h.reads, h.signed)
	}
	p := h.people[doctor]
	p.Roles = nil
	h.people[doctor] = p
	h.pass(forwardauth.DefaultPeopleAge)
	_, err := h.Check(t.Context(), q)
	wantRefusal(t, err, forwardauth.ReasonRole)
	if h.Counts()["pass"] != 100 || h.Counts()["role"] != 1 {
		t.Errorf("counts %v", h.Counts())
	}
}

// TestAFreshProofIsTold: what the session says anew is not told from memory.
func TestAFreshProofIsTold(t *testing.T) {
	h := newGatehouse(t, forwardauth.Application{Origin: records, Fields: forwardauth.FieldNames()})
	token := h.open(byPasskey(nurse, identity.ProofDesk))
	cookie := h.cookieFor(records, token)
	before, err := h.Check(t.Context(), ask(records, "/", cookie))
	wantRefusal(t, err, "")
	h.pass(time.Second)
	fresh, _, err := h.sessions.Rotate(t.Context(), token, func(s *sessions.Session) { s.AuthenticatedAt = h.now() })
	if err != nil {
		t.Fatal(err)
	}
	after, err := h.Check(t.Context(), ask(records, "/", h.cookieFor(records, fresh)))
	wantRefusal(t, err, "")
	if field(before, forwardauth.FieldAuthTime) == field(after, forwardauth.FieldAuthTime) {
		t.Error("the old time of the proof is told")
	}
}

func field(p *forwardauth.Pass, name string) string {
	for _, f := range p.Fields {
		if f.Name == name {
			return f.Values[0]
		}
	}
	return ""
}

// TestChecksAtOnce: of sessions that end meanwhile none passes afterwards.
func TestChecksAtOnce(t *testing.T) {
	h := newGatehouse(t)
	token := h.open(byCard(nurse))
	q := ask(records, "/", h.cookieFor(records, token))
	var group sync.WaitGroup
	ended := make(chan struct{})
	for range 8 {
		group.Go(func() {
			for range 200 {
				over := false
				select {
				case <-ended:
					over = true
				default:
				}
				if _, err := h.Check(t.Context(), q); over && err == nil {
					t.Error("passes after its session ended")
				}
			}
		})
	}
	if err := h.sessions.End(t.Context(), token); err != nil {
		t.Error(err)
	}
	close(ended)
	group.Wait()
}

func TestRules(t *testing.T) {
	const fort = identity.ProofSameCard
	rules := []forwardauth.Rule{
		{Path: "/"},
		{Path: "/Admin", Roles: []identity.Role{identity.RoleAdmin}},
		{Path: "/admin/public"},
		{Path: "/ordonnances", Professions: []identity.Profession{10}},
		{Path: "/signature", Demand: sessions.Demand{MaxAge: 5 * time.Minute}},
		{Path: "/carte", Demand: sessions.Demand{Methods: []identity.Method{identity.MethodCPS}}},
		{Path: "/fort", Demand: sessions.Demand{Proofs: []identity.ProofKind{fort, identity.ProofCertificate}}},
	}
	tests := []struct {
		name string
		who  sessions.Session
		uri  string
		want forwardauth.Reason
	}{
		{"what asks nothing", byCard(nurse), "/", ""},
		{"a role that is held", byCard(doctor), "/Admin/users", ""},
		{"a role that is not", byCard(nurse), "/Admin", forwardauth.ReasonRole},
		{"below it", byCard(nurse), "/Admin/users?x=1", forwardauth.ReasonRole},
		{"a name that only begins alike", byCard(nurse), "/Administration", ""},
		{"a profession that is held", byCard(doctor), "/ordonnances/1", ""},
		{"a profession that is not", byCard(nurse), "/ordonnances/1", forwardauth.ReasonRole},
		{"a fresh proof", byCard(nurse), "/signature", ""},
		{"a method that serves", byCard(nurse), "/carte", ""},
		{"a method that does not", byPasskey(nurse, fort), "/carte", forwardauth.ReasonDemand},
		{"a proof that serves", byPasskey(nurse, fort), "/fort", ""},
		{"a proof that does not", byPasskey(nurse, identity.ProofDesk), "/fort", forwardauth.ReasonDemand},
		{"a certificate vouches for itself", byCard(nurse), "/fort", ""},

		{"another case", byCard(nurse), "/aDMIN", forwardauth.ReasonRole},
		{"another case, both rules", byCard(nurse), "/ADMIN/public", ""},
		{"an escape", byCard(nurse), "/%41dmin", forwardauth.ReasonRole},
		{"an escape of an escape", byCard(nurse), "/%2541dmin", forwardauth.ReasonRole},
		{"three times", byCard(nurse), "/%252541dmin", forwardauth.ReasonRole},
		{"four times", byCard(nurse), "/%25252541dmin", forwardauth.ReasonPath},
		{"an escaped slash", byCard(nurse), "/x%2f..%2fAdmin", forwardauth.ReasonPath},
		{"an escaped slash below it", byCard(nurse), "/Admin%2Fusers", forwardauth.ReasonRole},
		{"slashes twice", byCard(nurse), "//Admin", forwardauth.ReasonRole},
		{"slashes twice, below", byCard(nurse), "/Admin//users", forwardauth.ReasonRole},
		{"dots", byCard(nurse), "/x/../Admin", forwardauth.ReasonPath},
		{"a dot", byCard(nurse), "/./Admin", forwardauth.ReasonPath},
		{"dots escaped", byCard(nurse), "/x/%2e%2e/Admin", forwardauth.ReasonPath},
		{"dots escaped twice", byCard(nurse), "/x/%252e%252E/Admin", forwardauth.ReasonPath},
		{"dots escaped twice beside a broken escape", byCard(nurse), "/x/%252e%252e/Admin/%25zz", forwardauth.ReasonPath},
		{"dots with a parameter", byCard(nurse), "/x/..;/Admin", forwardauth.ReasonPath},
		{"dots with a parameter, escaped", byCard(nurse), "/x/..%3B/Admin", forwardauth.ReasonPath},
		{"a parameter", byCard(nurse), "/Admin;v=1/users", forwardauth.ReasonRole},
		{"a parameter, escaped", byCard(nurse), "/Admin%3bv=1", forwardauth.ReasonRole},
		{"a backslash", byCard(nurse), `/\Admin`, forwardauth.ReasonPath},
		{"a backslash, escaped", byCard(nurse), "/x%5c..%5cAdmin", forwardauth.ReasonPath},
		{"a dot at its end", byCard(nurse), "/Admin.", forwardauth.ReasonRole},
		{"a blank at its end", byCard(nurse), "/Admin%20", forwardauth.ReasonRole},
		{"a NUL", byCard(nurse), "/Admin%00", forwardauth.ReasonPath},
		{"a line break", byCard(nurse), "/Admin%0d%0a", forwardauth.ReasonPath},
		{"a broken escape", byCard(nurse), "/Admin%zz", forwardauth.ReasonPath},
		{"not UTF-8", byCard(nurse), "/Admin%ff", forwardauth.ReasonPath},
		{"no slash", byCard(nurse), "Admin", forwardauth.ReasonPath},
		{"nothing", byCard(nurse), "", forwardauth.ReasonPath},
		{"an absolute address", byCard(nurse), "https://elsewhere.example/", forwardauth.ReasonPath},
		{"too long", byCard(nurse), "/" + strings.Repeat("a", 8<<10), forwardauth.ReasonPath},
		{"cpsgate's own", byCard(doctor), "/.cpsgate/sign-in", forwardauth.ReasonPath},
		{"cpsgate's own in another case", byCard(doctor), "/.CPSGATE/x", forwardauth.ReasonPath},
		{"accents", byCard(nurse), "/r%C3%A9sultats", ""},
		{"a slash at its end", byCard(nurse), "/Admin/", forwardauth.ReasonRole},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newGatehouse(t, forwardauth.Application{Origin: records, Rules: rules})
			_, err := h.Check(t.Context(), ask(records, tt.uri, h.cookieFor(records, h.open(tt.who))))
			wantRefusal(t, err, tt.want)
		})
	}
	t.Run("an old proof", func(t *testing.T) {
		h := newGatehouse(t, forwardauth.Application{Origin: records, Rules: rules})
		cookie := h.cookieFor(records, h.open(byCard(nurse)))
		h.pass(6 * time.Minute)
		_, err := h.Check(t.Context(), ask(records, "/signature", cookie))
		wantRefusal(t, err, forwardauth.ReasonDemand)
		_, err = h.Check(t.Context(), ask(records, "/", cookie))
		wantRefusal(t, err, "")
	})
}

func TestWhatNoRuleCoversIsRefused(t *testing.T) {
	h := newGatehouse(t, forwardauth.Application{Origin: records, Rules: []forwardauth.Rule{{Path: "/app"}}})
	cookie := h.cookieForPath(records, "/app", h.open(byCard(nurse)))
	for uri, want := range map[string]forwardauth.Reason{"/app/x": "", "/": forwardauth.ReasonNoRule, "/apple": forwardauth.ReasonNoRule, "/APP": forwardauth.ReasonNoRule} {
		_, err := h.Check(t.Context(), ask(records, uri, cookie))
		wantRefusal(t, err, want)
	}
}

func TestHostsAndSchemes(t *testing.T) {
	h := newGatehouse(t)
	cookie := h.cookieFor(records, h.open(byCard(nurse)))
	tests := []struct {
		name         string
		scheme, host string
		want         forwardauth.Reason
	}{
		{"its own", "https", "dossier.hopital.example", ""},
		{"a WebSocket", "wss", "dossier.hopital.example", ""},
		{"not https", "http", "dossier.hopital.example", forwardauth.ReasonScheme},
		{"no scheme", "", "dossier.hopital.example", forwardauth.ReasonScheme},
		{"unknown", "https", "elsewhere.example", forwardauth.ReasonHost},
		{"none", "https", "", forwardauth.ReasonHost},
		{"below it", "https", "x.dossier.hopital.example", forwardauth.ReasonHost},
		{"another port", "https", "dossier.hopital.example:8443", forwardauth.ReasonHost},
		{"a dot at its end", "https", "dossier.hopital.example.", forwardauth.ReasonHost},
		{"another case", "https", "Dossier.hopital.example", forwardauth.ReasonHost},
		{"two of them", "https", "dossier.hopital.example, stock.hopital.example", forwardauth.ReasonHost},
		{"the sign-on host", "https", "sso.hopital.example", forwardauth.ReasonHost},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := forwardauth.Query{Scheme: tt.scheme, Host: tt.host, URI: "/", Cookie: cookie}
			_, err := h.Check(t.Context(), q)
			wantRefusal(t, err, tt.want)
		})
	}
}

func TestNewRefuses(t *testing.T) {
	good := forwardauth.Application{Origin: records}
	with := func(paths ...string) []forwardauth.Application {
		a := good
		for _, p := range paths {
			a.Rules = append(a.Rules, forwardauth.Rule{Path: p})
		}
		return []forwardauth.Application{a}
	}
	tests := []struct {
		name         string
		applications []forwardauth.Application
		key          int
		fine         bool
	}{
		{"nothing of what is right", with("/", "/admin", "/r"), 32, true},
		{"a short key", with("/"), 16, false},
		{"http", []forwardauth.Application{{Origin: "http://dossier.hopital.example"}}, 32, false},
		{"a path in an origin", []forwardauth.Application{{Origin: records + "/"}}, 32, false},
		{"capitals in an origin", []forwardauth.Application{{Origin: "https://Dossier.hopital.example"}}, 32, false},
		{"port 443, which browsers leave out", []forwardauth.Application{{Origin: records + ":443"}}, 32, false},
		{"a dot at the end", []forwardauth.Application{{Origin: records + "."}}, 32, false},
		{"letters beyond ASCII", []forwardauth.Application{{Origin: "https://hôpital.example"}}, 32, false},
		{"a user", []forwardauth.Application{{Origin: "https://x@dossier.hopital.example"}}, 32, false},
		{"the sign-on host", []forwardauth.Application{{Origin: signOn}}, 32, false},
		{"one twice", []forwardauth.Application{good, good}, 32, false},
		{"a rule without a slash", with("admin"), 32, false},
		{"a rule with a slash at its end", with("/admin/"), 32, false},
		{"a rule with dots", with("/a/../b"), 32, false},
		{"a rule with an escape", with("/%41"), 32, false},
		{"a rule for cpsgate's own", with("/.cpsgate/x"), 32, false},
		{"a path twice", with("/a", "/a"), 32, false},
		{"a path apart by its case", with("/a", "/A"), 32, false},
		{"a negative age", []forwardauth.Application{{Origin: records, Rules: []forwardauth.Rule{{Path: "/", Demand: sessions.Demand{MaxAge: -1}}}}}, 32, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newGatehouse(t).options(tt.applications)
			o.Key = make([]byte, tt.key)
			if _, err := forwardauth.New(o); (err == nil) != tt.fine {
				t.Errorf("error %v", err)
			}
		})
	}
	if _, err := forwardauth.New(forwardauth.Options{}); err == nil {
		t.Error("made of nothing")
	}
}
