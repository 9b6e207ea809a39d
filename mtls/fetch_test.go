package mtls_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

func serve(t testing.TB, h http.HandlerFunc) (address string, fetcher *mtls.Fetcher) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL, &mtls.Fetcher{Hosts: []string{strings.TrimPrefix(server.URL, "http://")}}
}

// fetchAll reads an answer to its end; the error is that of either step.
func fetchAll(f *mtls.Fetcher, address string, held mtls.Validators) ([]byte, mtls.Validators, error) {
	fetched, err := f.CRL(context.Background(), address, held)
	if err != nil {
		return nil, mtls.Validators{}, err
	}
	defer fetched.Close()
	body, err := io.ReadAll(fetched)
	return body, fetched.Validators, err
}

func TestFetchCRL(t *testing.T) {
	pki := crlPKI(t)
	ca := pki.Issuer(testpki.Fort, testpki.Persons)
	address, fetcher := serve(t, pki.Handler().ServeHTTP)
	address += "/CRL/ACI-FO-PP-TEST.crl"
	der, validators, err := fetchAll(fetcher, address, mtls.Validators{})
	if err != nil {
		t.Fatal(err)
	}
	if err := readCRL(t, der).CheckSignature(ca.Certificate); err != nil {
		t.Error(err)
	}
	if validators.ETag == "" || validators.LastModified == "" {
		t.Errorf("validators %+v", validators)
	}
	for name, held := range map[string]mtls.Validators{"both": validators, "tag": {ETag: validators.ETag}, "date": {LastModified: validators.LastModified}} {
		if _, _, err := fetchAll(fetcher, address, held); !errors.Is(err, mtls.FetchNotModified) {
			t.Errorf("held, by %s: %v", name, err)
		}
	}
}

func TestFetchCRLRefusals(t *testing.T) {
	const crl = "0123456789"
	release := make(chan struct{})
	defer close(release)
	address, fetcher := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			_, _ = io.WriteString(w, crl)
		case "/redirect":
			http.Redirect(w, r, "/good", http.StatusFound)
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.Copy(gzip.NewWriter(w), io.LimitReader(strings.NewReader(strings.Repeat("0", 1<<16)), 1<<16))
		case "/announced":
			w.Header().Set("Content-Length", "11")
			_, _ = io.WriteString(w, crl+"x")
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, crl); err != nil {
					return
				}
			}
		case "/broken":
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, crl[:5])
			panic(http.ErrAbortHandler)
		case "/silent":
			w.(http.Flusher).Flush()
			<-release
		case "/trickle":
			for range 100 {
				_, _ = io.WriteString(w, "0")
				w.(http.Flusher).Flush()
				select {
				case <-release:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		default:
			http.NotFound(w, r)
		}
	})
	fetcher.MaxBytes, fetcher.Patience, fetcher.Deadline = int64(len(crl)), 150*time.Millisecond, 300*time.Millisecond
	if body, _, err := fetchAll(fetcher, address+"/good", mtls.Validators{}); err != nil || string(body) != crl {
		t.Fatalf("good: %q %v", body, err)
	}
	patient := &mtls.Fetcher{Hosts: fetcher.Hosts, Deadline: 300 * time.Millisecond}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, tt := range map[string]struct {
		fetcher *mtls.Fetcher
		address string
		want    mtls.FetchFault
	}{
		"missing":                     {fetcher, address + "/missing", mtls.FetchStatus},
		"redirected":                  {fetcher, address + "/redirect", mtls.FetchRedirected},
		"compressed":                  {fetcher, address + "/bomb", mtls.FetchEncoded},
		"announces too much":          {fetcher, address + "/announced", mtls.FetchTooLarge},
		"never ends":                  {fetcher, address + "/endless", mtls.FetchTooLarge},
		"breaks off":                  {fetcher, address + "/broken", mtls.FetchBroken},
		"falls silent":                {fetcher, address + "/silent", mtls.FetchTooSlow},
		"trickles":                    {patient, address + "/trickle", mtls.FetchTooSlow},
		"nobody there":                {&mtls.Fetcher{Hosts: []string{closed.Addr().String()}}, "http://" + closed.Addr().String(), mtls.FetchUnreachable},
		"no host is allowed":          {&mtls.Fetcher{}, address + "/good", mtls.FetchHostNotAllowed},
		"another port":                {fetcher, "http://127.0.0.1:1/good", mtls.FetchHostNotAllowed},
		"another host":                {fetcher, "http://metadata.internal/", mtls.FetchHostNotAllowed},
		"a file":                      {fetcher, "file:///etc/passwd", mtls.FetchAddress},
		"with a password":             {fetcher, strings.Replace(address, "http://", "http://u:p@", 1), mtls.FetchAddress},
		"not an address":              {fetcher, "http://%zz/", mtls.FetchAddress},
		"directory without attribute": {&mtls.Fetcher{Hosts: []string{"x"}}, "ldap://x/c=FR", mtls.FetchAddress},
		"directory, subtree":          {&mtls.Fetcher{Hosts: []string{"x"}}, "ldap://x/c=FR?a?sub", mtls.FetchAddress},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := fetchAll(tt.fetcher, tt.address, mtls.Validators{})
			var refused *mtls.FetchError
			if !errors.Is(err, tt.want) || !errors.As(err, &refused) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

func TestFetchHosts(t *testing.T) {
	for name, tt := range map[string]struct {
		hosts   []string
		address string
		allowed bool
	}{
		"by name":                  {[]string{"crl.example"}, "http://crl.example/a", true},
		"in capitals":              {[]string{"crl.example"}, "http://CRL.Example/a", true},
		"with its default port":    {[]string{"crl.example"}, "https://crl.example:443/a", true},
		"another port":             {[]string{"crl.example"}, "http://crl.example:8080/a", false},
		"another port, named":      {[]string{"crl.example:8080"}, "http://crl.example:8080/a", true},
		"a name below":             {[]string{"crl.example"}, "http://x.crl.example/a", false},
		"the name as a prefix":     {[]string{"crl.example"}, "http://crl.example.evil/a", false},
		"the name before an at":    {[]string{"crl.example"}, "http://crl.example@evil/a", false},
		"the name with a last dot": {[]string{"crl.example"}, "http://crl.example./a", false},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // nothing is sent
		_, err := (&mtls.Fetcher{Hosts: tt.hosts}).CRL(ctx, tt.address, mtls.Validators{})
		refused := errors.Is(err, mtls.FetchHostNotAllowed) || errors.Is(err, mtls.FetchAddress)
		if refused == tt.allowed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// directory serves a PKI over LDAP and returns its address.
func directory(t testing.TB) (pki *testpki.PKI, host string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	host = listener.Addr().String()
	pki, err = testpki.New(testpki.Options{Test: true, Now: func() time.Time { return crlNow }, LDAPURL: "ldap://" + host})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = pki.ServeLDAP(listener) }()
	return pki, host
}

func TestFetchDirectory(t *testing.T) {
	pki, host := directory(t)
	ca := pki.Issuer(testpki.Fort, testpki.Persons)
	fetcher := &mtls.Fetcher{Hosts: []string{host}}
	for address, delta := range map[string]bool{ca.LDAPCRLURL(): false, ca.LDAPDeltaURL(): true} {
		der, _, err := fetchAll(fetcher, address, mtls.Validators{})
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		if list := readCRL(t, der); list.IsDelta() != delta || list.CheckSignature(ca.Certificate) != nil {
			t.Errorf("%s: delta %t", address, list.IsDelta())
		}
	}
	small := &mtls.Fetcher{Hosts: []string{host}, MaxDirectoryBytes: 1}
	ca.Publish(make([]byte, 80<<10))
	if _, _, err := fetchAll(small, ca.LDAPCRLURL(), mtls.Validators{}); !errors.Is(err, mtls.FetchTooLarge) {
		t.Errorf("too large: %v", err)
	}
	missing := (&url.URL{Scheme: "ldap", Host: host, Path: "/cn=NOBODY,c=FR", RawQuery: "certificateRevocationList;binary?base?objectClass=pkiCA"}).String()
	if _, _, err := fetchAll(fetcher, missing, mtls.Validators{}); !errors.Is(err, mtls.FetchStatus) {
		t.Errorf("no such entry: %v", err)
	}
}

// A directory that takes the question and says nothing, or not in LDAP.
func TestFetchDirectoryThatHangs(t *testing.T) {
	for name, tt := range map[string]struct {
		say  string
		want mtls.FetchFault
	}{
		"silent":   {"", mtls.FetchTooSlow},
		"not LDAP": {"HTTP/1.1 400 Bad Request\r\n\r\n", mtls.FetchBroken},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				connection, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(connection, tt.say)
				if tt.say != "" {
					connection.Close()
				}
			}()
			host := listener.Addr().String()
			fetcher := &mtls.Fetcher{Hosts: []string{host}, Patience: 100 * time.Millisecond}
			if _, _, err := fetchAll(fetcher, "ldap://"+host+"/c=FR?certificateRevocationList?base", mtls.Validators{}); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

func TestFetchOCSP(t *testing.T) {
	b := newOCSPBench(t)
	release := make(chan struct{})
	defer close(release)
	address, fetcher := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ocsp":
			b.ca.OCSP(testpki.OCSPSpec{}).ServeHTTP(w, r)
		case "/slow":
			<-release
		case "/large":
			_, _ = w.Write(make([]byte, 65<<10))
		}
	})
	question, err := b.question.DER()
	if err != nil {
		t.Fatal(err)
	}
	der, err := fetcher.OCSP(t.Context(), address+"/ocsp", question)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := mtls.ReadOCSP(der, b.question, mtls.OCSPPolicy{}, crlNow); err != nil || answer.Status != mtls.OCSPGood {
		t.Errorf("%+v %v", answer, err)
	}
	fetcher.OCSPDeadline = 100 * time.Millisecond
	if _, err := fetcher.OCSP(t.Context(), address+"/slow", question); !errors.Is(err, mtls.FetchTooSlow) {
		t.Errorf("slow: %v", err)
	}
	if _, err := fetcher.OCSP(t.Context(), address+"/large", question); !errors.Is(err, mtls.FetchTooLarge) {
		t.Errorf("large: %v", err)
	}
	if _, err := fetcher.OCSP(t.Context(), "ldap://"+fetcher.Hosts[0]+"/", question); !errors.Is(err, mtls.FetchAddress) {
		t.Errorf("LDAP: %v", err)
	}
}
