package layout_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"cpsgate/internal/layout"
)

// TestHouse is the rule itself: this module stands as House draws it.
func TestHouse(t *testing.T) {
	violations, err := layout.House().Check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, violation := range violations {
		t.Error(violation)
	}
}

// TestHouseReadsThisModule guards against a check that passes because it sees
// nothing: with the edges of identity's importers taken away, it must complain.
func TestHouseReadsThisModule(t *testing.T) {
	rules := layout.House()
	rules.Imports["mtls/..."] = nil
	violations, err := rules.Check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(violations, func(v layout.Violation) bool { return v.Reason == "mtls may not import identity" }) {
		t.Errorf("mtls imports identity, and it was not seen: %v", violations)
	}
}

// good is a small module that stands as House draws it.
func good() map[string]string {
	return map[string]string{
		"identity/id.go":                          `import "strings"`,
		"identity/id_test.go":                     `import "cpsgate/identity"`,
		"mtls/verifier.go":                        `import ("crypto/x509"; "cpsgate/identity"; "golang.org/x/crypto/ocsp")`,
		"mtls/verifier_test.go":                   `import ("cpsgate/mtls"; "cpsgate/internal/testpki")`,
		"test/other/go.mod":                       `module other`,
		"test/other/main.go":                      `import "cpsgate/web"`,
		"mtls/testdata/whatever.go":               `import "cpsgate/web"`,
		"rp/rp.go":                                `import ("cpsgate/identity"; "github.com/go-webauthn/webauthn/webauthn")`,
		"web/web.go":                              `import ("cpsgate/mtls"; "cpsgate/rp"; "github.com/labstack/echo/v4")`,
		"web/pages/page.go":                       `import "cpsgate/web"`,
		"store/store.go":                          `import ("cpsgate/enroll"; _ "modernc.org/sqlite")`,
		"enroll/registry.go":                      `import "cpsgate/audit"`,
		"enroll/registry_test.go":                 `import "cpsgate/store"`,
		"audit/log.go":                            `import "cpsgate/identity"`,
		"cmd/cpsgate/demo.go":                     `import ("cpsgate/web"; "cpsgate/store"; "cpsgate/internal/testpki")`,
		"cmd/cardside/main.go":                    `import "cpsgate/cardside"`,
		"cardside/cardside.go":                    `import ("cpsgate/cardside/pcsc"; "cpsgate/identity")`,
		"cardside/pcsc/pcsc.go":                   `import ("github.com/ebfe/scard"; "cpsgate/cardside/apdu")`,
		"cardside/libfido2/config.go":             `import "C"`,
		"cardside/apdu/apdu.go":                   ``,
		"internal/testpki/pki.go":                 `import "software.sslmate.com/src/go-pkcs12"`,
		"internal/softkey/key.go":                 `import "github.com/fxamacker/cbor/v2"`,
		"internal/virtualcard/card.go":            `import "cpsgate/internal/virtualcard/authenticator"`,
		"internal/virtualcard/authenticator/a.go": ``,
		"tmp/scratch.go":                          `import "cpsgate/web"`,
	}
}

func tree(files map[string]string) fstest.MapFS {
	made := fstest.MapFS{}
	for name, clause := range files {
		made[name] = &fstest.MapFile{Data: []byte("package p\n\n" + clause + "\n")}
	}
	return made
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name, file, clause string
		want               string // the violation, "" = none
	}{
		{"the good tree", "identity/id.go", `import "strings"`, ""},
		{"identity imports nobody", "identity/x.go", `import "cpsgate/audit"`, "identity/x.go:3: identity may not import audit"},
		{"identity knows the standard library alone", "identity/x.go", `import "golang.org/x/text/language"`, "identity may not import golang.org/x/text/language: the standard library alone"},
		{"rules do not know each other", "mtls/x.go", `import "cpsgate/rp"`, "mtls may not import rp"},
		{"nobody imports web", "sessions/x.go", `import "cpsgate/web"`, "sessions may not import web"},
		{"nobody imports store but cmd", "web/x.go", `import "cpsgate/store"`, "web may not import store"},
		{"nobody imports cmd", "store/x.go", `import "cpsgate/cmd/cpsgate"`, "store may not import cmd/cpsgate"},
		{"a new package has to be drawn", "util/x.go", ``, "util/x.go:1: package util is not in the table"},
		{"importing an undrawn package", "web/x.go", `import "cpsgate/util"`, "web may not import util"},
		{"a new part of cardside has to be drawn", "cardside/usb/x.go", ``, "package cardside/usb is not in the table"},
		{"the root is no package", "x.go", ``, "package . is not in the table"},
		{"a part of an area keeps the area's rules", "web/pages/x.go", `import "cpsgate/store"`, "web/pages may not import store"},
		{"Echo stays in web", "mtls/x.go", `import "github.com/labstack/echo/v4"`, "mtls may not import github.com/labstack/echo/v4: it belongs to web/..., cmd/cpsgate"},
		{"Echo's middleware too", "rp/x.go", `import "github.com/labstack/echo/v4/middleware"`, "rp may not import github.com/labstack/echo/v4/middleware"},
		{"a name that only begins alike is another", "rp/x.go", `import "github.com/labstack/echoes"`, ""},
		{"WebAuthn stays in rp", "web/x.go", `import "github.com/go-webauthn/webauthn/protocol"`, "web may not import github.com/go-webauthn/webauthn/protocol"},
		{"WebAuthn stays in rp for tests too", "web/x_test.go", `import "github.com/go-webauthn/webauthn/protocol"`, "web may not import github.com/go-webauthn/webauthn/protocol"},
		{"SQLite stays in store", "enroll/x.go", `import _ "modernc.org/sqlite"`, "enroll may not import modernc.org/sqlite"},
		{"goose stays in store", "cmd/cpsgate/x.go", `import "github.com/pressly/goose/v3"`, "cmd/cpsgate may not import github.com/pressly/goose/v3"},
		{"the test PKI is for tests and the demo", "web/x.go", `import "cpsgate/internal/testpki"`, "web may not import internal/testpki"},
		{"tests may import it", "web/x_test.go", `import "cpsgate/internal/testpki"`, ""},
		{"a test keeps its package's rules otherwise", "rp/x_test.go", `import "cpsgate/web"`, "tests of rp may not import web"},
		{"cardside knows no server package", "cardside/agent/x.go", `import "cpsgate/mtls"`, "cardside/agent may not import mtls"},
		{"cardside may know identity", "cardside/agent/x.go", `import "cpsgate/identity"`, ""},
		{"the server does not know cardside", "cmd/cpsgate/x.go", `import "cpsgate/cardside"`, "cmd/cpsgate may not import cardside"},
		{"the virtual card shares nothing with cardside", "internal/virtualcard/authenticator/x.go", `import "cpsgate/cardside/ctap2"`, "internal/virtualcard/authenticator may not import cardside/ctap2"},
		{"nor do its tests", "internal/virtualcard/x_test.go", `import "cpsgate/cardside/ctap2"`, "tests of internal/virtualcard may not import cardside/ctap2"},
		{"the software key shares nothing with rp", "internal/softkey/x.go", `import "cpsgate/rp"`, "internal/softkey may not import rp"},
		{"nor its library", "internal/softkey/x.go", `import "github.com/go-webauthn/webauthn/protocol"`, "internal/softkey may not import github.com/go-webauthn"},
		{"build tags hide nothing", "rp/x_windows.go", `import "cpsgate/store"`, "rp may not import store"},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := good()
			files[test.file] = test.clause
			violations, err := layout.House().Check(tree(files))
			if err != nil {
				t.Fatal(err)
			}
			expect(t, violations, test.want)
		})
	}
}

func expect(t *testing.T, violations []layout.Violation, want string) {
	t.Helper()
	if want == "" {
		if len(violations) != 0 {
			t.Errorf("unexpected: %v", violations)
		}
		return
	}
	if len(violations) == 0 || !slices.ContainsFunc(violations, func(v layout.Violation) bool { return strings.Contains(v.String(), want) }) {
		t.Errorf("got %v, want %q", violations, want)
	}
}

// TestServerNeverLinksC takes the confinement away: what the server reaches is
// then still refused, and what it does not reach is not.
func TestServerNeverLinksC(t *testing.T) {
	rules := layout.House()
	rules.Confined = nil
	for _, test := range []struct {
		name, file, clause, want string
	}{
		{"C in the server itself", "cmd/cpsgate/x.go", `import "C"`, "cmd/cpsgate is part of the server, which never imports C"},
		{"C two steps away", "audit/x.go", `import "C"`, "audit is part of the server, which never imports C"},
		{"scard", "rp/x.go", `import "github.com/ebfe/scard"`, "rp is part of the server, which never imports github.com/ebfe/scard"},
		{"libfido2", "mtls/x.go", `import "github.com/keys-pub/go-libfido2"`, "never imports github.com/keys-pub/go-libfido2"},
		{"PKCS#11", "web/x.go", `import "github.com/miekg/pkcs11"`, "never imports github.com/miekg/pkcs11"},
		{"in a test it is not linked", "rp/x_test.go", `import "github.com/ebfe/scard"`, ""},
		{"cardside is not the server", "cardside/pkcs11/x.go", `import "github.com/miekg/pkcs11"`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := good()
			files[test.file] = test.clause
			violations, err := rules.Check(tree(files))
			if err != nil {
				t.Fatal(err)
			}
			expect(t, violations, test.want)
		})
	}
}

func TestUnsoundTables(t *testing.T) {
	for _, test := range []struct {
		name string
		bend func(*layout.Rules)
	}{
		{"an edge to no area", func(r *layout.Rules) { r.Imports["web/..."] = []string{"webb"} }},
		{"a confinement to no area", func(r *layout.Rules) { r.Confined["C"] = []string{"webb"} }},
		{"tests of no area", func(r *layout.Rules) { r.Tests["webb"] = nil }},
		{"purity of no area", func(r *layout.Rules) { r.StandardOnly = append(r.StandardOnly, "webb") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			rules := layout.House()
			test.bend(&rules)
			if _, err := rules.Check(tree(good())); err == nil {
				t.Error("accepted")
			}
		})
	}
	if _, err := layout.House().Check(fstest.MapFS{"web/x.go": {Data: []byte("no Go at all")}}); err == nil {
		t.Error("a file that is no Go was passed over")
	}
}
