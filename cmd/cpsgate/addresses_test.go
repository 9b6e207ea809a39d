package main

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// version1 and version2 write PROXY headers as §2.1 and §2.2 of the protocol
// have them, without the library that reads them.
func version1(family, source, destination string) string {
	return fmt.Sprintf("PROXY %s %s %s 40000 443\r\n", family, source, destination)
}

// The bytes of version 2: the command, and family and transport.
const (
	v2Local, v2Proxy                       = "\x20", "\x21"
	v2Unspecified, v2TCP4, v2TCP6, v2UDP4  = "\x00", "\x11", "\x21", "\x12"
	v2Signature                            = "\r\n\r\n\x00\r\nQUIT\n"
	announcer, stranger, browserAt, unused = "127.0.0.1", "127.0.0.9", "192.0.2.77", "198.51.100.1"
)

func version2(command, family string, addresses ...string) string {
	var block []byte
	for _, a := range addresses {
		block = append(block, netip.MustParseAddr(a).AsSlice()...)
	}
	if len(addresses) > 0 {
		block = append(block, 0x9c, 0x40, 0x01, 0xbb)
	}
	return v2Signature + command + family + string(binary.BigEndian.AppendUint16(nil, uint16(len(block)))) + string(block) //nolint:gosec // at most 36
}

// answering serves TLS on connections that the announcer may announce, and
// tells whose the server takes each to be.
func answering(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, c, _ := demoConfig(t)
	pair, err := tls.LoadX509KeyPair(c.Main.Certificate, c.Main.Key)
	if err != nil {
		t.Fatal(err)
	}
	from, err := addressPrefixes("main.proxy_protocol", []string{announcer, "2001:db8::/64"})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RemoteAddr) }),
		ReadHeaderTimeout: headerTime, ErrorLog: nil,
	}
	go func() { _ = server.Serve(secured(l, from, &tls.Config{Certificates: []tls.Certificate{pair}})) }() //nolint:gosec // as lax as the default
	t.Cleanup(func() { server.Close() })
	return l.Addr().String()
}

// heard is whose the server takes a connection to be that comes from an address
// and begins with these bytes; "" = it is refused.
func heard(t *testing.T, server, from, begin string) string {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	raw, err := dialer.DialContext(t.Context(), "tcp", server)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(2 * headerTime))
	if _, err := io.WriteString(raw, begin); err != nil {
		t.Fatal(err)
	}
	client := tls.Client(raw, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // addresses alone are tested
	if err := client.HandshakeContext(t.Context()); err != nil {
		return ""
	}
	if _, err := io.WriteString(client, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(client)
	if err != nil {
		t.Fatal(err)
	}
	_, address, _ := bytes.Cut(answer, []byte("\r\n\r\n"))
	host, _, err := net.SplitHostPort(string(address))
	if err != nil {
		t.Fatalf("answered %q", answer)
	}
	return host
}

func TestAnnouncedConnections(t *testing.T) {
	server := answering(t)
	for _, tt := range []struct{ name, from, begin, want string }{
		{"version 1", announcer, version1("TCP4", browserAt, unused), browserAt},
		{"version 1, IPv6", announcer, version1("TCP6", "2001:db8::77", "2001:db8::1"), "2001:db8::77"},
		{"version 2", announcer, version2(v2Proxy, v2TCP4, browserAt, unused), browserAt},
		{"version 2, IPv6", announcer, version2(v2Proxy, v2TCP6, "2001:db8::77", "2001:db8::1"), "2001:db8::77"},
		{"the announcer's own, announced", announcer, version1("TCP4", announcer, announcer), announcer},
		{"a stranger's, without", stranger, "", stranger},

		{"the announcer's, without", announcer, "", ""},
		{"a stranger's, with version 1", stranger, version1("TCP4", browserAt, unused), ""},
		{"a stranger's, with version 2", stranger, version2(v2Proxy, v2TCP4, browserAt, unused), ""},
		{"UNKNOWN", announcer, "PROXY UNKNOWN\r\n", ""},
		{"LOCAL", announcer, version2(v2Local, v2Unspecified), ""},
		{"LOCAL with addresses", announcer, version2(v2Local, v2TCP4, browserAt, unused), ""},
		{"PROXY without a family", announcer, version2(v2Proxy, v2Unspecified), ""},
		{"datagrams", announcer, version2(v2Proxy, v2UDP4, browserAt, unused), ""},
		{"no address", announcer, version1("TCP4", "0.0.0.0", unused), ""},
		{"everybody", announcer, version1("TCP4", "255.255.255.255", unused), ""},
		{"a group", announcer, version1("TCP6", "ff02::1", "2001:db8::1"), ""},
		{"a name", announcer, version1("TCP4", "localhost", unused), ""},
		{"the other family", announcer, version1("TCP6", browserAt, unused), ""},
		{"a version 3", announcer, version2("\x31", v2TCP4, browserAt, unused), ""},
		{"cut off", announcer, v2Signature + v2Proxy + v2TCP4 + "\x00\x40", ""},
		{"a long line", announcer, "PROXY TCP4 " + strings.Repeat("1", 200), ""},
		{"twice", announcer, strings.Repeat(version1("TCP4", browserAt, unused), 2), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := heard(t, server, tt.from, tt.begin); got != tt.want {
				t.Errorf("the server takes it to be of %q, want %q", got, tt.want)
			}
		})
	}
}

// TestNobodyIsAnnounced: where no announcer is named, a header is a bad record.
func TestNobodyIsAnnounced(t *testing.T) {
	r := serveDemo(t)
	for name, origin := range map[string]string{"main": r.Main, "card": r.Card} {
		raw, err := dial(t.Context(), "tcp", strings.TrimPrefix(origin, "https://"))
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		if _, err := io.WriteString(raw, version1("TCP4", browserAt, unused)); err != nil {
			t.Fatal(err)
		}
		if err := tls.Client(raw, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(t.Context()); err == nil { //nolint:gosec // it must fail
			t.Errorf("%s: an announcement is taken from anybody", name)
		}
	}
}

func TestAddressPrefixes(t *testing.T) {
	good, err := addressPrefixes("key", []string{"192.0.2.10", "::ffff:192.0.2.11", "2001:db8::1/64"})
	if err != nil || fmt.Sprint(good) != "[192.0.2.10/32 192.0.2.11/32 2001:db8::/64]" {
		t.Errorf("%v, %v", good, err)
	}
	for _, bad := range []string{"", "edge", "0.0.0.0/0", "::/0", "::ffff:0:0/96", "fe80::1%eth0", "192.0.2.10:443", "192.0.2.0/33"} {
		if _, err := addressPrefixes("main.proxy_protocol", []string{bad}); err == nil || !strings.Contains(err.Error(), "main.proxy_protocol") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// once is a listener that gives one connection.
type once struct {
	net.Listener
	conn net.Conn
}

func (l once) Accept() (net.Conn, error) { return l.conn, nil }

// said is a connection of the announcer's, of which these bytes are all.
type said struct {
	net.Conn
	*bytes.Reader
}

func (said) RemoteAddr() net.Addr               { return &net.TCPAddr{IP: net.ParseIP(announcer), Port: 1} }
func (said) LocalAddr() net.Addr                { return &net.TCPAddr{IP: net.ParseIP(unused), Port: 443} }
func (said) SetReadDeadline(time.Time) error    { return nil }
func (s said) Read(p []byte) (int, error)       { return s.Reader.Read(p) }
func (said) Write(p []byte) (int, error)        { return len(p), nil }
func (s said) WriteTo(io.Writer) (int64, error) { return 0, io.ErrUnexpectedEOF }

// FuzzAnnounced: whatever the announcer sends, a connection that can be read
// from is that of one client's address.
func FuzzAnnounced(f *testing.F) {
	for _, seed := range []string{
		version1("TCP4", browserAt, unused) + "GET", version1("TCP6", "2001:db8::77", "2001:db8::1"), "PROXY UNKNOWN\r\nGET", "\x16\x03\x01",
		version2(v2Proxy, v2TCP4, browserAt, unused) + "GET", version2(v2Local, v2Unspecified) + "GET", version2(v2Proxy, v2TCP6, "2001:db8::77", "2001:db8::1"),
	} {
		f.Add([]byte(seed))
	}
	from := []netip.Prefix{netip.MustParsePrefix(announcer + "/32")}
	f.Fuzz(func(t *testing.T, sent []byte) {
		conn, err := announced(once{conn: said{Reader: bytes.NewReader(sent)}}, from).Accept()
		if err != nil {
			t.Fatal(err)
		}
		rest := make([]byte, len(sent)+1)
		n, err := conn.Read(rest)
		if n == 0 {
			if err == nil {
				t.Fatal("nothing was read, and no error given")
			}
			return
		}
		address, ok := conn.RemoteAddr().(*net.TCPAddr)
		if !ok || address.IP.IsUnspecified() || address.IP.IsMulticast() || len(address.IP) == 0 {
			t.Fatalf("read %q of %v", rest[:n], conn.RemoteAddr())
		}
		if !bytes.Contains(sent, rest[:n]) || n == len(sent) {
			t.Fatalf("read %q of %q", rest[:n], sent)
		}
	})
}
