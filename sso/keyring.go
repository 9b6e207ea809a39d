package sso

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// pairwise names the secret that pairwise subjects are made with. It is never
// rotated: subjects would change.
const pairwise = "pairwise"

// rsaBits is the length of an RS256 key (NIST SP 800-57 part 1, table 2).
const rsaBits = 2048

// ring is what a node knows of the shelf at one moment. It is never changed.
type ring struct {
	read   time.Time
	keys   map[string]*signingKey // by kid
	lines  map[Algorithm][]*signingKey
	secret []byte // of pairwise subjects
	jwks   []byte
}

// signingKey is one key pair.
type signingKey struct {
	algorithm Algorithm
	from      time.Time
	public    jose.JSONWebKey
	private   jose.JSONWebKey
}

// newKey makes the secret that is due.
func (s SealingKey) newKey(due KeyRecord) (KeyRecord, error) {
	if due.Algorithm == pairwise {
		secret := make([]byte, sha256.Size)
		rand.Read(secret) // never fails since Go 1.24
		due.ID = pairwise // one only: the shelf refuses a second of the name
		due.Sealed = s.seal(secret, pairwise, due.ID)
		return due, nil
	}
	private, err := generate(Algorithm(due.Algorithm))
	if err != nil {
		return KeyRecord{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return KeyRecord{}, err
	}
	if due.ID, err = kid(private.Public()); err != nil {
		return KeyRecord{}, err
	}
	due.Sealed = s.seal(der, due.Algorithm, due.ID)
	return due, nil
}

func generate(algorithm Algorithm) (crypto.Signer, error) {
	switch algorithm {
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RS256:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	}
	return nil, fmt.Errorf("no keys of algorithm %q", algorithm)
}

// kid is the key's thumbprint (RFC 7638 §3).
func kid(public crypto.PublicKey) (string, error) {
	web := jose.JSONWebKey{Key: public}
	sum, err := web.Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum), err
}

// newRing opens all that is kept. One that does not open fails it: a provider
// that lost a key must not seem to be in order.
func (s SealingKey) newRing(kept []KeyRecord, now time.Time) (*ring, error) {
	r := &ring{read: now, keys: map[string]*signingKey{}, lines: map[Algorithm][]*signingKey{}}
	for _, record := range kept {
		secret, err := s.open(record.Sealed, record.Algorithm, record.ID)
		if err != nil {
			return nil, fmt.Errorf("signing key %s: %w", record.ID, err)
		}
		if record.Algorithm == pairwise {
			r.secret = secret
			continue
		}
		key, err := parseSigningKey(record, secret)
		if err != nil {
			return nil, fmt.Errorf("signing key %s: %w", record.ID, err)
		}
		r.keys[record.ID] = key
	}
	public := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, algorithm := range algorithms() {
		for _, record := range lineOf(kept, string(algorithm)) {
			r.lines[algorithm] = append(r.lines[algorithm], r.keys[record.ID])
			public.Keys = append(public.Keys, r.keys[record.ID].public)
		}
	}
	var err error
	r.jwks, err = json.Marshal(public)
	return r, err
}

func parseSigningKey(record KeyRecord, der []byte) (*signingKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	var public crypto.PublicKey
	switch private := parsed.(type) {
	case *ecdsa.PrivateKey:
		public = private.Public()
	case *rsa.PrivateKey:
		public = private.Public()
	default:
		return nil, fmt.Errorf("%T", parsed)
	}
	web := jose.JSONWebKey{Key: public, KeyID: record.ID, Algorithm: record.Algorithm, Use: "sig"}
	return &signingKey{
		algorithm: Algorithm(record.Algorithm), from: record.From, public: web,
		private: jose.JSONWebKey{Key: parsed, KeyID: record.ID},
	}, nil
}

// signing is the key that signs at now: of those whose time has come, the last.
func (r *ring) signing(algorithm Algorithm, now time.Time) (in *signingKey) {
	for _, key := range r.lines[algorithm] {
		if !now.Before(key.from) {
			in = key
		}
	}
	return in
}

func (k *signingKey) sign(typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.algorithm), Key: k.private},
		(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return signed.CompactSerialize()
}

func (r *ring) pairwise(sector, person string) string {
	return base64.RawURLEncoding.EncodeToString(r.derive("pairwise\x00" + sector + "\x00" + person))
}

func (r *ring) derive(text string) []byte {
	mac := hmac.New(sha256.New, r.secret)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
