// Package e2e holds the tests that walk the whole product as its users do: the
// real program, a real Chromium, real TLS handshakes. It has no code of its own.
package e2e
