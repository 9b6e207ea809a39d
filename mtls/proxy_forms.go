package mtls

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Bounds on what is decoded from headers.
const (
	maxForwarded      = 128 << 10 // characters
	maxForwardedChain = 16
)

// decode gives the leaf's DER.
func (f ProxyForm) decode(value string) ([]byte, error) {
	value = strings.TrimSpace(value)
	if len(value) > maxForwarded {
		return nil, fmt.Errorf("%d characters, at most %d are read", len(value), maxForwarded)
	}
	switch f {
	case ProxyRFC9440:
		return byteSequence(value)
	case ProxyNginx:
		return escapedPEM(value)
	case ProxyHAProxy:
		return base64DER(value)
	case ProxyTraefik:
		return traefikPEM(value)
	}
	return nil, errors.New("unknown form")
}

// byteSequence is a Structured Fields byte sequence (RFC 9440 §2.1, RFC 9651
// §3.3.5): base64 between colons, and no parameters, for none are defined.
func byteSequence(value string) ([]byte, error) {
	if len(value) < 2 || value[0] != ':' || value[len(value)-1] != ':' {
		return nil, errors.New("not a byte sequence between colons")
	}
	return base64DER(value[1 : len(value)-1])
}

// base64DER takes standard base64, padded or not: RFC 9651 §4.2.7 asks readers
// not to insist.
func base64DER(value string) ([]byte, error) {
	der, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(value, "="))
	switch {
	case err != nil:
		return nil, err
	case strings.ContainsAny(value, "\r\n"): // which the decoder would pass over
		return nil, errors.New("line breaks in base64")
	case len(der) == 0 || len(der) > maxCertificateDER:
		return nil, fmt.Errorf("%d bytes are no certificate", len(der))
	}
	return der, nil
}

// escapedPEM is one PEM certificate with percent signs, as
// $ssl_client_escaped_cert has it. A plus sign is a plus sign.
func escapedPEM(value string) ([]byte, error) {
	text, err := url.PathUnescape(value)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil || block.Type != "CERTIFICATE" || len(block.Headers) > 0:
		return nil, errors.New("not a PEM certificate")
	case strings.TrimSpace(string(rest)) != "" || !strings.HasPrefix(text, "-----BEGIN "):
		return nil, errors.New("more than a PEM certificate")
	case len(block.Bytes) > maxCertificateDER:
		return nil, errors.New("too long for a certificate")
	}
	return block.Bytes, nil
}

// traefikPEM is the first of the certificates that Traefik joins with commas,
// each without line breaks, BEGIN and END; older versions escape the whole.
func traefikPEM(value string) ([]byte, error) {
	text, err := url.PathUnescape(value)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(text, ",")
	if len(parts) > maxForwardedChain {
		return nil, fmt.Errorf("more than %d certificates", maxForwardedChain)
	}
	return base64DER(parts[0])
}

// checkForwardedChain reads Client-Cert-Chain, a list of byte sequences (RFC
// 9440 §2.3), for its form.
func checkForwardedChain(lines []string) error {
	count := 0
	for _, line := range lines {
		if len(line) > maxForwarded {
			return errors.New("oversized chain")
		}
		for item := range strings.SplitSeq(line, ",") {
			if count++; count > maxForwardedChain {
				return fmt.Errorf("more than %d certificates", maxForwardedChain)
			}
			if _, err := byteSequence(strings.Trim(item, " \t")); err != nil {
				return fmt.Errorf("chain: %w", err)
			}
		}
	}
	return nil
}
