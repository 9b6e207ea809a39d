package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"
)

// openToOthers are the permission bits that no secret file may have.
const openToOthers = 0o007

// checkSecretFile refuses a secret that any account of the machine can read or
// replace.
func checkSecretFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file", path)
	}
	if info.Mode().Perm()&openToOthers != 0 {
		return fmt.Errorf("%s: every account of this machine can reach this key (mode %04o): chmod o-rwx it", path, info.Mode().Perm())
	}
	return nil
}

// loadServerCertificate reads a server's certificate chain and key, and
// refuses what no browser would accept for every one of hosts.
func loadServerCertificate(certificateFile, keyFile string, now time.Time, hosts ...string) (tls.Certificate, error) {
	if err := checkSecretFile(keyFile); err != nil {
		return tls.Certificate{}, fmt.Errorf("server key: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(certificateFile, keyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("server certificate %s: %w", certificateFile, err)
	}
	if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
		return tls.Certificate{}, fmt.Errorf("server certificate %s: %w", certificateFile, err)
	}
	if now.Before(pair.Leaf.NotBefore) || now.After(pair.Leaf.NotAfter) {
		return tls.Certificate{}, fmt.Errorf("server certificate %s: valid from %s to %s only", certificateFile,
			pair.Leaf.NotBefore.Format(time.RFC3339), pair.Leaf.NotAfter.Format(time.RFC3339))
	}
	var wrong []error
	for _, host := range hosts {
		wrong = append(wrong, pair.Leaf.VerifyHostname(host))
	}
	if err := errors.Join(wrong...); err != nil {
		return tls.Certificate{}, fmt.Errorf("server certificate %s: %s", certificateFile, oneLine(err.Error()))
	}
	return pair, nil
}
