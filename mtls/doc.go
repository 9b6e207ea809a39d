// Package mtls judges the client certificates that CPS cards present.
//
// A judgement takes a certificate, a policy, the evidence held (certification
// authorities, CRLs, OCSP answers) and a point in time, and gives a cardholder
// or a typed Refusal. It reads no clock, opens no file and no socket: the same
// bytes, policy, evidence and time always give the same verdict, whether a
// card listener asks or a help desk, a year later, with cpsgate cert verify.
//
// # What it holds to
//
//   - Identity comes only from the subject of a certificate whose path to a
//     configured anchor this package has built and verified, with certificates
//     held locally. What a client sends beside its leaf is never used.
//   - Path validation is RFC 5280 §6.1, by crypto/x509, plus what that leaves
//     out: certificate policies as inputs (§6.1.1, RFC 9618), name constraints
//     it would not see, weak keys and hashes, a budget on work.
//   - Revocation is RFC 5280 §6.3, for the leaf and for every authority between
//     it and its anchor, and for the anchor too when the certificate that issued
//     it is held. Evidence that is stale, of the wrong scope, signed by the
//     wrong key or not understood is no evidence.
//   - The card profile of the IGC-Santé is checked point by point; each point
//     has its own reason, and what does not match in full is refused.
//   - A refusal says for the audit what the certificate claims, in a field that
//     is named for it; that is never an identity.
//
// # What it does not do
//
//   - It does not prove possession of the private key: the TLS handshake does,
//     and a caller that hands over a certificate from elsewhere must say how it
//     knows. It cannot tell whether a PIN was typed: it refuses what does not
//     match the profile of certificates whose keys need one.
//   - Indirect CRLs and CRLs split by reason are refused by name, and DSA, name
//     comparison other than byte for byte, and directoryName constraints are
//     not taken: docs/revocation.md lists what stays refused.
//   - It trusts no root of the IGC-Santé for persons' cards: the anchors are
//     the intermediates that issue them.
//
// Specifications: RFC 5280 (certificates and CRLs), RFC 9618 (policies),
// RFC 6960 (OCSP), RFC 8446 and RFC 5246 (TLS), RFC 9440 (Client-Cert), and
// ANS's description of the IGC-Santé.
package mtls
