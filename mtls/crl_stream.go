package mtls

import (
	"bytes"
	"encoding/base64"
	"errors"
	"hash"
	"io"
	"runtime"
)

// maxCRLElement bounds everything in a CRL that must stand whole in memory: a
// name, an entry, the CRL extensions, the signature.
const maxCRLElement = 64 << 10

// crlBuffer is how much is read at a time: small enough to still be in the
// processor's cache when it is hashed.
const crlBuffer = 128 << 10

// derStream is a window over DER of unbounded length. Octets between hashFrom
// and the read position go through sum once it is known.
type derStream struct {
	source io.Reader
	limit  int64
	buf    []byte
	pos    int   // next octet in buf
	end    int   // octets read into buf
	base   int64 // offset of buf[0] in the DER
	eof    bool

	hashFrom int // in buf; -1 when nothing is hashed
	sum      hash.Hash
}

func newDERStream(source io.Reader, limit int64) *derStream {
	return &derStream{source: source, limit: limit, buf: make([]byte, crlBuffer), hashFrom: -1}
}

func (s *derStream) offset() int64 { return s.base + int64(s.pos) }

// window returns what is buffered from the read position on: n octets at
// least. It is valid until the next call.
func (s *derStream) window(n int) ([]byte, error) {
	for s.end-s.pos < n {
		if s.eof {
			return nil, crlFault(CRLTruncated, s.base+int64(s.end), "")
		}
		if err := s.fill(); err != nil {
			return nil, err
		}
	}
	return s.buf[s.pos:s.end], nil
}

// fill drops what was consumed and reads until the buffer is full. A login that
// waits goes first: reading a large CRL is a second's work, and nobody waits
// for it.
func (s *derStream) fill() error {
	runtime.Gosched()
	keep := s.pos
	if s.hashFrom >= 0 {
		s.hashConsumed()
		keep = s.hashFrom // all of it while the hash is not yet known
	}
	if keep > 0 {
		s.end = copy(s.buf, s.buf[keep:s.end])
		s.base += int64(keep)
		s.pos -= keep
		if s.hashFrom >= 0 {
			s.hashFrom = 0
		}
	}
	n, err := io.ReadFull(s.source, s.buf[s.end:])
	s.end += n
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		s.eof = true
	case err != nil:
		return s.readFault(err)
	case n == 0: // a full buffer: no element may need more
		return crlFault(CRLMalformed, s.offset(), "an element is longer than %d octets", maxCRLElement)
	}
	return nil
}

// readFault is what a failed read means: PEM's own refusals pass as they are.
func (s *derStream) readFault(err error) error {
	var refused *CRLError
	if errors.As(err, &refused) {
		return refused
	}
	var corrupt base64.CorruptInputError
	if errors.As(err, &corrupt) {
		return &CRLError{Fault: CRLMalformed, Offset: s.base + int64(s.end), Err: err}
	}
	return &CRLError{Fault: CRLUnreadable, Offset: s.base + int64(s.end), Err: err}
}

func (s *derStream) startHash()          { s.hashFrom = s.pos }
func (s *derStream) useHash(h hash.Hash) { s.sum = h }

func (s *derStream) hashConsumed() {
	if s.sum != nil {
		s.sum.Write(s.buf[s.hashFrom:s.pos])
		s.hashFrom = s.pos
	}
}

// stopHash returns the digest of what was consumed since startHash.
func (s *derStream) stopHash() []byte {
	s.hashConsumed()
	s.hashFrom = -1
	return s.sum.Sum(nil)
}

// peekTag is the next tag, or 0 at end.
func (s *derStream) peekTag(end int64) (byte, error) {
	if s.offset() >= end {
		return 0, nil
	}
	w, err := s.window(1)
	if err != nil {
		return 0, err
	}
	return w[0], nil
}

// peekHeader reads a tag and a definite, minimal length (X.690 §10.1) without
// consuming them, and refuses an element that runs past end.
func (s *derStream) peekHeader(end int64) (tag byte, header int, length int64, err error) {
	w, err := s.window(2)
	if err != nil {
		return 0, 0, 0, err
	}
	tag, header, length = w[0], 2, int64(w[1])
	if tag&0x1f == 0x1f {
		return 0, 0, 0, crlFault(CRLMalformed, s.offset(), "tag of several octets")
	}
	if length >= 0x80 {
		octets := int(length & 0x7f)
		if octets == 0 || octets > 5 {
			return 0, 0, 0, crlFault(CRLMalformed, s.offset(), "length of %d octets", octets)
		}
		header += octets
		if w, err = s.window(header); err != nil {
			return 0, 0, 0, err
		}
		length = 0
		for _, b := range w[2:header] {
			length = length<<8 | int64(b)
		}
		if length < 0x80 || w[2] == 0 {
			return 0, 0, 0, crlFault(CRLMalformed, s.offset(), "length not in its shortest form")
		}
	}
	if length > end-s.offset()-int64(header) {
		return 0, 0, 0, crlFault(CRLMalformed, s.offset(), "element runs past the one around it")
	}
	return tag, header, length, nil
}

// enter consumes the header of a constructed element and returns where it ends.
func (s *derStream) enter(want byte, end int64, what string) (int64, error) {
	tag, header, length, err := s.peekHeader(end)
	if err != nil {
		return 0, err
	}
	if tag != want {
		return 0, crlFault(CRLMalformed, s.offset(), "%s: tag %#02x instead of %#02x", what, tag, want)
	}
	s.pos += header
	return s.offset() + length, nil
}

// element consumes one element whole. The result is the caller's own.
func (s *derStream) element(want byte, end int64, what string) ([]byte, error) {
	tag, header, length, err := s.peekHeader(end)
	if err != nil {
		return nil, err
	}
	if tag != want {
		return nil, crlFault(CRLMalformed, s.offset(), "%s: tag %#02x instead of %#02x", what, tag, want)
	}
	if length > maxCRLElement {
		return nil, crlFault(CRLMalformed, s.offset(), "%s: longer than %d octets", what, maxCRLElement)
	}
	n := header + int(length)
	w, err := s.window(n)
	if err != nil {
		return nil, err
	}
	s.pos += n
	return bytes.Clone(w[:n]), nil
}

// finish refuses anything behind the DER.
func (s *derStream) finish() error {
	if s.end == s.pos && !s.eof {
		if err := s.fill(); err != nil {
			return err
		}
	}
	if s.end > s.pos {
		return crlFault(CRLTrailing, s.offset(), "")
	}
	return nil
}
