package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cpsgate/internal/chromium"
	"cpsgate/internal/proxies"
	"cpsgate/internal/redislab"
	"cpsgate/internal/testpki"
)

// aclUser is the Redis user that the operator is told to make.
var aclUser = regexp.MustCompile("`user cpsgate on >… ([^`]*)`")

const redisPassword = "un mot de passe d'essai"

// redis runs a redis-server over TLS for the documented user alone, and gives the
// configuration that leads there.
func (h *hospital) redis() (*redislab.Server, map[string]any) {
	h.t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		h.t.Fatal(err)
	}
	user := aclUser.FindSubmatch(page)
	if user == nil {
		h.t.Fatal("docs/operations.md names no user of Redis")
	}
	pair, err := h.pki.ServerCertificate("localhost")
	if err != nil {
		h.t.Fatal(err)
	}
	certificate, key := proxies.WritePair(h.t, h.t.TempDir(), "redis", pair)
	h.write(h.path("redis.password"), []byte(redisPassword+"\n"))
	server := redislab.Start(h.t, "port 0", "tls-port {port}", "tls-auth-clients no", "tls-cert-file "+certificate, "tls-key-file "+key,
		"user default off", `user cpsgate on ">`+redisPassword+`" `+string(user[1]))
	_, port, _ := strings.Cut(server.Address(), ":")
	return server, map[string]any{
		"url": "rediss://localhost:" + port + "/0", "user": "cpsgate", "password_file": h.path("redis.password"), "ca": h.path("root.pem"),
	}
}

// twoNodes starts two servers on one database and one Redis, behind one pair of
// origins: the one has the pages, the other takes cards and answers proxies. Each
// sign-in is then of both.
func (h *hospital) twoNodes(change func(map[string]any)) {
	h.t.Helper()
	first := *h
	first.node, first.admin, h.node = "first", "127.0.0.1:"+freePort(h.t), "second"
	h.asked = "127.0.0.1:" + freePort(h.t)
	listen := func(c map[string]any, listener, address string) { c[listener].(map[string]any)["listen"] = address }
	first.configure(func(c map[string]any) {
		change(c)
		listen(c, "main", h.asked)
	})
	h.configure(func(c map[string]any) {
		change(c)
		listen(c, "card", "127.0.0.1:"+freePort(h.t))
	})
	first.start() // makes the database
	h.t.Cleanup(first.stop)
	h.start()
	h.t.Cleanup(h.stop)
}

// TestTwoNodesOnRedis: what one node opens is open on the other, and what ends
// is over on both, for applications of either kind; while Redis is away nobody
// gets in and pages say so; when it is back, all goes on without a restart.
func TestTwoNodesOnRedis(t *testing.T) {
	chromium.Need(t)
	proxies.NeedNginx(t)
	proxies.NeedApache(t)
	h := newHospital(t)
	server, redis := h.redis()
	dossier, stock := "https://dossier.localhost:"+freePort(t), "https://stock.localhost:"+freePort(t)
	h.twoNodes(func(c map[string]any) {
		c["forward_auth"] = map[string]any{"proxies": []string{"127.0.0.1"}, "applications": []map[string]any{{"origin": dossier}}}
		c["sso"] = map[string]any{"back_channel_ca": h.path("root.pem")}
		c["sessions"] = map[string]any{"redis": redis}
	})
	h.behindNginx(dossier)
	h.behindApache(stock)
	card, err := h.pki.Card(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 60})
	if err != nil {
		t.Fatal(err)
	}
	tab := h.browserOf(card)
	tab.FIDO2Card()

	asksToSignIn(t, h, tab, dossier)
	tab.Click(`a[data-door="card"]`)
	knows(t, tab, dossier+"/patients", "Camille EXEMPLE", "cps")
	tab.Go(h.main + "/account")
	tab.Type("#new-name", "Ma carte CPS4")
	tab.Click(`[data-passkey="add"] [data-start]`)
	tab.WaitFor(".state.pending")
	h.entersStock(tab, stock)
	opens(t, tab, dossier+"/patients/1", "Camille EXEMPLE", "fido2")
	h.signsOut(tab)
	asksToSignIn(t, h, tab, dossier)
	h.outOfStock(tab, stock)

	h.entersStock(tab, stock)
	opens(t, tab, dossier+"/patients/2", "Camille EXEMPLE", "fido2")
	h.cpsgate("card", "revoke", "--data", h.path("data"), "--reason", "perdue", card.TokenID)
	tab.Until("the open page's calls are refused", `fetch("/patients/2").then(answer => answer.status === 401)`)
	asksToSignIn(t, h, tab, dossier)
	h.outOfStock(tab, stock)

	h.withoutRedis(server, dossier, stock)
	h.eachServed()
	h.cpsgate("audit", "verify", "--data", h.path("data"))
}

// withoutRedis takes Redis away under somebody who is signed in, and gives it
// back, empty.
func (h *hospital) withoutRedis(server *redislab.Server, dossier, stock string) {
	h.t.Helper()
	card, err := h.pki.Card(testpki.CardSpec{FamilyName: "MODELE", GivenName: "Dominique", Profession: 10})
	if err != nil {
		h.t.Fatal(err)
	}
	tab := h.browserOf(card)
	asksToSignIn(h.t, h, tab, dossier)
	tab.Click(`a[data-door="card"]`)
	knows(h.t, tab, dossier+"/patients", "Dominique MODELE", "cps")

	server.Kill()
	tab.Until("the application is closed, and says when to try again", `fetch("/patients").then(answer => answer.status === 503 && answer.headers.get("Retry-After") === "5")`)
	chromium.Eval[string](tab, `setTimeout(() => { location.reload() }); ""`) // a page that goes on by itself is never quite loaded
	tab.Until("the application's page says so", `location.origin === "`+dossier+`" && document.body.innerText.includes("Nous ne pouvons pas vérifier votre session pour le moment")`)
	for _, address := range []string{h.main + "/account", h.main + "/login/card", stock + "/articles"} {
		tab.Go(address)
		tab.Until(address+" says so", `location.origin === "`+h.main+`" && document.body.innerText.includes("Nous ne pouvons pas vérifier votre session pour le moment")`)
	}
	tab.Go(h.main + "/account")
	tab.Until("503 and when to try again", `fetch("/account").then(answer => answer.status === 503 && answer.headers.get("Retry-After") === "5")`)
	if err := server.Restart(); err != nil {
		h.t.Fatal(err)
	}
	tab.Until("the page goes on by itself", `document.body.innerText.includes("Vous avez été déconnecté")`)
	h.heals(tab, dossier)
}

// heals wants a sign-in by certificate to lead into the application.
func (h *hospital) heals(tab *chromium.Tab, dossier string) {
	h.t.Helper()
	began := time.Now()
	asksToSignIn(h.t, h, tab, dossier)
	tab.Click(`a[data-door="card"]`)
	knows(h.t, tab, dossier+"/patients", "Dominique MODELE", "cps")
	h.t.Logf("in again %s after Redis came back", time.Since(began).Round(time.Millisecond))
}

// eachServed wants both nodes to have had their part.
func (h *hospital) eachServed() {
	h.t.Helper()
	for node, routes := range map[string][]string{"first": {"/cps"}, "second": {"/oauth/authorize", "/oauth/token", "/login/cps", "/login/passkey/finish"}} {
		text, err := os.ReadFile(filepath.Join(h.folder, node+".log"))
		if err != nil {
			h.t.Fatal(err)
		}
		for _, route := range routes {
			if !strings.Contains(string(text), `"route":"`+route+`"`) {
				err = errors.Join(err, errors.New(route))
			}
		}
		if strings.Contains(string(text), "registered route") {
			err = errors.Join(err, errors.New("a library's line"))
		}
		if err != nil {
			h.t.Errorf("the %s node's log: without, or with: %v", node, err)
		}
	}
}
