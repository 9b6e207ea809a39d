// Package forwardauth answers the reverse proxies that ask, before each request
// they pass on to an application, whether it may go on and whose it is (nginx
// auth_request, Traefik ForwardAuth, Caddy forward_auth).
//
// A Gate knows the applications by their origins and the rules of their paths.
// Check judges one request; it costs one look-up of the session and nothing
// else, for what it tells of a person is kept ready for as long as the session
// stays as it was.
//
// The session cookie belongs to the sign-on host and never leaves it. Each
// application host gets a cookie of its own, in three steps: Begin, on the
// application's host, ties the browser to a secret; Admit, on the sign-on host,
// gives an open session's browser a code; Finish, back on the application's
// host, takes the code once and gives the cookie. That cookie is the session's
// token sealed by AES-256-GCM for this one host (NIST SP 800-38D): it opens
// nothing elsewhere, and it dies with its session, at a rotation too.
//
// Guaranteed: what is not known to be allowed is refused; of the several ways
// in which a proxy or an application may read a path, all must be allowed; a
// return address is never anything but an address of an application named in
// the configuration.
//
// Not guaranteed: an application that can be reached past its proxy is not
// protected, and believes whatever Remote-User it is sent. A role withdrawn is
// seen when Options.PeopleAge is over.
package forwardauth
