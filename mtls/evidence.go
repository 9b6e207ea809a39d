package mtls

import (
	"crypto/x509"
	"math/big"
	"slices"
	"sync"
	"time"
	"weak"
)

// Evidence is what a Verifier may consult about revocation. An implementation
// answers from memory: it does no I/O, and what it returns is not changed
// afterwards. It vouches for nothing: the verifier judges signature, scope and
// freshness of each list itself, at each use.
type Evidence interface {
	// CRLs returns every list held under that issuer (the DER of its name):
	// complete, delta and merged ones, in any order.
	CRLs(issuer []byte) []*CRL
}

// OCSPEvidence is evidence that holds OCSP answers too. An answer's nonce is
// the business of who asked: here it is too late to compare it.
type OCSPEvidence interface {
	Evidence
	// OCSPAnswers returns the answers (DER) held that may be about that serial.
	OCSPAnswers(issuer *x509.Certificate, serial *big.Int) [][]byte
}

// BypassEvidence is evidence that knows of a manual bypass ("débrayage"): until
// it ends, missing evidence does not refuse; evidence of revocation still does.
type BypassEvidence interface {
	Evidence
	// BypassedUntil tells when the bypass ends for what that issuer (the DER of
	// its name) issued; the zero time: there is none.
	BypassedUntil(issuer []byte) time.Time
}

// FileEvidence is evidence that does not change: CRLs and OCSP answers read
// from files.
type FileEvidence struct {
	CRLSet
	Answers [][]byte // OCSP responses in DER, about whatever certificates
}

// OCSPAnswers implements OCSPEvidence.
func (f FileEvidence) OCSPAnswers(*x509.Certificate, *big.Int) [][]byte { return f.Answers }

// CRLSet is evidence that does not change: CRLs read from files.
type CRLSet map[string][]*CRL

// NewCRLSet holds the given lists.
func NewCRLSet(lists ...*CRL) CRLSet {
	s := CRLSet{}
	for _, list := range lists {
		s[string(list.Issuer)] = append(s[string(list.Issuer)], list)
	}
	return s
}

// CRLs implements Evidence.
func (s CRLSet) CRLs(issuer []byte) []*CRL { return s[string(issuer)] }

// maxMemo bounds the memory of signatures: a handful of CRLs are in use at a
// time, and each refresh leaves one dead entry behind.
const maxMemo = 512

// signatureMemo remembers which certificate's key signed which CRL, so that a
// login does not verify the signature of a list again. It keeps no CRL alive.
type signatureMemo struct {
	mu    sync.RWMutex
	known map[memoKey]error
}

type memoKey struct {
	list   weak.Pointer[CRL]
	signer *x509.Certificate
}

func (m *signatureMemo) check(list *CRL, signer *x509.Certificate) error {
	key := memoKey{weak.Make(list), signer}
	m.mu.RLock()
	err, found := m.known[key]
	m.mu.RUnlock()
	if found {
		return err
	}
	err = list.CheckSignature(signer)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= maxMemo {
		m.known = map[memoKey]error{}
	}
	m.known[key] = err
	return err
}

// sameScope: two lists are about the same certificates (RFC 5280 §5.2.4 (c)).
func sameScope(a, b *CRL) bool { return a.scope() == b.scope() }

func (c *CRL) scope() string {
	if c.IssuingDistributionPoint == nil {
		return ""
	}
	return string(c.IssuingDistributionPoint.Raw)
}

// newer orders two lists of one scope: by number where both have one (§5.2.3),
// else by thisUpdate.
func newer(a, b *CRL) bool {
	if a.Number != nil && b.Number != nil {
		if order := a.Number.Cmp(b.Number); order != 0 {
			return order > 0
		}
	}
	return a.ThisUpdate.After(b.ThisUpdate)
}

// sameAuthorityKey: §5.2.4 and §6.3.3 (c)(3): base and delta name the same key.
func sameAuthorityKey(a, b *CRL) bool {
	return slices.Equal(a.AuthorityKeyID, b.AuthorityKeyID)
}
