package forwardauth_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/sso/forwardauth"
)

// cookieForPath is cookieFor, with a path to return to.
func (h *gatehouse) cookieForPath(origin, path, token string) string {
	h.t.Helper()
	authority := strings.TrimPrefix(origin, "https://")
	to, secret, err := h.Begin(authority, path, "")
	if err != nil {
		h.t.Fatal(err)
	}
	back, err := h.Admit(h.t.Context(), query(h.t, to, "return"), query(h.t, to, "state"), token)
	if err != nil {
		h.t.Fatal(err)
	}
	cookie, on, err := h.Finish(h.t.Context(), authority, query(h.t, back, "code"), secret)
	if err != nil || on != origin+path {
		h.t.Fatalf("%q, %v", on, err)
	}
	return cookie
}

// attempt is one way through, at the point where its code comes back.
type attempt struct{ host, code, secret, state string }

func (h *gatehouse) attempt() attempt {
	h.t.Helper()
	host := strings.TrimPrefix(records, "https://")
	to, secret, err := h.Begin(host, "/patients?id=1", "")
	if err != nil {
		h.t.Fatal(err)
	}
	if !strings.HasPrefix(to, signOn+"/forward-auth/enter?") || strings.Contains(to, secret) {
		h.t.Errorf("begins at %s", to)
	}
	state := query(h.t, to, "state")
	back, err := h.Admit(h.t.Context(), query(h.t, to, "return"), state, h.open(byCard(nurse)))
	if err != nil {
		h.t.Fatal(err)
	}
	if !strings.HasPrefix(back, records+"/.cpsgate/callback?code=") {
		h.t.Errorf("comes back by %s", back)
	}
	return attempt{host, query(h.t, back, "code"), secret, state}
}

func TestACodeIsTakenOnceByItsBrowser(t *testing.T) {
	other := newGatehouse(t)
	stolen := other.attempt()
	tests := []struct {
		name string
		lie  func(h *gatehouse, a *attempt)
		want forwardauth.Reason
	}{
		{"as it was given", func(*gatehouse, *attempt) {}, ""},
		{"a second time", func(h *gatehouse, a *attempt) { _, _, _ = h.Finish(h.t.Context(), a.host, a.code, a.secret) }, forwardauth.ReasonCode},
		{"too late", func(h *gatehouse, _ *attempt) { h.pass(forwardauth.CodeLife) }, forwardauth.ReasonCode},
		{"at another application", func(_ *gatehouse, a *attempt) { a.host = strings.TrimPrefix(stock, "https://") }, forwardauth.ReasonCode},
		{"at a host that is none", func(_ *gatehouse, a *attempt) { a.host = "elsewhere.example" }, forwardauth.ReasonHost},
		{"in a browser that began nothing", func(_ *gatehouse, a *attempt) { a.secret = "" }, forwardauth.ReasonState},
		{"in a browser that began another attempt", func(h *gatehouse, a *attempt) { a.secret = h.attempt().secret }, forwardauth.ReasonState},
		{"with the fingerprint in place of the secret", func(_ *gatehouse, a *attempt) { a.secret = a.state }, forwardauth.ReasonState},
		{"another attempt's token under its key", func(h *gatehouse, a *attempt) {
			key, _, _ := strings.Cut(a.code, ".")
			_, sealed, _ := strings.Cut(h.attempt().code, ".")
			a.code = key + "." + sealed
		}, forwardauth.ReasonCode},
		{"without its token", func(_ *gatehouse, a *attempt) { a.code, _, _ = strings.Cut(a.code, ".") }, forwardauth.ReasonCode},
		{"another house's", func(_ *gatehouse, a *attempt) { a.code = stolen.code }, forwardauth.ReasonCode},
		{"made up", func(_ *gatehouse, a *attempt) { a.code = strings.Repeat("A", 43) + "." + strings.Repeat("A", 90) }, forwardauth.ReasonCode},
		{"nothing", func(_ *gatehouse, a *attempt) { a.code = "" }, forwardauth.ReasonCode},
		{"huge", func(_ *gatehouse, a *attempt) { a.code = strings.Repeat("A", 1<<16) }, forwardauth.ReasonCode},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newGatehouse(t)
			a := h.attempt()
			tt.lie(h, &a)
			cookie, on, err := h.Finish(t.Context(), a.host, a.code, a.secret)
			wantRefusal(t, err, tt.want)
			if tt.want == "" {
				_, err := h.Check(t.Context(), ask(records, "/", cookie))
				wantRefusal(t, err, "")
				if on != records+"/patients?id=1" {
					t.Errorf("goes on to %s", on)
				}
			} else if cookie != "" || on != "" {
				t.Errorf("gives %q and %q all the same", cookie, on)
			}
		})
	}
}

// A code is no cookie, and a cookie no code.
func TestKindsOfSealsAreApart(t *testing.T) {
	h := newGatehouse(t)
	a := h.attempt()
	_, sealed, _ := strings.Cut(a.code, ".")
	_, err := h.Check(t.Context(), ask(records, "/", sealed))
	wantRefusal(t, err, forwardauth.ReasonCookie)
}

// TestRaceForACode: of a hundred browsers with one code and its secret one gets
// in.
func TestRaceForACode(t *testing.T) {
	h := newGatehouse(t)
	a := h.attempt()
	got := make(chan bool, 100)
	for range cap(got) {
		go func() {
			_, _, err := h.Finish(t.Context(), a.host, a.code, a.secret)
			got <- err == nil
		}()
	}
	in := 0
	for range cap(got) {
		if <-got {
			in++
		}
	}
	if in != 1 {
		t.Errorf("%d got in", in)
	}
}

func TestTwoWindowsSignInAtATime(t *testing.T) {
	h := newGatehouse(t)
	_, first, _ := h.Begin("dossier.hopital.example", "/", "")
	_, second, _ := h.Begin("dossier.hopital.example", "/x", first)
	if first != second {
		t.Error("the second window's attempt ends the first's")
	}
	if _, planted, _ := h.Begin("dossier.hopital.example", "/", "short"); planted == "short" {
		t.Error("a secret of another form is taken")
	}
}

func TestAdmitRefuses(t *testing.T) {
	h := newGatehouse(t)
	token, state := h.open(byCard(nurse)), strings.Repeat("A", 43)
	for name, tt := range map[string]struct {
		address, state string
		want           forwardauth.Reason
	}{
		"nothing of what is right": {records + "/x", state, ""},
		"another's address":        {"https://elsewhere.example/", state, forwardauth.ReasonReturn},
		"no state":                 {records + "/x", "", forwardauth.ReasonState},
		"a state of another form":  {records + "/x", "abc", forwardauth.ReasonState},
		"a state with line breaks": {records + "/x", strings.Repeat("A", 41) + "\r\n", forwardauth.ReasonState},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.Admit(t.Context(), tt.address, tt.state, token)
			wantRefusal(t, err, tt.want)
		})
	}
}

// otherPlaces are addresses that are none of ours, and that some reader takes
// for one, or for another than it is.
func otherPlaces() map[string]string {
	return map[string]string{
		"nothing":                        "",
		"another host":                   "https://elsewhere.example/",
		"without a path":                 records,
		"a host that begins alike":       records + ".elsewhere.example/",
		"a host that ends alike":         "https://elsewhere-dossier.hopital.example/",
		"below it":                       "https://x.dossier.hopital.example/",
		"a user":                         "https://dossier.hopital.example@elsewhere.example/",
		"a user and a password":          "https://dossier.hopital.example:x@elsewhere.example/",
		"a user before ours":             "https://x@dossier.hopital.example/",
		"a port":                         records + ":8443/",
		"the port that is left out":      records + ":443/",
		"an empty port":                  records + ":/",
		"a port left out":                "https://stock.hopital.example/",
		"http":                           "http://dossier.hopital.example/",
		"no scheme":                      "//dossier.hopital.example/",
		"one slash":                      "https:/dossier.hopital.example/",
		"three slashes":                  "https:///dossier.hopital.example/",
		"backslashes":                    `https:\\dossier.hopital.example\`,
		"a backslash after the host":     records + `\@elsewhere.example/`,
		"a backslash in the path":        records + `/\elsewhere.example`,
		"a backslash, escaped":           records + "/%5celsewhere.example",
		"javascript":                     "javascript:alert(1)//" + records + "/",
		"data":                           "data:text/html," + records + "/",
		"the scheme in capitals":         "HTTPS://dossier.hopital.example/",
		"the host in capitals":           "https://DOSSIER.hopital.example/",
		"a dot at the host's end":        records + "./",
		"a host in percents":             "https://%64ossier.hopital.example/",
		"a host with a full-width stop":  "https://dossier．hopital.example/",
		"a host that looks alike":        "https://dоssier.hopital.example/", // Cyrillic о
		"a host in its xn-- form":        "https://xn--dssier-93g.hopital.example/",
		"a slash that looks alike":       "https://dossier.hopital.example⁄@elsewhere.example/",
		"a question mark before a slash": records + "?@elsewhere.example/",
		"a fragment before a slash":      records + "#@elsewhere.example/",
		"a fragment":                     records + "/#x",
		"a blank before":                 " " + records + "/",
		"a tab within":                   "https://dossier.hopital\t.example/",
		"a line break":                   records + "/\r\nSet-Cookie: x=1",
		"a line break, escaped":          records + "/%0d%0aSet-Cookie:x=1",
		"a NUL":                          records + "/\x00",
		"two slashes":                    records + "//elsewhere.example",
		"two slashes, escaped":           records + "/%2e%2e//elsewhere.example",
		"dots":                           records + "/../x",
		"beyond ASCII":                   records + "/é",
		"cpsgate's own":                  records + "/.cpsgate/callback?code=x",
		"cpsgate's own, escaped":         records + "/%2ecpsgate/sign-out",
		"cpsgate's own, twice":           records + "/%252ecpsgate/sign-out",
		"too long":                       records + "/" + strings.Repeat("a", 2<<10),
	}
}

func TestReturnAddresses(t *testing.T) {
	h := newGatehouse(t)
	for _, address := range []string{records + "/", records + "/a/b;v=1?q=a%20b&r=//x", stock + "/r%C3%A9sultats"} {
		if asked, err := h.Ask(address); err != nil || !strings.HasPrefix(address, asked.Origin+"/") {
			t.Errorf("%s: %v, %v", address, asked, err)
		}
	}
	for name, address := range otherPlaces() {
		t.Run(name, func(t *testing.T) {
			if _, err := h.Ask(address); err == nil {
				t.Errorf("%q may be returned to", address)
			}
			if to, err := h.Admit(t.Context(), address, strings.Repeat("A", 43), "token"); err == nil {
				t.Errorf("%q gives %s", address, to)
			}
			path, ok := strings.CutPrefix(address, records)
			if !ok || path == "" {
				path = address
			}
			if to, _, err := h.Begin("dossier.hopital.example", path, ""); err == nil {
				t.Errorf("%q begins at %s", path, to)
			}
		})
	}
}

func TestSignInAddress(t *testing.T) {
	h := newGatehouse(t)
	for uri, back := range map[string]string{
		"/patients?id=1&x=//y": "/patients?id=1&x=//y", "//elsewhere.example": "/", `/\elsewhere.example`: "/", "/a\r\nX: y": "/",
		"https://elsewhere.example/": "/", "": "/", "/.cpsgate/sign-in?return=/": "/",
	} {
		to := h.SignInAddress(ask(records, uri, ""))
		if !strings.HasPrefix(to, records+"/.cpsgate/sign-in?") || query(t, to, "return") != back || strings.ContainsAny(to, "\r\n") {
			t.Errorf("%q leads to %s", uri, to)
		}
	}
	if to := h.SignInAddress(ask("https://elsewhere.example", "/", "")); to != "" {
		t.Errorf("another host leads to %s", to)
	}
}

func TestSigningOutFromAnApplication(t *testing.T) {
	h := newGatehouse(t)
	token := h.open(byCard(nurse))
	cookie := h.cookieFor(records, token)
	if got := h.Token("dossier.hopital.example", cookie); got != token {
		t.Error("the cookie does not lead to its session")
	}
	for host, cookie := range map[string]string{"stock.hopital.example:8443": cookie, "elsewhere.example": cookie, "dossier.hopital.example": "made-up"} {
		if h.Token(host, cookie) != "" {
			t.Errorf("%s: a session is found", host)
		}
	}
}

// FuzzReturn: whatever is asked, a browser that follows it stays at an
// application of ours, by https, and no field of the answer is broken.
func FuzzReturn(f *testing.F) {
	h := newGatehouse(f)
	f.Add(records + "/patients?id=1")
	f.Add(stock + "/x")
	for _, address := range otherPlaces() {
		f.Add(address)
	}
	state := strings.Repeat("A", 43)
	f.Fuzz(func(t *testing.T, address string) {
		asked, err := h.Ask(address)
		if err == nil {
			u, err := url.Parse(address)
			if err != nil || u.Scheme+"://"+u.Host != asked.Origin || u.User != nil || asked.Origin != records && asked.Origin != stock {
				t.Fatalf("%q passes for one of %s", address, asked.Origin)
			}
		}
		for _, to := range []string{
			h.SignInAddress(ask(records, address, "")),
			first(h.Begin("dossier.hopital.example", address, "")),
			admitted(h.Admit(t.Context(), address, state, "token")),
		} {
			if to == "" {
				continue
			}
			u, err := url.Parse(to)
			origin := ""
			if err == nil {
				origin = u.Scheme + "://" + u.Host
			}
			if origin != records && origin != stock && origin != signOn || u.User != nil || strings.ContainsAny(to, "\r\n\\ \t\x00") {
				t.Fatalf("%q leads to %q", address, to)
			}
		}
	})
}

func first(to, _ string, err error) string {
	if err != nil {
		return ""
	}
	return to
}

func admitted(to string, err error) string {
	if err != nil {
		return ""
	}
	return to
}

// FuzzCookie: nothing but what was sealed here passes, and nothing breaks.
func FuzzCookie(f *testing.F) {
	h := newGatehouse(f)
	good := h.cookieFor(records, h.open(byCard(nurse)))
	f.Add("", "/")
	f.Add("A", "/x")
	f.Add(good[:40], "/..;/")
	f.Add(h.cookieFor(stock, h.open(byCard(nurse))), "/%2e")
	f.Fuzz(func(t *testing.T, cookie, uri string) {
		if cookie == good {
			return
		}
		if pass, err := h.Check(t.Context(), ask(records, uri, cookie)); err == nil || pass != nil {
			t.Fatalf("%q passes at %q", cookie, uri)
		}
		if cookie, _, err := h.Finish(t.Context(), "dossier.hopital.example", cookie, uri); err == nil || cookie != "" {
			t.Fatal("a made-up code is taken")
		}
	})
}

// FuzzRules: a path whose plain reading is protected is never let through.
func FuzzRules(f *testing.F) {
	h := newGatehouse(f, forwardauth.Application{Origin: records, Rules: []forwardauth.Rule{
		{Path: "/"}, {Path: "/admin", Professions: nobody},
	}})
	cookie := h.cookieFor(records, h.open(byCard(nurse)))
	for _, uri := range []string{"/admin", "/x/../admin", "/%61dmin", "//admin", "/admin;x", "/ADMIN", "/a%2fadmin", "/..;/admin", "/admin%20/x", "/\xc4\xb0", "/admin#x", "/admin%3fx"} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		_, err := h.Check(t.Context(), ask(records, uri, cookie))
		if err != nil {
			return
		}
		for p, i := uri, 0; i < 4; i++ {
			p, _, _ = strings.Cut(p, "?")
			if u, err := url.Parse("https://x" + p); err == nil && strings.HasPrefix(strings.ToLower(u.JoinPath().Path)+"/", "/admin/") {
				t.Fatalf("%q passes, and reads as %q", uri, u.JoinPath().Path)
			}
			next, err := url.PathUnescape(p)
			if err != nil || next == p {
				break
			}
			p = next
		}
	})
}

var nobody = []identity.Profession{99}

// TestPassesAreBounded: the one used longest ago gives way.
func TestPassesAreBounded(t *testing.T) {
	h := newGatehouse(t)
	token := h.open(byCard(nurse))
	cookies := []string{h.cookieFor(records, token), h.cookieFor(records, token), h.cookieFor(records, token)}
	passes := forwardauth.NewPasses(2)
	for i, c := range cookies {
		passes.Put(c, start.Add(time.Duration(i)))
	}
	if passes.Len() != 2 || passes.Has(cookies[0]) || !passes.Has(cookies[2]) {
		t.Error("the pass used longest ago did not give way")
	}
}
