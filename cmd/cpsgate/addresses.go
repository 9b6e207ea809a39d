package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/pires/go-proxyproto"
)

// addressPrefixes reads addresses and prefixes: 192.0.2.10, 2001:db8::/64.
// Everybody is no prefix: who is named is somebody. The key is told in errors.
func addressPrefixes(key string, texts []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, s := range texts {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(s); err == nil {
				p = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
			}
		}
		if err != nil || p.Bits() == 0 || p.Addr().Is4In6() || strings.Contains(s, "%") {
			return nil, fmt.Errorf("%s: %q is no address, nor a prefix of some", key, s)
		}
		prefixes = append(prefixes, p.Masked())
	}
	return prefixes, nil
}

// announcers are, for each listener, the addresses of those who pass connections
// on as they are, and say by the PROXY protocol whose each one is.
type announcers struct{ main, card, mutual []netip.Prefix }

func openAnnouncers(c *Config) (a announcers, err error) {
	for _, listener := range []struct {
		key   string
		texts []string
		into  *[]netip.Prefix
	}{
		{"main.proxy_protocol", c.Main.ProxyProtocol, &a.main},
		{"card.proxy_protocol", c.Card.ProxyProtocol, &a.card},
		{"sso.mutual_tls.proxy_protocol", c.SSO.MutualTLS.ProxyProtocol, &a.mutual},
	} {
		if *listener.into, err = addressPrefixes(listener.key, listener.texts); err != nil {
			return announcers{}, err
		}
	}
	return a, nil
}

// announced gives connections the address that a named announcer tells of them,
// from which all that is decided by address follows: limits, the audit, who is
// believed. Each connection of an announcer must begin with a PROXY header
// (version 1 or 2); from anybody else such a header is what it is without this:
// no TLS record (PROXY protocol §2: "must not guess").
func announced(l net.Listener, from []netip.Prefix) net.Listener {
	if len(from) == 0 {
		return l
	}
	return &proxyproto.Listener{
		Listener: l, ReadHeaderTimeout: headerTime, ValidateHeader: checkAnnounced,
		ConnPolicy: func(c proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			if among(from, c.Upstream) {
				return proxyproto.REQUIRE, nil
			}
			return proxyproto.SKIP, nil
		},
	}
}

// secured is TLS on connections that may be announced.
func secured(l net.Listener, from []netip.Prefix, c *tls.Config) net.Listener {
	return tls.NewListener(announced(l, from), c)
}

// errAnnounced: a header that names no client. Connections of the announcer's
// own (LOCAL, UNKNOWN) are refused too: they would pass for a client at its
// address.
var errAnnounced = errors.New("a PROXY header without the address of a client")

func checkAnnounced(h *proxyproto.Header) error {
	source, destination, ok := h.TCPAddrs()
	if !ok || h.Command != proxyproto.PROXY || source == nil || destination == nil {
		return errAnnounced
	}
	if source.IP.IsUnspecified() || source.IP.IsMulticast() || source.IP.Equal(net.IPv4bcast) {
		return errAnnounced
	}
	return nil
}

// among tells whether the other end of a connection is one of those named.
func among(prefixes []netip.Prefix, peer net.Addr) bool {
	tcp, ok := peer.(*net.TCPAddr)
	if !ok {
		return false
	}
	address := tcp.AddrPort().Addr().Unmap().WithZone("")
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(address) })
}
