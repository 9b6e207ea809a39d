package web_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"cpsgate/identity"
	"cpsgate/internal/testpki"
)

// file writes a file to be uploaded.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// TestImportLive: 50,000 rows through a real browser. The page tells how far it
// is, by itself; left and come back to, it still does.
func TestImportLive(t *testing.T) {
	t.Parallel()
	h, origin := browserHouse(t)
	admin, _ := h.person(testpki.CardSpec{FamilyName: "EXEMPLE-CHEF", GivenName: "Dominique", Profession: 10}, identity.RoleAdmin)
	tab := h.tabOf(h.chromium(), origin, admin)

	tab.Go(origin + "/imports")
	looks(t, tab, "imports")
	tab.Choose("#people-file", file(t, "faux.csv", "RPPS;Nom\n"+strings.Repeat("12345678901;EXEMPLE\n", 60)))
	tab.Click(`form[action$="/people"] button`)
	tab.Until("the wrong rows", `document.querySelectorAll("#import-faults tbody tr").length === 50`)
	looks(t, tab, "import-wrong")

	tab.Go(origin + "/imports")
	tab.Choose("#people-file", file(t, "personnes.csv", table(50_000)))
	tab.Click(`form[action$="/people"] button`)
	tab.Until("the check", `document.activeElement?.id === "apply-import"`)
	looks(t, tab, "import-checked")
	tab.Press(kb.Enter)
	tab.Until("rows going by, without a reload", `document.querySelector("#progress")?.value > 500`)
	tab.Go(origin + "/imports")
	tab.Click(`.list a`)
	tab.Until("the end", `document.body.innerText.includes("L’import est fait")`)
	looks(t, tab, "import-done")
}

// TestImportWithoutScript: the page is looked at again by itself.
func TestImportWithoutScript(t *testing.T) {
	t.Parallel()
	h, origin := browserHouse(t)
	admin, _ := h.person(testpki.CardSpec{FamilyName: "EXEMPLE-CHEF", GivenName: "Dominique", Profession: 10}, identity.RoleAdmin)
	tab := h.tabOf(h.chromium(), origin, admin)
	tab.WithoutScript()
	tab.Go(origin + "/imports")
	tab.Choose("#people-file", file(t, "personnes.csv", table(20_000)))
	tab.Click(`form[action$="/people"] button`)
	tab.Until("the check", `!!document.querySelector("#apply-import")`)
	tab.Click("#apply-import")
	tab.WaitFor("#progress")
	tab.Until("the end", `document.body.innerText.includes("L’import est fait")`)
}
