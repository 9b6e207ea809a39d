package mtls

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
)

const (
	crlPEMBegin = "-----BEGIN X509 CRL-----"
	crlPEMEnd   = "-----END X509 CRL-----"
	// maxPEMPreamble bounds the explanatory text before the begin line
	// (RFC 7468 §2).
	maxPEMPreamble = 64 << 10
)

// derSource returns r itself when it holds DER, or the DER inside its PEM.
func derSource(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 4<<10)
	first, err := b.Peek(1)
	switch {
	case errors.Is(err, io.EOF):
		return nil, crlFault(CRLTruncated, 0, "empty")
	case err != nil:
		return nil, &CRLError{Fault: CRLUnreadable, Err: err}
	case first[0] == 0x30:
		return b, nil
	}
	if err := skipPreamble(b); err != nil {
		return nil, err
	}
	return base64.NewDecoder(base64.StdEncoding.Strict(), &pemBody{lines: b}), nil
}

// skipPreamble reads up to and with the begin line.
func skipPreamble(b *bufio.Reader) error {
	for read := 0; read < maxPEMPreamble; {
		line, err := b.ReadSlice('\n')
		read += len(line)
		if string(bytes.TrimSpace(line)) == crlPEMBegin {
			return nil
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return crlFault(CRLMalformed, 0, "neither DER nor PEM")
		case err != nil:
			return &CRLError{Fault: CRLUnreadable, Err: err}
		}
	}
	return crlFault(CRLMalformed, 0, "neither DER nor PEM")
}

// pemBody yields the base64 text up to the end line, and refuses what follows
// that line. Its errors reach the caller through the base64 decoder.
type pemBody struct {
	lines *bufio.Reader
	rest  []byte // of the current line
	done  bool
}

func (p *pemBody) Read(into []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.done {
			return 0, io.EOF
		}
		if err := p.next(); err != nil {
			return 0, err
		}
	}
	n := copy(into, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *pemBody) next() error {
	line, err := p.lines.ReadSlice('\n')
	line = bytes.TrimRight(line, " \t\r\n")
	switch {
	case string(line) == crlPEMEnd:
		p.done = true
		return p.nothingMore()
	case errors.Is(err, io.EOF):
		return crlFault(CRLTruncated, 0, "no %q", crlPEMEnd)
	case err != nil && !errors.Is(err, bufio.ErrBufferFull):
		return err
	case bytes.HasPrefix(line, []byte("-")):
		return crlFault(CRLMalformed, 0, "unexpected PEM line")
	}
	p.rest = line
	return nil
}

func (p *pemBody) nothingMore() error {
	for {
		c, err := p.lines.ReadByte()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if c != '\n' && c != '\r' && c != ' ' && c != '\t' {
			return crlFault(CRLTrailing, 0, "after %q", crlPEMEnd)
		}
	}
}
