//go:build linux && cgo

package main

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"cpsgate/cardside"
	"cpsgate/internal/cardlab"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
)

// diagnosed is one of the doctor's lines.
func diagnosed(t *testing.T, name cardside.CheckName, args ...string) checkReport {
	t.Helper()
	var report doctorReport
	command(t, "", with(args, "doctor", "--json")...).json(&report)
	i := slices.IndexFunc(report.Checks, func(c checkReport) bool { return c.Check == name })
	if i < 0 {
		t.Fatalf("no line %q: %+v", name, report)
	}
	return report.Checks[i]
}

// is wants a line's state, and its reason where it is not well.
func (c checkReport) is(t *testing.T, state cardside.CheckState, reason cardside.Reason) {
	t.Helper()
	found := cardside.Reason("")
	if c.Explanation != nil {
		found = c.Explanation.Reason
		if c.Explanation.Title == "" || c.Explanation.Why == "" || len(c.Explanation.Do) == 0 {
			t.Errorf("%s says too little: %+v", c.Check, c.Explanation)
		}
	}
	if c.State != state || found != reason {
		t.Errorf("%s: %s, %q (%s); want %s, %q", c.Check, c.State, found, c.Found, state, reason)
	}
}

func TestDoctorOfTheServer(t *testing.T) {
	pki, err := testpki.New(testpki.Options{Test: true})
	if err != nil {
		t.Fatal(err)
	}
	clock := func(ahead time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		}
	}
	for _, test := range []struct {
		name          string
		handler       http.HandlerFunc
		line          cardside.CheckName
		state         cardside.CheckState
		reason        cardside.Reason
		plain, noHost bool
	}{
		{name: "it answers", handler: clock(0), line: cardside.CheckServer, state: cardside.CheckOK},
		{name: "its clock is ours", handler: clock(0), line: cardside.CheckClock, state: cardside.CheckOK},
		{name: "twenty seconds are borne", handler: clock(20 * time.Second), line: cardside.CheckClock, state: cardside.CheckOK},
		{name: "we are late", handler: clock(time.Minute), line: cardside.CheckClock, state: cardside.CheckFailed, reason: cardside.ReasonClock},
		{name: "we are early", handler: clock(-time.Hour), line: cardside.CheckClock, state: cardside.CheckFailed, reason: cardside.ReasonClock},
		{name: "it tells no time", handler: func(w http.ResponseWriter, _ *http.Request) { w.Header()["Date"] = nil },
			line: cardside.CheckServer, state: cardside.CheckFailed, reason: cardside.ReasonServer},
		{name: "it fails", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
			line: cardside.CheckServer, state: cardside.CheckFailed, reason: cardside.ReasonServer},
		{name: "it fails, and its clock is not asked", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
			line: cardside.CheckClock, state: cardside.CheckSkipped},
		{name: "it is not https", handler: clock(0), plain: true, line: cardside.CheckServer, state: cardside.CheckFailed, reason: cardside.ReasonServer},
		{name: "none is named", handler: clock(0), noHost: true, line: cardside.CheckServer, state: cardside.CheckSkipped},
	} {
		t.Run(test.name, func(t *testing.T) {
			address, authority := httpsServer(t, pki, test.handler)
			if test.plain {
				address = "http" + address[len("https"):]
			}
			if test.noHost {
				address = ""
			}
			diagnosed(t, test.line, "--server", address, "--server-ca", authority).is(t, test.state, test.reason)
		})
	}
}

func TestDoctorOfThePIN(t *testing.T) {
	cards, lines := map[string]virtualcard.Options{}, map[string]struct {
		state  cardside.CheckState
		reason cardside.Reason
	}{
		"blank":      {cardside.CheckOK, ""},
		"four tries": {cardside.CheckOK, ""},
		"three":      {cardside.CheckWarning, cardside.ReasonFewTries},
		"the last":   {cardside.CheckFailed, cardside.ReasonLastTry},
	}
	for name, left := range map[string]int{"blank": 0, "four tries": 4, "three": 3, "the last": 1} {
		o := virtualcard.Options{PINTriesLeft: left}
		if left > 0 {
			o.PIN = "271828"
		}
		protocols(t)[0].set(&o)
		cards[name] = o
	}
	for name, reader := range fill(t, cards) {
		t.Run(name, func(t *testing.T) {
			diagnosed(t, cardside.CheckPIN, "--reader", reader.Name).is(t, lines[name].state, lines[name].reason)
		})
	}
}

func TestDoctorOfTheCertificate(t *testing.T) {
	for _, test := range []struct {
		name   string
		spec   testpki.CardSpec
		state  cardside.CheckState
		reason cardside.Reason
	}{
		{"valid", testpki.CardSpec{}, cardside.CheckOK, ""},
		{"expired", testpki.CardSpec{NotBefore: time.Now().AddDate(-3, 0, 0), NotAfter: time.Now().AddDate(0, 0, -1)}, cardside.CheckFailed, cardside.ReasonExpired},
		{"of another profile", testpki.CardSpec{AlterAuth: func(t *testpki.Template) { t.Remove(testpki.ExtensionTokenID) }},
			cardside.CheckFailed, cardside.ReasonNoCertificate},
	} {
		t.Run(test.name, func(t *testing.T) {
			pki, err := testpki.New(testpki.Options{Test: true})
			if err != nil {
				t.Fatal(err)
			}
			card, err := pki.Card(test.spec)
			if err != nil {
				t.Fatal(err)
			}
			token := cardlab.NewToken(t, card, cardlab.TokenOptions{})
			diagnosed(t, cardside.CheckModule, "--module", token.Module).is(t, test.state, test.reason)
		})
	}
}

func TestDoctorOfAHealthyWorkstation(t *testing.T) {
	pki, err := testpki.New(testpki.Options{Test: true})
	if err != nil {
		t.Fatal(err)
	}
	holder, err := pki.Card(testpki.CardSpec{WithoutSignature: true})
	if err != nil {
		t.Fatal(err)
	}
	token := cardlab.NewToken(t, holder, cardlab.TokenOptions{})
	options := virtualcard.Options{PIN: "271828"}
	protocols(t)[0].set(&options)
	reader := fill(t, map[string]virtualcard.Options{"card": options})["card"]
	server, ca := httpsServer(t, pki, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })

	var report doctorReport
	command(t, "", "doctor", "--module", token.Module, "--server", server, "--server-ca", ca, "--json").ends(cardside.ExitDone).json(&report)
	for _, check := range report.Checks {
		if check.State != cardside.CheckOK {
			t.Errorf("%+v", check)
		}
	}
	if !report.Healthy || len(report.Checks) != len(cardside.CheckNames()) {
		t.Errorf("%d checks, healthy: %v", len(report.Checks), report.Healthy)
	}
	var readers cardside.ReadersReport
	command(t, "", "readers", "--module", token.Module, "--json").ends(cardside.ExitDone).json(&readers)
	i := slices.IndexFunc(readers.Readers, func(r cardside.ReaderReport) bool { return r.Reader == reader.Name })
	if i < 0 || readers.Readers[i].TokenID != holder.TokenID {
		t.Errorf("token id: %+v", readers)
	}
	command(t, "", "doctor", "--module", token.Module, "--server", server).ends(cardside.ExitFindings).says("ne fait pas confiance au serveur")
	command(t, "", "doctor", "--module", token.Module, "--server", "https://127.0.0.1:1").ends(cardside.ExitFindings).says("Le serveur ne répond pas")
	command(t, "", "doctor", "--module", "/no/such/module.so").ends(cardside.ExitFindings).says("La Cryptolib CPS manque")
}
