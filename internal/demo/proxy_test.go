package demo_test

import (
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cpsgate/internal/demo"
)

// asked is a cpsgate of a few lines: it answers as it is told and keeps what it
// was asked.
type asked struct {
	*httptest.Server
	status  int
	headers http.Header
	got     *http.Request
}

func newAsked(t *testing.T) *asked {
	t.Helper()
	a := &asked{status: http.StatusOK, headers: http.Header{}}
	a.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.got = r.Clone(r.Context())
		for name, values := range a.headers {
			w.Header()[name] = values
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, "cpsgate's own page")
	}))
	t.Cleanup(a.Close)
	return a
}

// application is behind the proxy, and keeps what reached it.
type application struct{ got *http.Request }

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.got = r
	_, _ = io.WriteString(w, "the application")
}

const proxied = "https://app1.localhost:41001"

func behindProxy(t *testing.T, a *asked) (http.Handler, *application) {
	t.Helper()
	app := &application{}
	roots := x509.NewCertPool()
	roots.AddCert(a.Certificate())
	h, err := demo.Proxy(demo.ProxyOptions{SignOn: a.URL, Origin: proxied, Roots: roots}, app)
	if err != nil {
		t.Fatal(err)
	}
	return h, app
}

// TestProxyPasses: the application reads what cpsgate says, and nothing of what
// the browser claims, in whatever spelling.
func TestProxyPasses(t *testing.T) {
	a := newAsked(t)
	a.headers = http.Header{"Remote-User": {"899900001027"}, "X-Cpsgate-Method": {"cps"}, "X-Other": {"x"}, "Set-Cookie": {"a=b"}}
	h, app := behindProxy(t, a)
	r := httptest.NewRequest(http.MethodPost, proxied+"/notes?id=1", strings.NewReader("bonjour"))
	r.RequestURI = "/notes?id=1"
	for _, name := range []string{"Remote-User", "Remote_User", "remote-groups", "REMOTE_NAME", "X-Cpsgate-Proof", "x_cpsgate_token", "X-Forwarded-Host", "X_Forwarded_Uri", "X-Forwarded-Method"} {
		r.Header[name] = []string{"forged"}
	}
	r.Header.Set("Cookie", "__Host-cpsgate=c")
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.Body.String() != "the application" || app.got == nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for name, values := range app.got.Header {
		if strings.Contains(strings.Join(values, ""), "forged") {
			t.Errorf("%s: %v reached the application", name, values)
		}
	}
	if app.got.Header.Get("Remote-User") != "899900001027" || app.got.Header.Get("X-Cpsgate-Method") != "cps" || app.got.Header.Get("X-Other") != "" {
		t.Errorf("the application got %v", app.got.Header)
	}
	if body, err := io.ReadAll(app.got.Body); err != nil || string(body) != "bonjour" {
		t.Errorf("the application got the body %q %v", body, err)
	}
	if a.got.Method != http.MethodGet || a.got.URL.Path != "/forward-auth/redirect" || a.got.ContentLength != 0 {
		t.Errorf("cpsgate was asked %s %s", a.got.Method, a.got.URL)
	}
	for name, want := range map[string]string{
		"X-Forwarded-Host": "app1.localhost:41001", "X-Forwarded-Proto": "https", "X-Forwarded-Method": "POST", "X-Forwarded-Uri": "/notes?id=1",
		"X-Forwarded-For": "192.0.2.1", "Cookie": "__Host-cpsgate=c", "Accept": "text/html", "Remote-User": "",
	} {
		if got := strings.Join(a.got.Header[name], "|"); got != want {
			t.Errorf("cpsgate was told %s: %q, want %q", name, got, want)
		}
	}
}

// TestProxyRefuses: only a 200 lets a request on, and no answer is none.
func TestProxyRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int // of cpsgate
		host   string
		away   bool
		want   int
		to     string
	}{
		{name: "sign in first", status: http.StatusFound, want: http.StatusFound, to: proxied + "/.cpsgate/sign-in?return=%2F"},
		{name: "a script", status: http.StatusUnauthorized, want: http.StatusUnauthorized},
		{name: "not allowed", status: http.StatusForbidden, want: http.StatusForbidden},
		{name: "in doubt", status: http.StatusServiceUnavailable, want: http.StatusServiceUnavailable},
		{name: "a status that nobody expects", status: http.StatusNoContent, want: http.StatusServiceUnavailable},
		{name: "cpsgate away", away: true, want: http.StatusServiceUnavailable},
		{name: "another host", status: http.StatusOK, host: "app9.localhost:41001", want: http.StatusMisdirectedRequest},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newAsked(t)
			a.status = tc.status
			a.headers = http.Header{"Remote-User": {"899900001027"}}
			if tc.to != "" {
				a.headers.Set("Location", tc.to)
			}
			h, app := behindProxy(t, a)
			if tc.away {
				a.Close()
			}
			r := httptest.NewRequest(http.MethodGet, proxied+"/", nil)
			if tc.host != "" {
				r.Host = tc.host
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tc.want || w.Header().Get("Location") != tc.to {
				t.Errorf("%d to %q", w.Code, w.Header().Get("Location"))
			}
			if app.got != nil {
				t.Errorf("it reached the application: %v", app.got.Header)
			}
		})
	}
}

// TestProxyHandsOn: what is cpsgate's own on the application's host comes to
// cpsgate, under the name that it knows.
func TestProxyHandsOn(t *testing.T) {
	a := newAsked(t)
	h, app := behindProxy(t, a)
	r := httptest.NewRequest(http.MethodGet, proxied+"/.cpsgate/sign-in?return=%2F", nil)
	r.Header.Set("X_Forwarded_Host", "forged")
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	r.Header.Set("Cookie", "__Host-cpsgate-attempt=a")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Body.String() != "cpsgate's own page" || app.got != nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if a.got.Host != strings.TrimPrefix(a.URL, "https://") || a.got.URL.RequestURI() != "/.cpsgate/sign-in?return=%2F" {
		t.Errorf("cpsgate was asked for %s at %s", a.got.URL, a.got.Host)
	}
	for name, want := range map[string]string{
		"X-Forwarded-Host": "app1.localhost:41001", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1", "X_forwarded_host": "", "X_Forwarded_Host": "", "Cookie": "__Host-cpsgate-attempt=a",
	} {
		if got := strings.Join(a.got.Header[name], "|"); got != want {
			t.Errorf("cpsgate was told %s: %q, want %q", name, got, want)
		}
	}
}

func TestProxyOptions(t *testing.T) {
	for _, o := range []demo.ProxyOptions{
		{SignOn: "http://sso.localhost", Origin: proxied}, {SignOn: "https://sso.localhost", Origin: "https://app1.localhost/"}, {SignOn: "https://sso.localhost"},
	} {
		if _, err := demo.Proxy(o, http.NotFoundHandler()); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

// TestLoopback: names under localhost are this machine, whatever resolvers say.
func TestLoopback(t *testing.T) {
	l := listen(t)
	defer l.Close()
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	c, err := demo.Loopback(t.Context(), "tcp", "sso.localhost:"+port)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := demo.Loopback(t.Context(), "tcp", "sso.localhost"); err == nil {
		t.Error("without a port")
	}
}
