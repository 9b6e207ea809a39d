package web

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/mtls"
)

// forwarded takes client certificates out of the headers of every request. On
// the card host a named proxy's is kept for readCard; whoever else sends one,
// and anyone on the main host, has it taken away and stands in the audit as
// an attack.
func (s *Server) forwarded(on listener) echo.MiddlewareFunc {
	proxies := s.o.Proxies
	if on == listenerMain {
		proxies = nil // nothing there takes a certificate
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r, in := requestOf(c), c.Request()
			direct := in.TLS != nil && len(in.TLS.PeerCertificates) > 0
			taken, err := proxies.Take(peerOf(in.RemoteAddr), direct, in.Header)
			if errors.Is(err, mtls.ErrForwardedByStranger) {
				err = s.o.Audit.Record(in.Context(), &audit.Event{
					Kind: audit.KindProxyHeader, Outcome: audit.Refused, Reason: "forged-header", Detail: strings.Join(taken.Stripped, ", "),
				})
				if err != nil {
					return err
				}
				return next(c)
			}
			if err != nil {
				return s.refuse(c, audit.Event{Kind: audit.KindProxyHeader}, fmt.Errorf("%w: %w", reasonForwarded, err))
			}
			r.leaf = mtls.Leaf{DER: taken.LeafDER}
			return next(c)
		}
	}
}

// peerOf is the address at the other end of the connection; the zero address,
// which no proxy has, where it cannot be read.
func peerOf(remote string) netip.Addr {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return address
}

// takeLeaf is the certificate that a named proxy vouched for, else that of a
// fresh handshake, once; without DER when there is neither.
func (s *Server) takeLeaf(c echo.Context) (mtls.Leaf, error) {
	if leaf := requestOf(c).leaf; leaf.DER != nil {
		return leaf, nil
	}
	r := c.Request()
	leaf, err := mtls.TakeCertificate(r.Context(), r.TLS, s.o.Now(), s.o.HandshakeAge)
	if err != nil {
		return mtls.Leaf{}, fmt.Errorf("%w: %w", reasonCertificateStale, err)
	}
	return leaf, nil
}
