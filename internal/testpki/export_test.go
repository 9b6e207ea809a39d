package testpki

import (
	"bufio"
	"io"
)

// AnswerLDAP answers the messages of one connection, without a network.
func (p *PKI) AnswerLDAP(in io.Reader, out io.Writer) error {
	reader := bufio.NewReader(in)
	for {
		if err := p.answerLDAP(reader, out); err != nil {
			return err
		}
	}
}
