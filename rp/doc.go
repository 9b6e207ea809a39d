// Package rp is the WebAuthn relying party: registration of a passkey and
// discoverable login with it.
//
// Specification: Web Authentication Level 3, §7.1 (registration), §7.2
// (authentication), §8 (attestation statement formats). A ceremony is a pair
// of calls: Begin gives the options for the browser and a Pending value for
// the server to keep, Finish judges the browser's answer against that value:
//
//	options, pending, err := party.BeginLogin()
//	…
//	assertion, err := party.FinishLogin(pending, body, find, now)
//
// Guarantees. Every option sent is checked again on the answer: challenge,
// ceremony type, origin with its port, RP ID, user presence and verification,
// algorithm, excluded credentials, discoverability where the browser tells it.
// Answers are read strictly: duplicate members, trailing bytes, unknown shapes
// of the attestation object are malformed. A passkey that can be backed up is
// refused, so is a sign count that does not rise (named policy), and outside
// mode "record" an attestation that is absent, of no known model, or chained
// to no root of ours. Finish is pure: it reads no clock and keeps nothing.
//
// Non-guarantees. That a challenge is used once is the duty of whoever keeps
// the Pending value. That a credential id is not registered to somebody else
// is the duty of the store. Mode "record" says nothing about the authenticator,
// and in mode "require-known" the AAGUID is what the authenticator claims, only
// "require-trusted-roots" proves its origin. Certificate status of attestation
// certificates is not asked.
package rp
