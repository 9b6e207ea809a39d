package mtls_test

import (
	"bytes"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"cpsgate/mtls"
)

// tlv writes an element in the definite form.
func tlv(tag byte, content ...[]byte) []byte {
	body := bytes.Join(content, nil)
	n := len(body)
	if n < 0x80 {
		return slices.Concat([]byte{tag, byte(n)}, body)
	}
	return slices.Concat([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body)
}

// found is a directory's answer to the first message of a connection: an entry
// of these attributes, and that it was all.
func found(attributes ...[]byte) []byte {
	id := tlv(0x02, []byte{1})
	entry := tlv(0x64, tlv(0x04, []byte("c=FR")), tlv(0x30, attributes...))
	done := tlv(0x65, tlv(0x0a, []byte{0}), tlv(0x04), tlv(0x04))
	return slices.Concat(tlv(0x30, id, entry), tlv(0x30, id, done))
}

func attribute(value []byte) []byte {
	return tlv(0x30, tlv(0x04, []byte("list")), tlv(0x31, value))
}

// answering is the address of a directory that says this to any question, so
// many octets at a time.
func answering(t *testing.T, answer []byte, stride int) (address string, fetcher *mtls.Fetcher) {
	t.Helper()
	listener := localListener(t)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = connection.Read(make([]byte, 1<<10))
			for piece := range slices.Chunk(answer, stride) {
				if _, err := connection.Write(piece); err != nil {
					break
				}
			}
			go linger(connection)
		}
	}()
	host := listener.Addr().String()
	return "ldap://" + host + "/c=FR?list?base", &mtls.Fetcher{Hosts: []string{host}, Patience: 5 * time.Second}
}

func linger(connection net.Conn) {
	_, _ = connection.Read(make([]byte, 1<<10))
	connection.Close()
}

// TestFetchDirectoryShapes: an answer whose few octets would take much memory
// is refused before anything is made of it.
func TestFetchDirectoryShapes(t *testing.T) {
	deep := tlv(0x04, []byte("CRL"))
	for range 400 {
		deep = tlv(0x30, deep)
	}
	list := bytes.Repeat([]byte("CRL "), 5000)
	good := found(attribute(tlv(0x04, list)))
	indefinite := slices.Concat([]byte{0x30, 0x80}, good[2:], []byte{0, 0})
	long := slices.Concat(tlv(0x30, tlv(0x02, []byte{1}), tlv(0x64, []byte{0x04, 100, 'c'})), make([]byte, 100))
	for _, tt := range []struct {
		name   string
		answer []byte
		stride int
		want   error
	}{
		{"one value", good, len(good), nil},
		{"in pieces", good, 7, nil},
		{"deep in the value's place", found(attribute(deep)), 1 << 20, mtls.FetchMalformed},
		{"deep beside it", found(attribute(tlv(0x04, list)), deep), 1 << 20, mtls.FetchMalformed},
		{"a multitude of values", found(attribute(bytes.Repeat(tlv(0x04), 100_000))), 1 << 20, mtls.FetchMalformed},
		{"a multitude of attributes", found(bytes.Repeat(attribute(tlv(0x04)), 1000)), 1 << 20, mtls.FetchMalformed},
		{"of indefinite length", indefinite, 1 << 20, mtls.FetchMalformed},
		{"a length of eight octets", []byte{0x30, 0x88, 0, 0, 0, 0, 0, 0, 0, 5, 2, 1, 1, 0x65, 0}, 1 << 20, mtls.FetchMalformed},
		{"a tag of several octets", found([]byte{0x3f, 0x81, 0x01, 0x00}), 1 << 20, mtls.FetchMalformed},
		{"longer than what is around it", long, 1 << 20, mtls.FetchMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address, fetcher := answering(t, tt.answer, tt.stride)
			body, _, err := fetchAll(fetcher, address, mtls.Validators{})
			var refused *mtls.FetchError
			if !errors.Is(err, tt.want) || tt.want != nil && !errors.As(err, &refused) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if tt.want == nil && !bytes.Equal(body, list) {
				t.Errorf("%d octets", len(body))
			}
		})
	}
}

// FuzzDirectoryShape: what is in shape is small, however its octets come.
func FuzzDirectoryShape(f *testing.F) {
	for _, seed := range [][]byte{found(attribute(tlv(0x04, []byte("CRL")))), {0x30, 0x80, 0, 0}, {0x30, 0x84, 0, 0, 0, 1, 0}, {0x30, 3, 2, 1}, {0x1f, 0x1f}, {}} {
		f.Add(seed, 1)
	}
	f.Fuzz(func(t *testing.T, octets []byte, stride int) {
		whole, elements, depth := mtls.DirectoryShape(octets, max(1, len(octets)))
		pieces, _, _ := mtls.DirectoryShape(octets, min(max(1, stride), 1<<20))
		if whole != pieces {
			t.Errorf("at once %q, in pieces %q", whole, pieces)
		}
		if whole == "" && (elements > 256 || depth > 8) {
			t.Errorf("%d elements, depth %d", elements, depth)
		}
	})
}
