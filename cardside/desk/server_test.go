package desk_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cpsgate/cardside"
	"cpsgate/cardside/desk"
)

const (
	goodClaim = `{"sitting":"s","ticket":"k3","cardURL":"https://x.cps.example/enroll/card","holder":"","policy":{"minPinLength":6,"setMinPinLength":false,` +
		`"forcePinChange":false,"credProtect":0,"enterpriseAttestation":false,"reset":"no","sameCard":"required"},"origin":"https://sso.example","expires":"2027-03-01T09:15:00Z"}`
	refusal = `{"reason":"ticket-expired","title":"Ce ticket a expiré","detail":"d","why":"d","do":["Ouvrez-en un autre."],"event":"7K3M-9QXD"}`
)

func TestServerAddresses(t *testing.T) {
	for _, tt := range []struct{ address, origin string }{
		{"https://sso.example", "https://sso.example"},
		{"https://sso.example:8443/", "https://sso.example:8443"},
		{"http://sso.example", ""},
		{"sso.example", ""},
		{"https://", ""},
		{"https://me:secret@sso.example", ""},
		{"https://sso.example/desk", ""},
		{"https://sso.example?x", ""},
		{"https://sso.example#x", ""},
	} {
		t.Run(tt.address, func(t *testing.T) {
			c, err := desk.NewCaller(tt.address, desk.Options{})
			if tt.origin == "" {
				if !errors.Is(err, cardside.ErrServer) {
					t.Error("taken")
				}
				return
			}
			if err != nil || c.Origin() != tt.origin {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestAnswers is how each kind of answer is judged.
func TestAnswers(t *testing.T) {
	const kind = "application/json; charset=UTF-8"
	for _, tt := range []struct {
		name, kind, body string
		status           int
		want             error
	}{
		{"what was asked for", kind, goodClaim, 200, nil},
		{"a member of a later server's", kind, strings.Replace(goodClaim, `"origin"`, `"more":{"x":1},"origin"`, 1), 200, nil},
		{"a rule of a later server's", kind, strings.Replace(goodClaim, `"credProtect"`, `"alwaysUv":true,"credProtect"`, 1), 200, cardside.ErrServerAnswer},
		{"bytes after it", kind, goodClaim + "{}", 200, cardside.ErrServerAnswer},
		{"no object", kind, `["s"]`, 200, cardside.ErrServerAnswer},
		{"a page", "text/html", "<h1>Bienvenue</h1>", 200, cardside.ErrServerAnswer},
		{"too much", kind, strings.Repeat(" ", 256<<10+1), 200, cardside.ErrServerAnswer},
		{"nothing, where something is due", "", "", 204, cardside.ErrServerAnswer},
		{"a redirection", "text/html", "", 303, cardside.ErrServerAnswer},
		{"a refusal", kind, refusal, 410, cardside.ErrServerRefused},
		{"a refusal that says more", kind, strings.Replace(refusal, `"event"`, `"more":1,"event"`, 1), 410, cardside.ErrServerRefused},
		{"a refusal by an error of the server's", kind, refusal, 500, cardside.ErrServerRefused},
		{"not now", kind, strings.Replace(refusal, "ticket-expired", "unavailable", 1), 503, cardside.ErrServer},
		{"not so often", kind, strings.Replace(refusal, "ticket-expired", "too-many-attempts", 1), 429, cardside.ErrServer},
		{"a proxy without its server", "text/html", "<h1>502</h1>", 502, cardside.ErrServer},
		{"a page that refuses", "text/html", "<h1>403</h1>", 403, cardside.ErrServerAnswer},
		{"a refusal without a reason", kind, `{"title":"x"}`, 403, cardside.ErrServerAnswer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := desk.Read(tt.status, tt.kind, []byte(tt.body))
			if tt.want == nil && err != nil || !errors.Is(err, tt.want) {
				t.Errorf("%v; want %v", err, tt.want)
			}
		})
	}
}

func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{goodClaim, refusal, "{}", "", `{"reason":`, `null`} {
		f.Add(200, []byte(seed))
		f.Add(403, []byte(seed))
		f.Add(503, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		err := desk.Read(status, "application/json", body)
		if err == nil && (status != http.StatusOK || !json.Valid(body)) {
			t.Errorf("%d %q is taken", status, body)
		}
	})
}

// Every message is an object whole; what is none is no message.
func FuzzMessages(f *testing.F) {
	for _, seed := range []string{
		goodClaim, refusal, "{}", "null", "[]", `{"sitting":1}`, goodClaim + "{}",
		`{"holder":"h","passkey":{"id":"AA","name":"n","state":"pending"},"ceremony":"get","options":{}}`,
		`{"passkey":{"id":"AA","name":"n","state":"active"},"ticket":"k3"}`,
		`{"phase":"claimed","holder":"","policy":{"reset":"no","sameCard":"required"},"expires":"2027-03-01T09:15:00Z"}`,
		`{"ceremony":"c","publicKey":{}}`, `{"next":"/"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		if taken := desk.ReadMessages(answer); taken > 0 && !json.Valid(answer) {
			t.Errorf("%q is taken for %d messages", answer, taken)
		}
	})
}

func TestPolicies(t *testing.T) {
	const good = `{"minPinLength":6,"setMinPinLength":true,"forcePinChange":false,"credProtect":3,"enterpriseAttestation":false,"reset":"no","sameCard":"required"}`
	for _, tt := range []struct {
		name, old, new string
		good           bool
	}{
		{"what is agreed", "", "", true},
		{"no least length", `"minPinLength":6`, `"minPinLength":0`, true},
		{"a PIN of all its bytes", `"minPinLength":6`, `"minPinLength":63`, true},
		{"the desk allows a reset", `"no"`, `"allowed"`, true},
		{"the desk vouches", `"required"`, `"preferred"`, true},
		{"a PIN that no applet takes", `"minPinLength":6`, `"minPinLength":64`, false},
		{"less than nothing", `"minPinLength":6`, `"minPinLength":-1`, false},
		{"a protection of no name", `"credProtect":3`, `"credProtect":4`, false},
		{"a protection below none", `"credProtect":3`, `"credProtect":-1`, false},
		{"another word for a reset", `"no"`, `"yes"`, false},
		{"no word for a reset", `"no"`, `""`, false},
		{"another word for the card", `"required"`, `"optional"`, false},
		{"a rule that is not known", `"credProtect":3`, `"credProtect":3,"alwaysUv":true`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := desk.ReadPolicy([]byte(strings.Replace(good, tt.old, tt.new, 1)))
			if (err == nil) != tt.good {
				t.Errorf("%v", err)
			}
		})
	}
}

// far is the far end of the wire: a server that says what a test wants.
func far(t *testing.T, answer http.HandlerFunc) (*httptest.Server, desk.Options) {
	t.Helper()
	s := httptest.NewTLSServer(answer)
	t.Cleanup(s.Close)
	trust := x509.NewCertPool()
	trust.AddCert(s.Certificate())
	return s, desk.Options{Trust: trust, Language: cardside.French, Patience: time.Minute}
}

func TestRequestsAreAsAgreed(t *testing.T) {
	var seen *http.Request
	var body string
	s, o := far(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		seen, body = r, string(text)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, goodClaim)
	})
	c, err := desk.NewCaller(s.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	if ticket, resent, err := c.Claim(t.Context()); err != nil || resent || ticket != "k3" || c.Requests() != 1 {
		t.Fatalf("%q, %v", ticket, err)
	}
	if seen.Method != http.MethodPost || seen.URL.Path != "/enroll/claim" || seen.Header.Get("Content-Type") != "application/json" ||
		seen.Header.Get("Accept-Language") != "fr" || seen.Header.Get("Cookie") != "" || seen.Header.Get("Origin") != "" {
		t.Errorf("%s %s %v", seen.Method, seen.URL, seen.Header)
	}
	if !strings.Contains(body, `"code":"7K3M-9QXD"`) {
		t.Error(body)
	}
}

func TestRedirectionsAreNotFollowed(t *testing.T) {
	asked := 0
	s, o := far(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	c, err := desk.NewCaller(s.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Claim(t.Context()); !errors.Is(err, cardside.ErrServerAnswer) || asked != 1 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

func TestAServerOfAnotherAuthority(t *testing.T) {
	asked := 0
	s, o := far(t, func(http.ResponseWriter, *http.Request) { asked++ })
	o.Trust = x509.NewCertPool()
	c, err := desk.NewCaller(s.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Claim(t.Context()); !errors.Is(err, cardside.ErrServerTrust) || asked != 0 || c.Requests() != 1 {
		t.Errorf("asked %d times, by %d requests: %v", asked, c.Requests(), err)
	}
}

func TestLostMessagesAreSentAgain(t *testing.T) {
	asked := 0
	s, o := far(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 3 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, goodClaim)
	})
	var left []time.Duration
	o.Away = func(l time.Duration) { left = append(left, l) }
	c, err := desk.NewCaller(s.URL, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, resent, err := c.Claim(t.Context()); err != nil || !resent || asked != 3 || len(left) != 2 {
		t.Errorf("asked %d times, told %v: %v", asked, left, err)
	}
}

func TestOptions(t *testing.T) {
	const challenge = `"challenge":"AAAAAAAAAAAAAAAAAAAAAA"`
	const user = `"user":{"id":"AAAA","name":"n","displayName":"d"}`
	const rp = `"rp":{"id":"sso.example","name":"H"}`
	const parameters = `"pubKeyCredParams":[{"type":"public-key","alg":-7}]`
	create := func(members ...string) string { return "{" + strings.Join(members, ",") + "}" }
	for _, tt := range []struct {
		name, text string
		good       bool
	}{
		{"what is needed", create(challenge, user, rp, parameters), true},
		{"members that browsers ignore", create(challenge, user, rp, parameters, `"hints":["security-key"],"later":{}`), true},
		{"no challenge", create(user, rp, parameters), false},
		{"a short challenge", create(`"challenge":"AAAA"`, user, rp, parameters), false},
		{"a challenge of another alphabet", create(`"challenge":"AAAAAAAA+/AAAAAAAAAAAA"`, user, rp, parameters), false},
		{"nobody", create(challenge, rp, parameters), false},
		{"no site", create(challenge, user, parameters), false},
		{"no algorithm", create(challenge, user, rp), false},
		{"no JSON", "<", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := desk.ReadCreation(json.RawMessage(tt.text)); (err == nil) != tt.good || err != nil && !errors.Is(err, cardside.ErrServerAnswer) {
				t.Errorf("%v", err)
			}
		})
	}
	if err := desk.ReadRequest(json.RawMessage(create(challenge, `"rpId":"sso.example"`))); err != nil {
		t.Error(err)
	}
	if err := desk.ReadRequest(json.RawMessage(create(challenge))); err == nil {
		t.Error("a request for no site")
	}
}

func FuzzOptions(f *testing.F) {
	f.Add([]byte(`{"challenge":"AAAAAAAAAAAAAAAAAAAAAA","rpId":"sso.example","allowCredentials":[{"type":"public-key","id":"AAAA"}]}`))
	f.Add([]byte(`{"challenge":"AAAAAAAAAAAAAAAAAAAAAA","rp":{"id":"x"},"user":{"id":"AAAA"},"pubKeyCredParams":[{"type":"public-key","alg":-7}]}`))
	f.Add([]byte(`{"excludeCredentials":[null]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, err := range []error{desk.ReadCreation(text), desk.ReadRequest(text)} {
			if err != nil && !errors.Is(err, cardside.ErrServerAnswer) {
				t.Errorf("%v", err)
			}
		}
	})
}
