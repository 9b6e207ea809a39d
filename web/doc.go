// Package web is what people and their browsers meet of cpsgate: the pages of
// the main host, the desk's among them, the card host at which a certificate is
// shown, and the admin listener's health answers; and what programs call: the
// workstations of the desk (docs/enrolment-protocol.md) and machine clients
// (openapi.json).
//
// New takes Options and gives a Server, whose Main, Card and Admin are plain
// http.Handlers; whoever holds the listeners owns addresses, TLS and time
// limits. The card handler must stand behind mtls.ListenerConfig and
// mtls.ConnContext, or it sees no certificate.
//
// Specifications: RFC 9110 (HTTP), RFC 6265bis (cookies and their __Host-
// prefix), Content Security Policy Level 3, Web Authentication Level 3 (the
// JSON forms of its options and responses), WCAG 2.1 AA as RGAA 4.1 asks it.
//
// What it guarantees:
//
//   - the main host never asks for a client certificate and never reads one;
//     the card host sets and reads no cookie;
//   - a sign-in ends in the browser in which it began: the one-time code of
//     the card host and the flow cookie of the main host are judged together;
//   - every session token is new: none survives a sign-in, and when another
//     person signs in over an open session, that session ends first;
//   - a return address is a path of ours, or it is not followed;
//   - each refusal is a page (or a JSON answer) that says what happened, why,
//     what to do now and whom to call, with the number under which the audit
//     log holds it; errors of ours show no detail;
//   - no cookie, token, code, query, body or assertion is ever logged.
//
// What it does not: it judges no certificate (mtls), no assertion (rp) and no
// card record (enroll); it cannot make a browser forget the certificate chosen
// on a host name, which is why each attempt gets a host name of its own; and
// its rate limits count in the memory of one process.
package web
