package sso

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
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

// guard refuses, before the library reads a request, what it would take: other
// methods, parameters that stand twice or in the address of a POST, forms that
// are none. It adds what RFC 6749 §5.2 and RFC 6750 §3 want of a 401.
func (p *Provider) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		methods, known := endpointPaths()[r.URL.Path]
		if !known {
			http.NotFound(w, r)
			return
		}
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			writeError(w, http.StatusMethodNotAllowed, refuse(InvalidRequest, "method", "this endpoint takes "+strings.Join(methods, " and ")))
			return
		}
		if err := guardForm(r); err != nil {
			p.answerRefused(w, r, err)
			return
		}
		n := new(noted)
		out := &challenging{ResponseWriter: w, path: r.URL.Path}
		next.ServeHTTP(out, r.WithContext(context.WithValue(r.Context(), notedKey{}, n)))
		if out.refused && !n.recorded { // by the library, of a form that it could not read
			p.noteMalformed(r)
		}
	})
}

// noted tells whether what a request was refused for is recorded.
type noted struct{ recorded bool }

type notedKey struct{}

func (p *Provider) noteMalformed(r *http.Request) {
	e := Event{Kind: EventToken, Refused: true, Reason: "malformed", Client: credentialsOf(r).id, Detail: r.URL.Path}
	if err := p.o.Tell(r.Context(), e); err != nil {
		p.o.Log.ErrorContext(r.Context(), "a refused request is not in the audit", "endpoint", r.URL.Path, "error", err)
	}
}

func guardForm(r *http.Request) error {
	if r.URL.RawQuery != "" && r.URL.Path != PathDiscovery && r.URL.Path != PathKeys {
		return refuse(InvalidRequest, "query", "parameters belong into the body, tokens into the Authorization header") // RFC 6750 §2.3
	}
	if len(r.Header.Values("Authorization")) > 1 {
		return refuse(InvalidRequest, "authorization-twice", "one Authorization header, please")
	}
	if r.Method != http.MethodPost {
		return nil
	}
	if r.Body != nil && r.ContentLength != 0 {
		if media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(media), "application/x-www-form-urlencoded") {
			return refuse(InvalidRequest, "media-type", "the body must be a form")
		}
	}
	r.Body = http.MaxBytesReader(nil, r.Body, maxParameters)
	if err := r.ParseForm(); err != nil {
		return refuse(InvalidRequest, "form", "the form cannot be read")
	}
	return readParameters(r.PostForm)
}

// challenging adds WWW-Authenticate to a 401, and sees refusals.
type challenging struct {
	http.ResponseWriter
	path    string
	refused bool
}

func (c *challenging) WriteHeader(status int) {
	c.refused = status >= http.StatusBadRequest && status < http.StatusInternalServerError
	if status == http.StatusUnauthorized {
		challenge := `Basic realm="cpsgate", charset="UTF-8"`
		if c.path == PathUserinfo {
			challenge = `Bearer realm="cpsgate", error="invalid_token"`
		}
		c.Header().Set("WWW-Authenticate", challenge)
	}
	c.ResponseWriter.WriteHeader(status)
}

// answerRefused records and writes a refusal, or a fault of ours.
func (p *Provider) answerRefused(w http.ResponseWriter, r *http.Request, err error) {
	err = p.toldClient(r.Context(), r.URL.Path, err)
	var refused *Refusal
	if !errors.As(err, &refused) {
		p.o.Log.ErrorContext(r.Context(), "single sign-on failed", "endpoint", r.URL.Path, "error", err)
		http.Error(w, `{"error":"server_error"}`, http.StatusInternalServerError)
		return
	}
	writeError(w, statusOf(refused.Code), refused)
}

// toldClient records a refusal of what a client asked by itself.
func (p *Provider) toldClient(ctx context.Context, endpoint string, err error) error {
	if n, ok := ctx.Value(notedKey{}).(*noted); ok {
		n.recorded = true
	}
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Reason == "code-replayed" || refused.Reason == "refresh-replayed" {
		return err // a fault of ours, or recorded as reuse
	}
	return p.tell(ctx, Event{Kind: EventToken, Refused: true, Reason: refused.Reason, Client: refused.Client, Detail: endpoint + ": " + refused.Detail}, err)
}

func statusOf(code Code) int {
	switch code {
	case InvalidClient, InvalidToken:
		return http.StatusUnauthorized
	}
	return http.StatusBadRequest
}

func writeError(w http.ResponseWriter, status int, r *Refusal) {
	writeJSON(w, status, map[string]string{"error": string(r.Code), "error_description": r.Detail})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b) // whoever asked may be gone
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
