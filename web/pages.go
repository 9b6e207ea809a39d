package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"strings"

	"github.com/labstack/echo/v4"
)

//go:embed templates
var templateFiles embed.FS

// The pages, by the name of their template file.
const (
	pageSignIn    = "signin"
	pageAccount   = "account"
	pageRefusal   = "refusal"
	pageSignedOut = "signedout"
	pageDesk      = "desk"
	pageTicket    = "ticket"
	pagePeople    = "people"
	pagePerson    = "person"
	pageApprovals = "approvals"
	pageAudit     = "audit"
	pageFigures   = "figures"
	pageClients   = "clients"
	pageEvidence  = "evidence"
	pageImports   = "imports"
	pageImport    = "import"
	pageLocked    = "locked"

	pageConfirm      = "confirm"
	pageConsent      = "consent"
	pageActivity     = "activity"
	pageLeave        = "leave"
	pageApplications = "applications"
)

// shared are the templates that every page may use.
var shared = []string{"layout", "icons", "said", "queue", "import-list"}

// every page there is.
var every = []string{
	pageSignIn, pageAccount, pageRefusal, pageSignedOut, pageDesk, pageTicket, pagePeople, pagePerson, pageApprovals,
	pageAudit, pageFigures, pageClients, pageEvidence, pageImports, pageImport, pageLocked,
	pageConfirm, pageConsent, pageActivity, pageLeave, pageApplications,
}

// pages holds every page parsed, by language and name.
type pages map[string]map[string]*template.Template

// newPages parses every page for every language. Parsing binds the words to
// the language, so that a template can ask for a text by its key alone.
func newPages(all tongues) (pages, error) {
	parsed := make(pages)
	for tag, t := range all {
		parsed[tag] = make(map[string]*template.Template)
		for _, name := range every {
			page, err := parsePage(name, t)
			if err != nil {
				return nil, fmt.Errorf("page %s: %w", name, err)
			}
			parsed[tag][name] = page
		}
	}
	return parsed, nil
}

func parsePage(name string, t *tongue) (*template.Template, error) {
	page := template.New(name).Option("missingkey=error").Funcs(template.FuncMap{"t": t.words.say})
	for _, file := range append(shared, name) {
		text, err := templateFiles.ReadFile("templates/" + file + ".html")
		if err != nil {
			return nil, err
		}
		if _, err := page.Parse(string(text)); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// frame is what every page's view holds: the top bar, the foot and the files.
type frame struct {
	Lang, OtherLang string
	Title           string
	Hospital        string
	// Base begins the links to main's pages: empty on the main host, its
	// origin on the card host.
	Base          string
	Style, Script string
	Icon          string // "" = none, and the browser shall not look for one
	Logo          string
	Switch        string // where the language switch leads; "" = no switch
	Wide, Full    bool   // a wider column; the whole width
	Nav           []navItem
	Live          string // the stream that says when to look again; "" = none
	Refresh       int    // seconds after which a browser without script looks again; 0 = never
	Reload        int    // seconds after which every browser looks again; 0 = never
	Help          helpline
	HelpAbove     bool // the page itself says who can help
}

// helpline is whom to call.
type helpline struct {
	Label string
	Phone string
	Dial  string // the digits of Phone
}

// newHelpline fills in the default label and finds the digits to dial.
func newHelpline(label, phone string, t *tongue) helpline {
	if label == "" {
		label = t.words["frame.help.label"]
	}
	return helpline{Label: label, Phone: phone, Dial: dialled(phone)}
}

// dialled keeps of a telephone number what is dialled (RFC 3966 §3).
func dialled(phone string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '+' {
			return r
		}
		return -1
	}, phone)
}

// render writes a page, whole or not at all: it is executed in memory first.
func (s *Server) render(c echo.Context, status int, name string, view any) error {
	var page bytes.Buffer
	if err := s.pages[requestOf(c).tongue.tag][name].ExecuteTemplate(&page, "layout", view); err != nil {
		return fmt.Errorf("rendering page %s: %w", name, err)
	}
	return c.HTMLBlob(status, page.Bytes())
}
