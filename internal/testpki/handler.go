package testpki

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// published is what is served as an authority's CRL or delta CRL; guarded by
// Authority.mu.
type published struct {
	der   []byte
	at    time.Time
	until time.Time
	fixed bool // by Publish or PublishDelta
	stale bool // something was revoked since
}

// Publish makes Handler and ServeLDAP serve these bytes as the authority's CRL,
// whatever they are, until it is called with nil.
func (a *Authority) Publish(der []byte) { a.publish(&a.full, der) }

// PublishDelta does the same for the delta CRL.
func (a *Authority) PublishDelta(der []byte) { a.publish(&a.delta, der) }

func (a *Authority) publish(place *published, der []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	*place = published{der: der, at: a.pki.now(), fixed: der != nil, stale: der == nil}
}

// current is the CRL to serve: the published one, or one made when first asked
// for, remade when something was revoked and from half its life on.
func (a *Authority) current() ([]byte, time.Time, error) {
	a.publishing.Lock() // one at a time, so that nobody is served what is being replaced
	defer a.publishing.Unlock()
	return a.serving(&a.full, a.CRL)
}

// currentDelta is the same for the delta CRL, built upon the last full CRL made.
func (a *Authority) currentDelta() ([]byte, error) {
	a.publishing.Lock()
	defer a.publishing.Unlock()
	a.mu.Lock()
	first := a.crlNumber == 0
	a.mu.Unlock()
	if first { // a delta needs something to build upon
		if _, _, err := a.serving(&a.full, a.CRL); err != nil {
			return nil, err
		}
	}
	der, _, err := a.serving(&a.delta, a.DeltaCRL)
	return der, err
}

// serving returns what stands in the place, or fills it. The caller holds publishing.
func (a *Authority) serving(place *published, make func(CRLSpec) ([]byte, error)) ([]byte, time.Time, error) {
	now := a.pki.now()
	a.mu.Lock()
	was := *place
	if was.fixed || was.der != nil && !was.stale && now.Before(was.until) {
		a.mu.Unlock()
		return was.der, was.at, nil
	}
	place.stale = false // before the making, so that a revocation meanwhile is not lost
	a.mu.Unlock()
	thisUpdate, nextUpdate := a.updates(CRLSpec{ThisUpdate: now})
	der, err := make(CRLSpec{ThisUpdate: thisUpdate, NextUpdate: nextUpdate})
	if err != nil {
		return nil, time.Time{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !place.fixed {
		place.der, place.at, place.until = der, now, now.Add(nextUpdate.Sub(thisUpdate)/2)
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
