package layout

// House is this module's picture. An edge that is not here is not allowed; to
// draw a new one, add it in a commit that says why.
func House() Rules {
	return Rules{
		Module:       "cpsgate",
		Imports:      imports(),
		Tests:        tests(),
		Confined:     confined(),
		StandardOnly: []string{"identity", "internal/layout"},
		Server:       "cmd/cpsgate",
		NeverServer:  []string{"C", scard, libfido2, pkcs11},
	}
}

// Outside packages that stand in the tables more than once.
const (
	scard    = "github.com/ebfe/scard"
	libfido2 = "github.com/keys-pub/go-libfido2"
	pkcs11   = "github.com/miekg/pkcs11"
)

func imports() map[string][]string {
	return map[string][]string{
		"identity": {},

		// Rules: they know the trade's nouns and nothing else of the house.
		"rp/...":       {"identity"},
		"mtls/...":     {"identity"},
		"sessions/...": {"identity"},
		"audit/...":    {"identity"},

		"enroll/...": {"audit/...", "identity"},
		"sso/...":    {"sessions/...", "identity"},
		"store/...":  {"enroll/...", "audit/...", "identity"},
		"web/...":    {"sso/...", "rp/...", "mtls/...", "enroll/...", "sessions/...", "audit/...", "identity"},
		"cmd/cpsgate": {
			"web/...", "sso/...", "store/...", "rp/...", "mtls/...", "enroll/...", "sessions/...", "audit/...", "identity",
			"internal/heap",
			"internal/testpki", // the demo's embedded PKI
		},

		// The workstation's side: another program, and nothing of the server's.
		"cardside/apdu":     {},
		"cardside/ctap2":    {"cardside/apdu"},
		"cardside/pcsc":     {"cardside/apdu"},
		"cardside/libfido2": {"cardside/apdu", "cardside/ctap2", "cardside/pcsc"}, // the hook reaches cards over our PC/SC
		"cardside/pkcs11":   {},
		"cardside/agent":    {"cardside/apdu", "cardside/ctap2", "cardside/pcsc", "cardside/libfido2", "cardside/pkcs11", "identity"},
		"cardside/helper":   {"cardside/apdu", "cardside/ctap2", "cardside/pcsc", "cardside/libfido2", "cardside/pkcs11", "identity"},
		"cardside": {
			"cardside/apdu", "cardside/ctap2", "cardside/pcsc", "cardside/libfido2", "cardside/pkcs11", "cardside/agent", "cardside/helper",
			"identity",
		},
		"cardside/desk": {"cardside", "cardside/ctap2", "cardside/pcsc", "cardside/pkcs11"},                                                        // the sitting stands on the whole of it
		"cmd/cardside":  {"cardside", "cardside/desk", "cardside/apdu", "cardside/ctap2", "cardside/pcsc", "cardside/libfido2", "cardside/pkcs11"}, // it wires the engines

		// Benchmarks: programs that measure ours beside others'.
		"bench/...": {"bench/...", "mtls/...", "rp/...", "sessions/...", "sso/...", "store/...", "enroll/...", "web/...", "audit/...", "identity", "internal/testpki", "internal/softkey", "internal/redislab", "internal/cardlab", "internal/virtualcard", "internal/heap"},

		// How much garbage may gather: a matter of the process, of no area.
		"internal/heap": {},

		// Fakes of the outside. They share no code with what they test: two
		// readings of a specification, not one read twice.
		"internal/testpki":                    {"identity"},
		"internal/softkey":                    {},
		"internal/virtualcard":                {"internal/virtualcard/authenticator"},
		"internal/virtualcard/authenticator":  {},
		"internal/virtualcard/cmd/virtualcps": {"internal/virtualcard", "internal/virtualcard/authenticator", "internal/testpki"},
		"internal/cardlab":                    {"internal/virtualcard", "internal/virtualcard/authenticator", "internal/testpki"},
		"internal/cardlab/cmd/workstation":    {"internal/demo", "internal/cardlab", "internal/virtualcard", "internal/virtualcard/authenticator", "internal/testpki"},
		"internal/chromium":                   {},
		"internal/proxies":                    {},
		"internal/redislab":                   {},
		"internal/layout":                     {},
		"internal/demo":                       {"internal/testpki", "identity"}, // the demonstration stack's own programs: clients like any other
		"internal/demo/cmd/demostack":         {"internal/demo"},
		"internal/e2e/stack":                  {}, // as internal/e2e, in containers
		"internal/e2e":                        {}, // runs the built programs and knows nothing of their inside
	}
}

// tests lists what test files may import beyond their package's own edges.
func tests() map[string][]string {
	virtualCard := []string{"internal/virtualcard", "internal/virtualcard/authenticator", "internal/cardlab"}
	return map[string][]string{
		AnyArea: {"internal/testpki", "internal/softkey", "internal/chromium", "internal/proxies", "internal/redislab"},

		// Against the real store, in place of a fake that restates it.
		"audit/...":    {"store/..."},
		"enroll/...":   {"store/..."},
		"sessions/...": {"store/..."},
		"sso/...":      {"store/...", "enroll/..."},
		"web/...":      {"store/..."},
		"store/...":    {"sessions/...", "sso/..."}, // keeps their records without knowing them

		"internal/virtualcard":               {"internal/cardlab"},
		"internal/virtualcard/authenticator": {"internal/virtualcard", "internal/cardlab"},

		"cmd/cpsgate":       append([]string{"cardside", "cardside/desk", "cardside/pcsc", "cardside/pkcs11"}, virtualCard...), // its far end
		"rp/...":            {"internal/virtualcard/authenticator"},
		"cardside":          virtualCard,
		"cardside/desk":     virtualCard,
		"cardside/ctap2":    {"internal/virtualcard/authenticator"},
		"internal/e2e":      virtualCard,
		"cardside/pcsc":     virtualCard,
		"cardside/libfido2": virtualCard,
		"cardside/pkcs11":   virtualCard,
		"cardside/agent":    virtualCard,
		"cardside/helper":   virtualCard,
		"cmd/cardside":      virtualCard,
	}
}

func confined() map[string][]string {
	return map[string][]string{
		"github.com/labstack/echo":        {"web/...", "cmd/cpsgate", "bench/..."}, // the latter measures beside a bare one
		"github.com/go-webauthn":          {"rp/..."},
		"github.com/zitadel/oidc":         {"sso/..."},
		"github.com/go-jose/go-jose":      {"sso/...", "internal/demo"},
		"modernc.org/sqlite":              {"store/..."},
		"github.com/pressly/goose":        {"store/..."},
		"database/sql":                    {"store/..."},
		"github.com/go-ldap/ldap":         {"mtls/...", "internal/testpki"}, // the latter's tests
		"github.com/redis/go-redis":       {"sessions/...", "bench/..."},
		"github.com/alicebob/miniredis":   {"sessions/..."}, // its tests
		"github.com/alecthomas/kong":      {"cmd/cpsgate", "cmd/cardside", "internal/virtualcard/cmd/virtualcps", "internal/demo/cmd/demostack"},
		"github.com/goccy/go-yaml":        {"cmd/cpsgate", "cmd/cardside"},
		"github.com/pires/go-proxyproto":  {"cmd/cpsgate"},
		"github.com/chromedp":             {"internal/chromium", "web/...", "cmd/cpsgate"},
		"github.com/coreos/go-oidc":       {"internal/demo", "web/..."}, // a client that shares no code with the provider; web's tests
		"golang.org/x/oauth2":             {"internal/demo", "web/..."},
		"software.sslmate.com/src":        {"internal/testpki", "cmd/cpsgate"}, // the latter's tests read the demo's cards
		"github.com/rogpeppe/go-internal": {"cmd/cpsgate", "cmd/cardside"},

		"C":      {"cardside/libfido2", "cardside/pkcs11", "cardside/pcsc"},
		scard:    {"cardside/pcsc"},
		libfido2: {"cardside/libfido2"},
		pkcs11:   {"cardside/pkcs11"},
	}
}
