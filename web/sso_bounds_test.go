package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"golang.org/x/oauth2"

	"cpsgate/internal/testpki"
	"cpsgate/sessions"
	"cpsgate/sso"
	"cpsgate/web"
)

// foreignForm sends an application's request as a form of its own site does: what
// browsers keep for this site does not come along (RFC 6265bis §5.2).
func (b *browser) foreignForm(query string) answer {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodPost, mainOrigin+sso.PathAuthorize, strings.NewReader(query))
	must(b.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Origin", appOrigin)
	client := *b.client
	client.Jar = nil
	response, err := client.Do(r)
	must(b.t, err)
	b.cookies.SetCookies(r.URL, response.Cookies()) // what comes back is kept: the form leads the whole tab here
	return answer{response.StatusCode, response.Header, read(b.t, response.Body), response.Request.URL}
}

// A form of another site neither takes a place that somebody's sign-in stands on
// nor says anything for anybody.
func TestAFormOfAnotherSiteDisturbsNobody(t *testing.T) {
	o := ssoHouse(t)
	a := o.app()
	u, err := url.Parse(a.start())
	must(t, err)
	b := o.h.browser().with(o.h.card(testpki.CardSpec{}))
	doors := b.follow(b.get(a.start())) // a sign-in is under way
	mine := b.cookie("__Host-cps-request")
	came := b.foreignForm(u.RawQuery)
	if got := b.cookie("__Host-cps-request"); mine == "" || got != mine || len(came.header.Values("Set-Cookie")) != 0 {
		t.Fatalf("the cookie %q is now %q", mine, got)
	}
	second := b.follow(came)
	a.redeem(b.byCard(doors).url)
	a.redeem(b.byCard(second).url)

	// What came by a form has been answered by nobody, and can be answered once it
	// waits for a browser only.
	came = b.foreignForm(u.RawQuery + "&prompt=consent")
	to, err := url.Parse(came.header.Get("Location"))
	must(t, err)
	if got := b.submit("/oauth/continue", url.Values{"request": {to.Query().Get("request")}, "answer": {"agree"}}); got.status != http.StatusForbidden {
		t.Errorf("answered: %d %s", got.status, got.header.Get("Location"))
	}
	// It waits for a moment, not for a person.
	came = b.foreignForm(u.RawQuery)
	o.h.pass(61e9)
	if got := b.follow(came); got.status != http.StatusForbidden {
		t.Errorf("a minute later: %d", got.status)
	}
}

// A link of another site to the way out clears nothing where nobody is signed in.
func TestSigningNobodyOutDisturbsNobody(t *testing.T) {
	o := ssoHouse(t)
	a := o.app()
	b := o.h.browser().with(o.h.card(testpki.CardSpec{}))
	doors := b.follow(b.get(a.start()))
	out := b.get("/oauth/logout?" + url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {appOrigin + "/bye"}}.Encode())
	if out.header.Get("Location") != appOrigin+"/bye" || len(out.header.Values("Set-Cookie")) != 0 || out.header.Get("Clear-Site-Data") != "" {
		t.Errorf("%d %v", out.status, out.header)
	}
	a.redeem(b.byCard(doors).url)
}

// The number on the page is that of the provider's event, and of the log's line.
func TestTheNumberOnThePageIsTheAudits(t *testing.T) {
	o := ssoHouse(t)
	a := o.app()
	for name, tt := range map[string]struct{ path, kind string }{
		"a request": {a.start(oauth2.SetAuthURLParam("redirect_uri", "https://evil.test/")), sso.EventSignIn},
		"a way out": {"/oauth/logout?client_id=app&post_logout_redirect_uri=https%3A%2F%2Fevil.test", sso.EventLogout},
	} {
		page := o.h.browser().get(tt.path)
		number := eventNumber.FindStringSubmatch(page.body)
		e := o.h.last(tt.kind)
		if number == nil || number[1] != e.ID || page.header.Get("X-Event-Id") != e.ID || !strings.Contains(o.h.log.String(), `"event":"`+e.ID+`"`) {
			t.Errorf("%s: the page shows %v, the header %q, the audit has %s", name, number, page.header.Get("X-Event-Id"), e.ID)
		}
	}
	form := strings.NewReader("grant_type=authorization_code&code=x&redirect_uri=x&client_id=app")
	r, err := http.NewRequest(http.MethodPost, mainOrigin+sso.PathToken, form)
	must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	got := o.h.browser().send(r)
	if e := o.h.last(sso.EventToken); got.status != http.StatusUnauthorized || got.header.Get("X-Event-Id") != e.ID || !strings.Contains(o.h.log.String(), `"event":"`+e.ID+`"`) {
		t.Errorf("a client's: %d %q, the audit has %s", got.status, got.header.Get("X-Event-Id"), e.ID)
	}
}

// Where too many ways out wait, people are told to try again.
func TestAFullWayOutIsToldAsSuch(t *testing.T) {
	o := ssoHouse(t, func(s *sso.Options) {
		s.Once = sessions.NewOnce(sessions.OnceOptions{MaxOf: map[string]int{"sso.logout": 1}, Now: s.Now})
	})
	a := o.app()
	b := o.h.browser().with(o.h.card(testpki.CardSpec{}))
	a.redeem(b.byCard(b.follow(b.get(a.start()))).url)
	b.get("/oauth/logout?client_id=app").says(t, http.StatusOK, "Vous déconnecter partout")
	page := b.get("/oauth/logout?client_id=app")
	page.says(t, http.StatusServiceUnavailable, "Le service n’est pas disponible pour le moment", "Réessayez dans quelques minutes.")
	if page.header.Get("Retry-After") != "120" || len(o.open(t)) != 1 {
		t.Errorf("%v", page.header)
	}
}

// What clients ask by themselves is counted as theirs once they have proved
// themselves, and as their address's before, apart from people's pages; beyond
// either they are told so as OAuth tells it.
func TestRatesOfClients(t *testing.T) {
	o := &signOn{h: quietHouse(t)}
	o.h.publish()
	p := o.plan(t, func(s *sso.Options) { s.ClientRate = 60 })
	provider := p.options
	p.options = func(w *web.Options) {
		provider(w)
		w.Limits.RequestsPerMinute = 20
	}
	o.h.wire(p)
	o.h.mainAddr = o.h.listen(o.h.web.Main(), false)
	a := o.app() // reads the discovery document: one of the twenty
	ask := func(secret string) answer {
		r, err := http.NewRequest(http.MethodPost, mainOrigin+sso.PathIntrospect, strings.NewReader("token=x"))
		must(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("app", secret)
		return o.h.browser().send(r)
	}
	for range 60 {
		if got := ask(a.config.ClientSecret); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	tooMany := func(what string, got answer) {
		t.Helper()
		if got.status != http.StatusTooManyRequests || !strings.Contains(got.body, `"error":"temporarily_unavailable"`) ||
			got.header.Get("Retry-After") == "" || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %v %s", what, got.status, got.header, got.body)
		}
	}
	over := ask(a.config.ClientSecret)
	for n := 0; over.status == http.StatusOK && n < 100; n++ { // one a second, if this machine is slow
		over = ask(a.config.ClientSecret)
	}
	tooMany("a client that has asked too often", over)
	refused := 0
	for ask("wrong").status == http.StatusUnauthorized {
		refused++
	}
	if refused < 18 || refused > 24 { // with the two before; one every three seconds
		t.Errorf("%d wrong secrets are listened to", refused)
	}
	tooMany("an address that has guessed too often", ask("wrong"))
	tooMany("whoever else is at that address", ask(a.config.ClientSecret))
	if got := o.h.browser().get("/"); got.status != http.StatusOK {
		t.Errorf("a person there: %d", got.status)
	}
	o.h.pass(4e9)
	if got := ask(a.config.ClientSecret); got.status != http.StatusOK {
		t.Errorf("a moment later: %d %s", got.status, got.body)
	}
}

// What cannot be read, or is read in two ways, is refused on a page and recorded;
// nothing of it is believed.
func TestRequestsThatReadInTwoWays(t *testing.T) {
	o := ssoHouse(t)
	a := o.app()
	u, err := url.Parse(a.start())
	must(t, err)
	good := u.RawQuery
	post := func(path, media, body string) answer {
		r, err := http.NewRequest(http.MethodPost, mainOrigin+path, strings.NewReader(body))
		must(t, err)
		r.Header.Set("Content-Type", media)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		return o.h.browser().send(r)
	}
	const form = "application/x-www-form-urlencoded"
	for name, tt := range map[string]struct {
		ask          func() answer
		kind, reason string
	}{
		"a semicolon": {func() answer {
			return o.h.browser().get(u.Path + "?" + good + ";redirect_uri=https%3A%2F%2Fevil.test%2F")
		}, sso.EventSignIn, "malformed"},
		"an escape that is none": {func() answer { return o.h.browser().get(u.Path + "?" + good + "&redirect_uri=%zz") }, sso.EventSignIn, "malformed"},
		"a redirect URI twice": {func() answer {
			return o.h.browser().get(u.Path + "?" + good + "&redirect_uri=https%3A%2F%2Fevil.test%2F")
		}, sso.EventSignIn, "parameter-twice"},
		"an address and a form":           {func() answer { return post(u.Path+"?"+good, form, good) }, sso.EventSignIn, "malformed"},
		"JSON":                            {func() answer { return post(u.Path, "application/json", `{"client_id":"app"}`) }, sso.EventSignIn, "malformed"},
		"a file":                          {func() answer { return post(u.Path, "multipart/form-data; boundary=x", "--x--") }, sso.EventSignIn, "malformed"},
		"a huge form":                     {func() answer { return post(u.Path, form, good+"&x="+strings.Repeat("x", 70<<10)) }, "", ""},
		"a form too big for OAuth":        {func() answer { return post(u.Path, form, good+"&x="+strings.Repeat("x", 20<<10)) }, sso.EventSignIn, "parameter-long"},
		"a way out with a semicolon":      {func() answer { return o.h.browser().get("/oauth/logout?client_id=app;client_id=other") }, sso.EventLogout, "malformed"},
		"a way out, its client twice":     {func() answer { return o.h.browser().get("/oauth/logout?client_id=app&client_id=other") }, sso.EventLogout, "parameter-twice"},
		"a way out by a form of nonsense": {func() answer { return post("/oauth/logout", form, "%") }, sso.EventLogout, "malformed"},
	} {
		got := tt.ask()
		if tt.kind == "" { // before the provider is asked
			if got.status != http.StatusRequestEntityTooLarge {
				t.Errorf("%s: %d", name, got.status)
			}
			continue
		}
		e := o.h.last(tt.kind)
		if got.status != http.StatusBadRequest || got.header.Get("Location") != "" || e.Reason != tt.reason || got.header.Get("X-Event-Id") != e.ID {
			t.Errorf("%s: %d to %q, recorded %+v", name, got.status, got.header.Get("Location"), e)
		}
	}
}

// Another site can have nobody sign out, agree or go on by a form of its own, be
// the key that the form needs one that it asked for itself.
func TestFormsOfOtherSitesAnswerNothing(t *testing.T) {
	o := ssoHouse(t)
	a := o.app()
	b := o.h.browser().with(o.h.card(testpki.CardSpec{}))
	a.redeem(b.byCard(b.follow(b.get(a.start()))).url)
	stranger := o.h.browser()
	leave := waits.FindStringSubmatch(stranger.foreignLeave().body)
	wait, err := url.Parse(stranger.foreignForm(mustQuery(t, a.start())).header.Get("Location"))
	must(t, err)
	if leave == nil {
		t.Fatal("no way out to answer")
	}
	for path, form := range map[string]url.Values{
		"/oauth/leave":    {"request": {leave[1]}},
		"/oauth/continue": {"request": {wait.Query().Get("request")}, "answer": {"agree"}},
	} {
		for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"} {
			r, err := http.NewRequest(http.MethodPost, mainOrigin+path, strings.NewReader(form.Encode()))
			must(t, err)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set(header, value)
			if got := b.send(r); got.status != http.StatusForbidden || got.header.Get("Location") != "" {
				t.Errorf("%s by %s: %d to %q", path, header, got.status, got.header.Get("Location"))
			}
		}
	}
	if n := len(o.open(t)); n != 1 {
		t.Errorf("%d sessions are left", n)
	}
}

// foreignLeave asks for the way out by a form of another site.
func (b *browser) foreignLeave() answer {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodPost, mainOrigin+sso.PathEndSession, strings.NewReader("client_id=app"))
	must(b.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	return b.send(r)
}

func mustQuery(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	return u.RawQuery
}

// An address has no more than what is left to it, be it asked for at once; what
// proves itself gives it back, and people's pages are another matter.
func TestAnAddressAsksAtOnce(t *testing.T) {
	o := &signOn{h: quietHouse(t)}
	o.h.publish()
	p := o.plan(t)
	provider := p.options
	p.options = func(w *web.Options) {
		provider(w)
		w.Limits.RequestsPerMinute = 10
	}
	o.h.wire(p)
	o.h.mainAddr = o.h.listen(o.h.web.Main(), false)
	a := o.app() // one of the ten
	for o.h.browser().get("/").status == http.StatusOK {
	}
	ask := func(secret string) *http.Request {
		r, err := http.NewRequest(http.MethodPost, mainOrigin+sso.PathIntrospect, strings.NewReader("token=x"))
		must(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("app", secret)
		return r
	}
	together := func(n int, secret string) (statuses map[int]int) {
		statuses = map[int]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for range n {
			b, r := o.h.browser(), ask(secret)
			all.Go(func() {
				got := b.send(r)
				mu.Lock()
				defer mu.Unlock()
				statuses[got.status]++
			})
		}
		all.Wait()
		return statuses
	}
	for range 5 {
		if got := together(5, a.config.ClientSecret); got[http.StatusOK] != 5 {
			t.Errorf("who proves itself: %v", got)
		}
	}
	// One more every six seconds, if this machine is slow.
	if got := together(40, "wrong"); got[http.StatusUnauthorized] < 9 || got[http.StatusUnauthorized] > 14 || got[http.StatusUnauthorized]+got[http.StatusTooManyRequests] != 40 {
		t.Errorf("who does not: %v", got)
	}
}

// No number is told under which the audit has nothing.
func TestWhatIsNotRecordedBearsNoNumber(t *testing.T) {
	o := &signOn{h: quietHouse(t)}
	o.h.publish()
	p := o.plan(t)
	provider := p.options
	p.options = func(w *web.Options) {
		provider(w)
		w.Limits.RequestsPerMinute = 40
	}
	o.h.wire(p)
	o.h.mainAddr = o.h.listen(o.h.web.Main(), false)
	o.app()
	send := func(method, body string) answer {
		r, err := http.NewRequest(method, mainOrigin+sso.PathToken, strings.NewReader(body))
		must(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return o.h.browser().send(r)
	}
	number := func(a answer) string { return a.header.Get("X-Event-Id") }
	if got := send(http.MethodGet, ""); got.status != http.StatusMethodNotAllowed || number(got) != "" {
		t.Errorf("another method: %d %q", got.status, number(got))
	}
	garbled := send(http.MethodPost, "client_id=app")
	if e := o.h.last(sso.EventToken); garbled.status != http.StatusBadRequest || e.Reason != "malformed" || number(garbled) != e.ID {
		t.Errorf("a form that cannot be read: %d %q, the audit has %s %s", garbled.status, number(garbled), e.ID, e.Reason)
	}
	for n := 1; n <= 33; n++ {
		got := send(http.MethodPost, "grant_type=authorization_code&code=x&redirect_uri=x&client_id=nobody")
		if got.status != http.StatusUnauthorized || (number(got) != "") != (n <= 30) {
			t.Errorf("refusal %d: %d %q", n, got.status, number(got))
		}
	}
	var over answer
	for over.status != http.StatusTooManyRequests {
		over = send(http.MethodPost, "grant_type=authorization_code&code=x&redirect_uri=x&client_id=nobody")
	}
	if number(over) != "" {
		t.Errorf("too many: %q", number(over))
	}
}
