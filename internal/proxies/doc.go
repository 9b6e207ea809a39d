// Package proxies runs the reverse proxies and web servers that stand before
// applications, for tests: the real programs, on free loopback ports, ended
// with the test. It knows nothing of cpsgate.
package proxies
