package web_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// rpps is the i-th number of the test range, with its key.
func rpps(i int) string {
	body := fmt.Sprintf("997%07d", i)
	for key := range 10 {
		if r := fmt.Sprint(body, key); identity.RPPS(r).Check() == nil {
			return r
		}
	}
	panic("no key")
}

// table is a file of n people.
func table(n int) string {
	var b strings.Builder
	b.WriteString("RPPS;Nom;Prénom;Code profession\n")
	for i := range n {
		fmt.Fprintf(&b, "%s;EXEMPLE-%d;Camille;60\n", rpps(10_000+i), i)
	}
	return b.String()
}

// uploads sends a file as the form does.
func (b *browser) uploads(kind, name, content string) answer {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", name)
	must(b.t, err)
	_, err = part.Write([]byte(content))
	must(b.t, err)
	must(b.t, form.Close())
	return b.multipart("/imports/new/"+kind, form.FormDataContentType(), body.String())
}

func (b *browser) multipart(path, contentType, body string) answer {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodPost, mainOrigin+path, strings.NewReader(body))
	must(b.t, err)
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Origin", mainOrigin)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.send(r)
}

// settled is the page of an import once it is not worked on.
func (b *browser) settled(a answer) answer {
	b.t.Helper()
	at := b.follow(a)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); at = b.get(at.url.Path) {
		if !strings.Contains(at.body, `id="progress"`) {
			return at
		}
	}
	b.t.Fatalf("still going on: %s", at.body)
	return at
}

// TestImportOfPeople: checked, agreed to, then done; or told why not.
func TestImportOfPeople(t *testing.T) {
	h := newHouse(t)
	admin, who := h.staff(identity.RoleAdmin)

	t.Run("checked first: nothing changes", func(t *testing.T) {
		admin.t, h.t = t, t
		page := admin.settled(admin.uploads("people", "personnes.csv", table(3)))
		page.says(t, http.StatusOK, "Personnes – personnes.csv", "Le fichier est bon.", "Personnes ajoutées", "Importer ces 3 lignes", "EXEMPLE-GUICHET")
		if _, err := h.registry.Professional(t.Context(), identity.PSIdNat("8"+rpps(10_000))); err == nil {
			t.Error("somebody was added by a check")
		}
		done := admin.settled(admin.submit(page.url.Path+"/apply", nil))
		done.says(t, http.StatusOK, "L’import est fait, et inscrit au journal.")
		if p, err := h.registry.Professional(t.Context(), identity.PSIdNat("8"+rpps(10_000))); err != nil || p.FamilyName != "EXEMPLE-0" {
			t.Errorf("%+v %v", p, err)
		}
		if e := h.last(audit.KindPeopleImport); e.Outcome != audit.Done || e.Actor != who || !strings.Contains(e.Detail, "3 rows: 3 added") || e.Address == "" {
			t.Errorf("%+v", e)
		}
		again := admin.settled(admin.submit(page.url.Path+"/apply", nil))
		again.says(t, http.StatusOK, "L’import est fait")
		admin.get("/imports").says(t, http.StatusOK, "personnes.csv", "Terminé")
	})
	t.Run("wrong rows are listed by line, page by page", func(t *testing.T) {
		admin.t, h.t = t, t
		file := "RPPS;Nom\n\"a;=1+1\";EXEMPLE\n" + strings.Repeat("123;EXEMPLE\n", 59) + rpps(1) + ";=SOMME(A1)\n"
		page := admin.settled(admin.uploads("people", "faux.csv", file))
		page.says(t, http.StatusOK, "Rien n’a été importé", "61 sur 61", "n’est pas un identifiant valable", "Page 1 sur 2")
		if strings.Contains(page.body, "/apply") {
			t.Error("a wrong file may be applied")
		}
		admin.get(page.url.Path+"?page=2").says(t, http.StatusOK, "Page 2 sur 2", "« Nom » commence par « = »")
		list := admin.get(page.url.Path + "/rows.csv")
		if lines := strings.Split(strings.TrimSpace(list.body), "\n"); len(lines) != 62 || !strings.HasPrefix(lines[61], "62,") || !strings.Contains(lines[1], "a;'=1+1") {
			t.Errorf("%d lines, the first %q, the last %q", len(lines), lines[1], lines[len(lines)-1])
		}
		if e := h.last(audit.KindPeopleImport); e.Outcome != audit.Refused || e.Reason != "rows" || !strings.Contains(e.Detail, "61 of 61") {
			t.Errorf("%+v", e)
		}
		admin.submit(page.url.Path+"/apply", nil)
		if e := h.last(audit.KindPeopleImport); e.Outcome != audit.Refused {
			t.Errorf("applied: %+v", e)
		}
	})
	t.Run("what a certificate said stays, and is told", func(t *testing.T) {
		admin.t, h.t = t, t
		page := admin.settled(admin.uploads("people", "moi.csv", "ps_idnat;Nom;Employeur\n"+string(who)+";AUTRE;HOPITAL EXEMPLE\n"))
		page.says(t, http.StatusOK, "Le fichier est bon.", "Cases laissées comme le dit la carte", "« AUTRE » n’a pas été repris", "Importer ces 1 lignes")
		done := admin.settled(admin.submit(page.url.Path+"/apply", nil))
		done.says(t, http.StatusOK, "L’import est fait", "« AUTRE » n’a pas été repris")
		if p, err := h.registry.Professional(t.Context(), who); err != nil || p.FamilyName != "EXEMPLE-GUICHET" || p.Employer != "HOPITAL EXEMPLE" {
			t.Errorf("%+v %v", p, err)
		}
	})
	t.Run("a file of another form is told so", func(t *testing.T) {
		admin.t, h.t = t, t
		admin.settled(admin.uploads("people", "roles.csv", "rpps;roles\n")).says(t, http.StatusOK, "La colonne « roles » n’est pas attendue.")
		h.refusedFor(audit.KindPeopleImport, string(enroll.ReasonLayout))
		admin.settled(admin.uploads("people", "vide.csv", "")).says(t, http.StatusOK, "Le fichier est vide.")
	})
	t.Run("put away without being applied", func(t *testing.T) {
		admin.t, h.t = t, t
		page := admin.settled(admin.uploads("people", "non.csv", table(1)))
		admin.follow(admin.submit(page.url.Path+"/cancel", nil)).says(t, http.StatusOK, "L’import a été annulé. Rien n’a été changé.")
		admin.settled(admin.submit(page.url.Path+"/apply", nil)).says(t, http.StatusOK, "L’import a été annulé")
	})
	t.Run("everybody as a file that can be imported again", func(t *testing.T) {
		admin.t, h.t = t, t
		out := admin.get("/imports/people.csv")
		if out.status != http.StatusOK || !strings.HasPrefix(out.body, "ps_idnat,family_name") || !strings.Contains(out.body, "EXEMPLE-2,Camille") {
			t.Fatalf("%d %.200s", out.status, out.body)
		}
		if e := h.last(audit.KindPeopleExport); e.Actor != who {
			t.Errorf("%+v", e)
		}
		admin.settled(admin.uploads("people", "people.csv", out.body)).says(t, http.StatusOK, "Le fichier est bon.")
	})
}

// TestImportRefusals: what is no upload, and who may not.
func TestImportRefusals(t *testing.T) {
	h := newHouse(t)
	admin, _ := h.staff(identity.RoleAdmin)
	operator, _ := h.staff(identity.RoleOperator)
	part := func(field, file string) string {
		return "--x\r\nContent-Disposition: form-data; name=\"" + field + "\"; filename=\"" + file + "\"\r\n\r\nRPPS\n\r\n"
	}
	const form = "multipart/form-data; boundary=x"
	for _, c := range []struct {
		name, kind, contentType, body string
		status                        int
		says                          string
	}{
		{"no file chosen", "people", form, part("file", "") + "--x--", http.StatusBadRequest, "Aucun fichier n’a été choisi"},
		{"two files", "people", form, part("file", "a.csv") + part("file", "b.csv") + "--x--", http.StatusBadRequest, ""},
		{"another field", "people", form, part("roles", "a.csv") + "--x--", http.StatusBadRequest, ""},
		{"cut off", "people", form, "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nRPPS", http.StatusBadRequest, ""},
		{"no parts at all", "people", form, "", http.StatusBadRequest, ""},
		{"no form", "people", "text/csv", "RPPS\n", http.StatusUnsupportedMediaType, ""},
		{"of no kind", "roles", form, part("file", "a.csv") + "--x--", http.StatusNotFound, ""},
		{"too large", "people", form, "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n" + strings.Repeat("x\n", 33<<20), http.StatusRequestEntityTooLarge, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			admin.t = t
			admin.multipart("/imports/new/"+c.kind, c.contentType, c.body).says(t, c.status, c.says)
		})
	}
	t.Run("without the role", func(t *testing.T) {
		operator.t, h.t = t, t
		operator.get("/imports").says(t, http.StatusForbidden, "")
		operator.uploads("people", "a.csv", table(1)).says(t, http.StatusForbidden, "")
		operator.get("/imports/people.csv").says(t, http.StatusForbidden, "")
		h.refusedFor("page.open", string(enroll.ReasonRoleMissing))
	})
	t.Run("not known any more", func(t *testing.T) {
		admin.t = t
		for _, rest := range []string{"", "/events", "/rows.csv"} {
			admin.get("/imports/none"+rest).says(t, http.StatusNotFound, "Cet import n’est plus connu")
		}
		admin.submit("/imports/none/apply", nil).says(t, http.StatusNotFound, "")
		admin.submit("/imports/none/cancel", url.Values{"x": {"y"}}).says(t, http.StatusBadRequest, "")
	})
	t.Run("a checked file waits for an hour", func(t *testing.T) {
		admin.t, h.t = t, t
		page := admin.settled(admin.uploads("people", "a.csv", table(1)))
		// An hour takes the session too.
		h.pass(61 * time.Minute)
		h.publish()
		admin.signIn()
		admin.get("/imports").says(t, http.StatusOK, "Annulé")
		admin.settled(admin.submit(page.url.Path+"/apply", nil)).says(t, http.StatusOK, "L’import a été annulé")
	})
}

// TestImportOfFiftyThousand: it goes on when its page is left, one at a time,
// and what is cancelled midway changes nothing.
func TestImportOfFiftyThousand(t *testing.T) {
	const many = 50_000
	h := newHouse(t)
	admin, _ := h.staff(identity.RoleAdmin)
	file := table(many)
	people := func() (n int) {
		n, err := h.registry.ExportPeople(t.Context(), console, new(bytes.Buffer))
		must(t, err)
		return n
	}
	before := people()
	page := admin.settled(admin.uploads("people", "tous.csv", file))
	page.says(t, http.StatusOK, "Importer ces 50 000 lignes")

	admin.submit(page.url.Path+"/apply", nil)
	admin.uploads("people", "autre.csv", table(1)).says(t, http.StatusConflict, "Un autre import est en cours")
	h.refusedFor(audit.KindPeopleImport, "import-busy")
	going := admin.get(page.url.Path)
	going.says(t, http.StatusOK, "sur 50 000", "Annuler cet import")
	if !strings.Contains(going.body, `<meta http-equiv="refresh" content="2">`) {
		t.Error("without script the page is not looked at again")
	}
	admin.follow(admin.submit(page.url.Path+"/cancel", nil)).says(t, http.StatusOK, "L’import a été annulé. Rien n’a été changé.")
	if n := people(); n != before {
		t.Fatalf("%d people after a cancelled import, %d before", n, before)
	}
	if e := h.last(audit.KindPeopleImport); e.Outcome != audit.Failed || e.Reason != "cancelled" {
		t.Errorf("%+v", e)
	}

	page = admin.settled(admin.uploads("people", "tous.csv", file))
	admin.submit(page.url.Path+"/apply", nil)
	events := admin.watch(t, page.url.Path+"/events")
	var last string
	for name, data := events(); name == "import"; name, data = events() {
		last = data
	}
	if !strings.Contains(last, `"state":"done"`) {
		t.Errorf("the stream ended with %s", last)
	}
	if n := people(); n != before+many {
		t.Errorf("%d people, want %d", n, before+many)
	}
	admin.get(page.url.Path).says(t, http.StatusOK, "L’import est fait", "50 000")
}

// TestImportEndsWithTheServer: one that goes on is undone, and waited for.
func TestImportEndsWithTheServer(t *testing.T) {
	h := newHouse(t)
	admin, _ := h.staff(identity.RoleAdmin)
	page := admin.settled(admin.uploads("people", "tous.csv", table(20_000)))
	admin.submit(page.url.Path+"/apply", nil)
	h.web.Close()
	admin.get(page.url.Path).says(t, http.StatusOK, "L’import a été annulé. Rien n’a été changé.")
}
