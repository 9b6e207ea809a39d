package web

import (
	"context"
	"errors"

	"cpsgate/identity"
	"cpsgate/mtls"
)

// seenAtTheDoor is the source of a revocation that a sign-in came upon.
const seenAtTheDoor = "found when it was used"

// heedRevocation suspends the card of a certificate that was refused as revoked,
// whichever evidence told it: its passkeys and sessions end now, not when the
// next list is read. The holder has proved the certificate's key by then.
func (s *Server) heedRevocation(ctx context.Context, err error) error {
	var refused *mtls.Refusal
	if !errors.As(err, &refused) || refused.Reason != mtls.Revoked || refused.Claimed == nil {
		return nil
	}
	certificate := refused.Claimed.Certificate
	return s.o.Registry.CertificateRevoked(ctx, certificate.IssuerKey, certificate.Serial, seenAtTheDoor)
}

// stillGood asks whether a stored certificate is unrevoked, and heeds the answer.
func (s *Server) stillGood(ctx context.Context) func(identity.Certificate) error {
	return func(certificate identity.Certificate) error {
		err := s.o.Verifier.Recheck(certificate, s.o.Now())
		var refused *mtls.Refusal
		if !errors.As(err, &refused) || refused.Reason != mtls.Revoked {
			return err
		}
		return errors.Join(err, s.o.Registry.CertificateRevoked(ctx, certificate.IssuerKey, certificate.Serial, seenAtTheDoor))
	}
}
