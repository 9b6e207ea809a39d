package testpki

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// published is what Handler serves as an authority's CRL; guarded by Authority.mu.
type published struct {
	der   []byte
	at    time.Time
	until time.Time
	fixed bool // by Publish
	stale bool // something was revoked since
}

// Publish makes Handler serve these bytes as the authority's CRL, whatever they
// are, until it is called with nil.
func (a *Authority) Publish(der []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.published = published{der: der, at: a.pki.now(), fixed: der != nil, stale: der == nil}
}

// current is the CRL to serve: the published one, or one made when first asked
// for, remade when something was revoked and from half its life on.
func (a *Authority) current() ([]byte, time.Time, error) {
	a.publishing.Lock() // one at a time, so that nobody is served what is being replaced
	defer a.publishing.Unlock()
	now := a.pki.now()
	a.mu.Lock()
	p := a.published
	a.mu.Unlock()
	if p.fixed || p.der != nil && !p.stale && now.Before(p.until) {
		return p.der, p.at, nil
	}
	thisUpdate, nextUpdate := a.updates(CRLSpec{ThisUpdate: now})
	a.mu.Lock()
	a.published.stale = false
	a.mu.Unlock()
	der, err := a.CRL(CRLSpec{ThisUpdate: thisUpdate, NextUpdate: nextUpdate})
	if err != nil {
		return nil, time.Time{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.published.fixed {
		a.published.der, a.published.at, a.published.until = der, now, now.Add(nextUpdate.Sub(thisUpdate)/2)
	}
	return der, now, nil
}

// Handler serves what the certificates point at: each authority's CRL and
// certificate under its real path, and OCSP at /ocsp for all of them.
func (p *PKI) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /CRL/{file}", p.serveCRL)
	mux.HandleFunc("GET /{folder}/{file}", p.serveCertificate)
	ocsp := p.ocspOfAll()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Past the mux, which would clean a "//" out of a request in base64.
		if r.URL.Path == ocspPath || strings.HasPrefix(r.URL.Path, ocspPath+"/") {
			ocsp.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

const ocspPath = "/ocsp"

// named finds an authority by the last part of its file name's address.
func (p *PKI) named(file, suffix string) *Authority {
	for _, r := range Ranges {
		short := "ACR-" + r.short()
		if p.fileOf(short)+suffix == file {
			return p.Root(r)
		}
		for _, a := range Audiences {
			if p.fileOf("ACI-"+r.short()+"-"+a.short())+suffix == file {
				return p.Issuer(r, a)
			}
		}
	}
	return nil
}

func (p *PKI) serveCRL(w http.ResponseWriter, r *http.Request) {
	authority := p.named(r.PathValue("file"), ".crl")
	if authority == nil {
		http.NotFound(w, r)
		return
	}
	der, at, err := authority.current()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/pkix-crl")
	serve(w, r, der, at)
}

func (p *PKI) serveCertificate(w http.ResponseWriter, r *http.Request) {
	authority := p.named(r.PathValue("file"), ".cer")
	if authority == nil || !strings.HasPrefix(authority.CertificatePath(), "/"+r.PathValue("folder")+"/") {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/pkix-cert")
	serve(w, r, authority.Certificate.Raw, authority.Certificate.NotBefore)
}

// serve answers conditional requests too, by ETag and by date.
func serve(w http.ResponseWriter, r *http.Request, content []byte, at time.Time) {
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(content)))
	http.ServeContent(w, r, "", at, bytes.NewReader(content))
}
