package web_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/mtls"
	"cpsgate/rp"
	"cpsgate/web"
)

func tongue(t *testing.T, tag string) web.Tongue {
	t.Helper()
	all, err := web.NewTongue(tag, paris())
	must(t, err)
	return all
}

// source is the text of every template and Go file of the package, in which a
// key must stand to be of use.
func source(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	must(t, fs.WalkDir(web.Templates, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(web.Templates, path)
		b.Write(text)
		return err
	}))
	files, err := filepath.Glob("*.go")
	must(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		must(t, err)
		b.Write(text)
	}
	return b.String()
}

// TestEveryWordIsUsed: no text that no page shows, and no page that asks for a
// text that is not there. (That both languages hold the same is checked by New.)
func TestEveryWordIsUsed(t *testing.T) {
	words, text := tongue(t, "fr").Words(), source(t)
	used := map[string]bool{}
	for _, key := range regexp.MustCompile(`"([a-z0-9]+(?:[.-][a-z0-9]+)+)"`).FindAllStringSubmatch(text, -1) {
		used[key[1]] = true
	}
	for _, name := range web.AnswerKeys() {
		used["refusal."+name] = true
	}
	for _, fault := range enroll.Faults() {
		used["fault."+string(fault)] = true
	}
	for key := range words {
		base := key
		if strings.HasPrefix(key, "refusal.") {
			base = regexp.MustCompile(`\.(title|why|do\.[0-9])$`).ReplaceAllString(key, "")
		}
		state := strings.HasPrefix(key, "account.state.") || strings.HasPrefix(key, "account.done.")
		if !used[key] && !used[base] && !state {
			t.Errorf("%s is used nowhere", key)
		}
	}
	for _, asked := range regexp.MustCompile(`\bt "([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if _, found := words[asked[1]]; !found {
			t.Errorf("a template asks for %s", asked[1])
		}
	}
	for _, state := range []string{"active", "suspended", "revoked", "pending"} {
		if words["account.state."+state] == "" {
			t.Errorf("no word for the state %s", state)
		}
	}
}

// TestEveryReasonHasWords: whatever the packages below may refuse for.
func TestEveryReasonHasWords(t *testing.T) {
	keys := web.AnswerKeys()
	for _, reason := range mtls.Reasons() {
		if keys["mtls "+string(reason)] == "" {
			t.Errorf("mtls %s is told by no page", reason)
		}
	}
	for _, file := range []struct{ path, prefix string }{{"../rp/refusal.go", "rp "}, {"../enroll/refusal.go", "enroll "}} {
		text, err := os.ReadFile(file.path)
		must(t, err)
		reasons := regexp.MustCompile(`Reason\w+\s+(?:Reason )?\s*= "([^"]+)"`).FindAllStringSubmatch(string(text), -1)
		if len(reasons) < 5 {
			t.Fatalf("%s: only %d reasons were found", file.path, len(reasons))
		}
		for _, reason := range reasons {
			if keys[file.prefix+reason[1]] == "" {
				t.Errorf("%s%s is told by no page", file.prefix, reason[1])
			}
		}
	}
	if keys["rp "+string(rp.ReasonSignCount)] == "" || keys["enroll "+string(enroll.ReasonCardSuspended)] == "" {
		t.Error("the packages' constants and their files differ")
	}
}

// TestEveryReasonIsTold: each error becomes a page without a hole, in both
// languages, and both tell as many steps.
func TestEveryReasonIsTold(t *testing.T) {
	h := quietHouse(t)
	h.wire(plan{})
	errs := web.OwnErrors()
	for key := range web.AnswerKeys() {
		from, reason, _ := strings.Cut(key, " ")
		switch from {
		case "mtls":
			errs = append(errs, &mtls.Refusal{Reason: mtls.Reason(reason), NotBefore: time.Now(), NotAfter: time.Now()})
		case "rp":
			errs = append(errs, fmt.Errorf("deep inside: %w", &rp.Refusal{Reason: rp.Reason(reason)}))
		case "enroll":
			errs = append(errs, &enroll.Refusal{Reason: enroll.Reason(reason)})
		}
	}
	errs = append(errs, errors.New("a fault"), &mtls.Refusal{Reason: "never heard of"})
	for _, err := range errs {
		fr, whyFR, doFR, failFR := h.web.Tell(err, "fr")
		en, whyEN, doEN, failEN := h.web.Tell(err, "en")
		if failFR != nil || failEN != nil || fr == en || whyFR == whyEN || len(doFR) == 0 || len(doFR) != len(doEN) {
			t.Errorf("%v: %q %q %q %v; %q %q %q %v", err, fr, whyFR, doFR, failFR, en, whyEN, doEN, failEN)
		}
	}
}

// TestEveryRefusalSaysWhatToDo: pages.md: a title, a reason, something to do;
// sentences that end; nobody is blamed and no word is a computer's.
func TestEveryRefusalSaysWhatToDo(t *testing.T) {
	for _, tag := range []string{"fr", "en"} {
		words := tongue(t, tag).Words()
		for reason, name := range web.AnswerKeys() {
			title, why, do := words["refusal."+name+".title"], words["refusal."+name+".why"], words["refusal."+name+".do.1"]
			if title == "" || strings.HasSuffix(title, ".") || !strings.HasSuffix(why, ".") || !strings.HasSuffix(do, ".") {
				t.Errorf("%s %s: title %q, why %q, do %q", tag, reason, title, why, do)
			}
		}
		for key, text := range words {
			if found := regexp.MustCompile(`(?i)\b(TLS|token|HTTP|erreur|error|invalide|invalid|échec|failed|X\.509|WebAuthn|FIDO|passkey)\b`).FindString(text); found != "" {
				t.Errorf("%s %s says %q: %q", tag, key, found, text)
			}
		}
	}
}

// TestTypography: French spaces do not break before : ; ? ! nor inside « »,
// and apostrophes are curved in both languages.
func TestTypography(t *testing.T) {
	for key, text := range tongue(t, "fr").Words() {
		if found := regexp.MustCompile(` [:;?!»]|« |[\p{L}0-9)][;?!]|'|\p{L}:`).FindString(text); found != "" {
			t.Errorf("%s: %q in %q", key, found, text)
		}
	}
	for key, text := range tongue(t, "en").Words() {
		if strings.ContainsAny(text, `'"«»`) {
			t.Errorf("%s: %q", key, text)
		}
	}
	for given, want := range map[string]string{
		"l'heure : « oui » ? non ; si !": "l’heure\u00a0: «\u00a0oui\u00a0»\u202f? non\u202f; si\u202f!",
		"carte n° 7":                     "carte n°\u00a07",
	} {
		if got := web.FrenchTypography(given); got != want {
			t.Errorf("%q becomes %q", given, got)
		}
	}
}

func TestReadWords(t *testing.T) {
	as := func(s string) string { return s }
	if words, err := web.ReadWords("# a comment\n\na.b = text {x}\n", as); err != nil || words["a.b"] != "text {x}" {
		t.Errorf("%v %v", words, err)
	}
	for name, text := range map[string]string{
		"no equals sign": "a.b text", "no text": "a.b = ", "a key twice": "a = x\na = y", "a key of other letters": "A b = x",
	} {
		if _, err := web.ReadWords(text, as); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	one, _ := web.ReadWords("a = x {n}\nb = y", as)
	for name, text := range map[string]string{"a key less": "a = x {n}", "a key more": "a = x {n}\nb = y\nc = z", "another value": "a = x {m}\nb = y"} {
		two, _ := web.ReadWords(text, as)
		if web.SameShape(one, two) == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestSay(t *testing.T) {
	fr := tongue(t, "fr")
	if text, err := fr.Say("account.card.number", "type", "CPS", "number", "12"); err != nil || text != "Carte CPS n°\u00a012" {
		t.Errorf("%q %v", text, err)
	}
	for name, args := range map[string][]any{"a value too few": {"type", "CPS"}, "another value": {"type", "x", "date", "y"}, "too many": {"type", "x", "number", "y", "z", "z"}} {
		if text, err := fr.Say("account.card.number", args...); err == nil {
			t.Errorf("%s gives %q", name, text)
		}
	}
	if _, err := fr.Say("no.such.key"); err == nil {
		t.Error("an unknown key is said")
	}
	if _, err := fr.Fill("refusal.expired.title", nil); err == nil {
		t.Error("a text with a hole is said")
	}
}

func TestFormats(t *testing.T) {
	fr, en := tongue(t, "fr"), tongue(t, "en")
	winter := time.Date(2027, 1, 31, 23, 30, 0, 0, time.UTC) // already February in Paris
	for _, c := range []struct{ got, want string }{
		{fr.Date(winter), "01/02/2027"},
		{fr.Moment(winter), "01/02/2027 00:30"},
		{en.Date(winter), "2027-02-01"},
		{en.Moment(winter.AddDate(0, 6, 0)), "2027-08-01 01:30"},
		{fr.Duration(time.Second), "1\u00a0minute"},
		{fr.Duration(90 * time.Second), "2\u00a0minutes"},
		{fr.Duration(time.Hour), "1\u00a0heure"},
		{fr.Duration(10 * time.Hour), "10\u00a0heures"},
		{en.Duration(95 * time.Minute), "1 h 35 min"},
		{en.Duration(-time.Hour), "1 minute"},
		{web.CardNumber("8025000001/2600000001"), "26\u00a00000\u00a00001"},
		{web.CardNumber("8025000001/12345678"), "1234\u00a05678"},
		{web.CardNumber("8025000001/1234"), "8025000001/1234"},
		{web.CardNumber("elsewhere"), "elsewhere"},
		{web.Person(identity.Professional{IdNat: "899900000011", FamilyName: "d’Exemple", GivenName: "Zoé", Profession: 50}), "D’EXEMPLE Zoé — Sage-femme — 899900000011"},
		{web.Person(identity.Professional{IdNat: "30B0057881/X", FamilyName: "EXEMPLE", Title: "Agent"}), "EXEMPLE — Agent — 30B0057881/X"},
		{web.Person(identity.Professional{IdNat: "899900000011", GivenName: "Zoé"}), "Zoé — 899900000011"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
