package main

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
)

const workstationConfig = goodConfig + `
workstations:
  - { name: BUREAU-3, addresses: [10.1.3.3, "2001:db8::3"] }
  - { name: SALLE-DE-SOINS, addresses: [10.1.3.0/24] }
  - { name: SITE, addresses: [10.0.0.0/8] }
sso:
  confirm_after: 1m
  personal_workstations: [BUREAU-3]
`

func TestWorkstations(t *testing.T) {
	c, err := loadConfig(writeConfig(t, workstationConfig), nil)
	if err != nil {
		t.Fatal(err)
	}
	known, err := openWorkstations(c)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"10.1.3.3": "BUREAU-3", "::ffff:10.1.3.3": "BUREAU-3", "2001:db8::3": "BUREAU-3", "2001:db8::3%eth0": "BUREAU-3",
		"10.1.3.4": "SALLE-DE-SOINS", "10.1.4.3": "SITE", "11.1.3.3": "", "2001:db8::4": "", "::": "", "0.0.0.0": "",
	} {
		if got := known.at(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is %q, want %q", address, got, want)
		}
	}
	if got := known.at(netip.Addr{}); got != "" {
		t.Errorf("no address is %q", got)
	}
	rule := c.SSO.confirmation()
	if rule.After != time.Minute || len(rule.Personal) != 1 || rule.Policy != "shared" {
		t.Errorf("%+v", rule)
	}
}

func TestWorkstationsRefused(t *testing.T) {
	for _, tt := range []struct{ name, edit, with, says string }{
		{"a name twice", "name: SITE", "name: BUREAU-3", "workstations[2].name"},
		{"no name", "name: SITE", `name: ""`, "workstations[2].name"},
		{"blanks around a name", "name: SITE", `name: " SITE"`, "workstations[2].name"},
		{"a name that cannot be printed", "name: SITE", `name: "SI\tTE"`, "workstations[2].name"},
		{"a long name", "name: SITE", "name: " + strings.Repeat("S", 65), "workstations[2].name"},
		{"no addresses", "[10.0.0.0/8]", "[]", "workstations[2].addresses"},
		{"everybody's", "[10.0.0.0/8]", "[0.0.0.0/0]", "workstations[2].addresses"},
		{"an address twice", "[10.0.0.0/8]", "[10.1.3.77/24]", "SALLE-DE-SOINS"},
		{"a personal one that is none", "personal_workstations: [BUREAU-3]", "personal_workstations: [BUREAU-4]", "sso.personal_workstations"},
		{"no time", "confirm_after: 1m", "confirm_after: 1s", "sso.confirm_after"},
		{"a long time", "confirm_after: 1m", "confirm_after: 1h", "sso.confirm_after"},
		{"an unknown key", "name: SITE", "personal: true, name: SITE", "personal"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(workstationConfig, tt.edit) {
				t.Fatalf("nothing to edit: %q", tt.edit)
			}
			_, err := loadConfig(writeConfig(t, strings.Replace(workstationConfig, tt.edit, tt.with, 1)), nil)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want one that names %s", err, tt.says)
			}
		})
	}
}

// TestTheQuestionIsAskedByItself: on defaults, of whoever was signed in a while
// ago, on a workstation of which nothing is known, and at none that is personal.
func TestTheQuestionIsAskedByItself(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"nothing is known of the workstation": {func(*Config) {}, "C’est bien vous"},
		"a shared one": {func(c *Config) {
			c.Workstations = []WorkstationConfig{{"SALLE-DE-SOINS", []string{"127.0.0.0/8"}}}
		}, "C’est bien vous"},
		"a personal one": {func(c *Config) {
			c.Workstations = []WorkstationConfig{{"BUREAU-3", []string{"127.0.0.1"}}}
			c.SSO.PersonalWorkstations = []string{"BUREAU-3"}
		}, "code="},
	} {
		t.Run(name, func(t *testing.T) {
			r := serveDemo(t, func(c *Config) {
				c.ForwardAuth.Proxies, c.ForwardAuth.Applications = []string{"192.0.2.10"}, []ApplicationConfig{{Origin: dossier}}
				tt.change(c)
			})
			nurse := r.signedIn(t)
			nurse.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			enter := r.Main + "/forward-auth/enter?return=" + dossier + "/&state=" + strings.Repeat("A", 43)
			if _, _, header := get(t, nurse, enter); !strings.HasPrefix(header.Get("Location"), dossier+"/.cpsgate/callback?code=") {
				t.Errorf("asked just after the PIN: led to %q", header.Get("Location"))
			}
			r.offset.Add(int64(2 * time.Minute))
			if _, page, header := get(t, nurse, enter); !strings.Contains(page+header.Get("Location"), tt.says) {
				t.Errorf("led to %q: %.300s", header.Get("Location"), page)
			}
			for event, err := range audit.Found(t.Context(), r.program.store, audit.Query{Kinds: []string{audit.KindLoginCPS}}) {
				if err != nil || event.Workstation != r.program.workstations.at(netip.MustParseAddr("127.0.0.1")) {
					t.Errorf("%v: the audit has %+v", err, event)
				}
			}
		})
	}
}

// TestAProxyAtAPersonalWorkstation: it is said at the start, by the name that the
// proxy's address has, or that one of its addresses has.
func TestAProxyAtAPersonalWorkstation(t *testing.T) {
	c, err := loadConfig(writeConfig(t, workstationConfig), nil)
	if err != nil {
		t.Fatal(err)
	}
	known, err := openWorkstations(c)
	if err != nil {
		t.Fatal(err)
	}
	for proxy, said := range map[string]bool{"10.1.3.3/32": true, "10.1.3.0/28": true, "10.1.3.4/32": false, "192.0.2.0/24": false, "2001:db8::/64": true} {
		var log bytes.Buffer
		c.SSO.sayProxied(slog.New(slog.NewTextHandler(&log, nil)), known, []netip.Prefix{netip.MustParsePrefix("198.51.100.7/32"), netip.MustParsePrefix(proxy)})
		if got := strings.Count(log.String(), "workstation=BUREAU-3"); got > 1 || got == 1 != said {
			t.Errorf("%s: %s", proxy, &log)
		}
	}
}
