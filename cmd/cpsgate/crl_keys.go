package main

import (
	"crypto/x509"
	"log/slog"

	"cpsgate/mtls"
)

// warnOfBareKeys tells of keys without any CRL, held or to be fetched, where
// another key bears the same name: what such a key signed cannot be let in, nor
// can what is remembered of a certificate whose signer is not known.
func warnOfBareKeys(sources []mtls.CRLSource, lists []mtls.CRLStatus, log *slog.Logger) {
	held := map[string]bool{} // by CRLSource.Name
	for _, s := range lists {
		held[s.Authority] = held[s.Authority] || !s.Delta && s.Verdict != mtls.CRLIsMissing
	}
	names := map[string]map[string]bool{} // name → key → a CRL is held, or to be fetched
	for _, s := range sources {
		name, key := string(s.Issuer.RawSubject), string(s.Issuer.RawSubjectPublicKeyInfo)
		if names[name] == nil {
			names[name] = map[string]bool{}
		}
		names[name][key] = names[name][key] || held[s.Name] || len(s.URLs) > 0
	}
	for _, s := range sources {
		keys := names[string(s.Issuer.RawSubject)]
		if key := string(s.Issuer.RawSubjectPublicKeyInfo); len(keys) > 1 && !keys[key] {
			tellBareKey(s.Issuer, log)
			keys[key] = true // once for each key
		}
	}
}

func tellBareKey(issuer *x509.Certificate, log *slog.Logger) {
	log.Warn("two keys bear the name of one authority, and of this one no CRL is held, nor an address known",
		"authority", mtls.FormatName(issuer.RawSubject), "sha256", mtls.Fingerprint(issuer),
		"means", "cards of this key are refused where revocation is required, and passkeys of both whose card has not signed in since the record keeps the key",
		"key", "crl.sources")
}
