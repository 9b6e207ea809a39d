package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/mtls"
)

// ocspWatch remembers the certificates that sessions may stand on: those let in
// within the time that a session lasts. CRLs tell of revocations by themselves;
// a responder must be asked.
type ocspWatch struct {
	stands time.Duration // how long a session may last

	mu sync.Mutex // guards of
	of map[watchedKey]watchedCertificate
}

type watchedKey struct{ issuer, serial string }

type watchedCertificate struct {
	identity.Certificate
	until time.Time
}

// maxWatched bounds the certificates asked about again; whoever signs in beyond
// that is judged at the next sign-in, as ever.
const maxWatched = 20_000

func (w *ocspWatch) note(c identity.Certificate, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.of == nil {
		w.of = map[watchedKey]watchedCertificate{}
	}
	key := watchedKey{c.IssuerKey, c.Serial}
	if _, known := w.of[key]; known || len(w.of) < maxWatched {
		w.of[key] = watchedCertificate{c, now.Add(w.stands)}
	}
}

// list gives those that a session may still stand on, and forgets the others.
func (w *ocspWatch) list(now time.Time) (all []identity.Certificate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, c := range w.of {
		if now.After(c.until) {
			delete(w.of, key)
			continue
		}
		all = append(all, c.Certificate)
	}
	return all
}

// askOn asks again about those certificates as soon as their answers are out of
// date, until ctx ends: a card that a responder calls revoked is suspended while
// its holder is signed in.
func (j *judge) askOn(ctx context.Context, registry *enroll.Registry) {
	if j.ocsp == nil {
		return
	}
	tick := time.NewTicker(mtls.DefaultOCSPCacheFor)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			j.askAgain(ctx, registry)
		}
	}
}

func (j *judge) askAgain(ctx context.Context, registry *enroll.Registry) {
	for _, c := range j.watched.list(j.now()) {
		if ctx.Err() != nil {
			return
		}
		j.ask(j.StoredQuestions(c, j.now()))
		var refused *mtls.Refusal
		if err := j.Verifier.Recheck(c, j.now()); !errors.As(err, &refused) || refused.Reason != mtls.Revoked {
			continue
		}
		if err := registry.CertificateRevoked(ctx, c.IssuerKey, c.Serial, "OCSP"); err != nil {
			j.log.ErrorContext(ctx, "a card does not follow its responder yet", "serial", c.Serial, "error", err)
		}
	}
}
