package sso

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The paths of the provider.
const (
	PathAuthorize  = "/oauth/authorize"
	PathToken      = "/oauth/token"
	PathIntrospect = "/oauth/introspect"
	PathRevoke     = "/oauth/revoke"
	PathUserinfo   = "/oauth/userinfo"
	PathPushed     = "/oauth/par"
	PathKeys       = "/oauth/jwks"
	PathEndSession = "/oauth/logout"
	PathDiscovery  = oidc.DiscoveryEndpoint
)

// Endpoints answers what clients ask by themselves: discovery, tokens,
// introspection, revocation, userinfo and pushed requests. What people see, the
// authorization and logout endpoints, is not among them.
func (p *Provider) Endpoints() http.Handler { return p.endpoints }

// endpointPaths are those of Endpoints, and the methods they take.
func endpointPaths() map[string][]string {
	get, post := []string{http.MethodGet, http.MethodHead}, []string{http.MethodPost}
	return map[string][]string{
		PathDiscovery: get, PathKeys: get, PathUserinfo: {http.MethodGet, http.MethodPost},
		PathToken: post, PathIntrospect: post, PathRevoke: post, PathPushed: post,
	}
}

// EndpointPaths lists the paths of Endpoints.
func EndpointPaths() (paths []string) {
	for path := range endpointPaths() {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

func (p *Provider) newLibrary() http.Handler {
	return op.RegisterServer(&server{provider: p}, op.Endpoints{
		Token: op.NewEndpoint(PathToken), Introspection: op.NewEndpoint(PathIntrospect), Revocation: op.NewEndpoint(PathRevoke),
		Userinfo: op.NewEndpoint(PathUserinfo), JwksURI: op.NewEndpoint(PathKeys),
	}, op.WithServerCORSOptions(nil))
}

func (p *Provider) newEndpoints(library http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+PathPushed, p.pushedEndpoint)
	mux.Handle("/", library)
	return anyOrigin(p.guard(mux))
}

// anyOrigin lets any page's script call, as clients in browsers must (Fetch
// §3.3): nothing here reads a cookie.
func anyOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
	})
}

// pushedAnswer is RFC 9126 §2.2.
type pushedAnswer struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"`
}

// pushedEndpoint takes an authorization request from the client itself (RFC
// 9126), and judges it as the authorization endpoint would.
func (p *Provider) pushedEndpoint(w http.ResponseWriter, r *http.Request) {
	uri, err := p.pushForm(r)
	if err != nil {
		p.answerRefused(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, pushedAnswer{uri, int64(pushedTime / time.Second)})
}

func (p *Provider) pushForm(r *http.Request) (string, error) {
	client, err := p.authenticate(r.Context(), credentialsOf(r))
	if err != nil {
		return "", err
	}
	form := r.PostForm
	if form.Has("request_uri") { // RFC 9126 §2.1
		return "", refuse(InvalidRequest, "request-uri", "a request cannot be pushed by reference")
	}
	if id := form.Get("client_id"); id != "" && id != client.ID {
		return "", refuse(InvalidRequest, "client-other", "client_id is another client's")
	}
	request, err := p.judge(r.Context(), client, form)
	var refused *Refusal
	if errors.As(err, &refused) {
		refused.Back = ""
	}
	if err != nil {
		return "", err
	}
	return p.push(r.Context(), request)
}
