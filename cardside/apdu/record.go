package apdu

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Recording is a conversation with a card, kept as JSON lines: a header, then
// one line an exchange. It holds every byte that crossed the reader; record no
// conversation in which a PIN is verified in the clear.
type Recording struct {
	Reader    string
	ATR       []byte
	Protocol  Protocol
	Exchanges []Exchange
}

// Exchange is one APDU and its response, or what went wrong instead.
type Exchange struct {
	Command  []byte
	Response []byte
	Failure  string // the transmission error's text; Response is then empty
}

const recordingVersion = 1

type recordingHeader struct {
	Version  int    `json:"cardside-recording"`
	Reader   string `json:"reader,omitempty"`
	ATR      string `json:"atr,omitempty"`
	Protocol string `json:"protocol"`
}

type recordingLine struct {
	Command  string `json:"command"`
	Response string `json:"response,omitempty"`
	Failure  string `json:"failure,omitempty"`
}

// Record returns transmit with every exchange written to w as it happens, after
// a header line. A write error ends the conversation.
func Record(w io.Writer, about Recording, transmit Transmit) (Transmit, error) {
	lines := json.NewEncoder(w)
	err := lines.Encode(recordingHeader{
		Version: recordingVersion, Reader: about.Reader,
		ATR: hexOf(about.ATR), Protocol: about.Protocol.String(),
	})
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	return func(command []byte) ([]byte, error) {
		line := recordingLine{Command: hexOf(command)}
		response, err := transmit(command)
		if err != nil {
			line.Failure = err.Error()
		} else {
			line.Response = hexOf(response)
		}
		if werr := lines.Encode(line); werr != nil {
			return nil, fmt.Errorf("recording: %w", errors.Join(werr, err))
		}
		return response, err
	}, nil
}

// ErrBadRecording is a file that Record did not write.
var ErrBadRecording = errors.New("not a recording")

// ReadRecording reads what Record wrote. Unknown keys are errors.
func ReadRecording(r io.Reader) (Recording, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 4*Limit)
	if !scanner.Scan() {
		return Recording{}, fmt.Errorf("%w: no header", ErrBadRecording)
	}
	var header recordingHeader
	if err := strictJSON(scanner.Bytes(), &header); err != nil {
		return Recording{}, err
	}
	recording, err := header.recording()
	if err != nil {
		return Recording{}, err
	}
	for scanner.Scan() {
		exchange, err := readExchange(scanner.Bytes())
		if err != nil {
			return Recording{}, fmt.Errorf("exchange %d: %w", len(recording.Exchanges)+1, err)
		}
		recording.Exchanges = append(recording.Exchanges, exchange)
	}
	return recording, scanner.Err()
}

func (h recordingHeader) recording() (Recording, error) {
	if h.Version != recordingVersion {
		return Recording{}, fmt.Errorf("%w: version %d", ErrBadRecording, h.Version)
	}
	protocol := T1
	switch h.Protocol {
	case T1.String():
	case T0.String():
		protocol = T0
	default:
		return Recording{}, fmt.Errorf("%w: protocol %q", ErrBadRecording, h.Protocol)
	}
	atr, err := hex.DecodeString(h.ATR)
	if err != nil {
		return Recording{}, fmt.Errorf("%w: ATR: %w", ErrBadRecording, err)
	}
	return Recording{Reader: h.Reader, ATR: atr, Protocol: protocol}, nil
}

func readExchange(line []byte) (Exchange, error) {
	var read recordingLine
	if err := strictJSON(line, &read); err != nil {
		return Exchange{}, err
	}
	command, err := hex.DecodeString(read.Command)
	if err != nil || len(command) == 0 {
		return Exchange{}, fmt.Errorf("%w: command %q", ErrBadRecording, read.Command)
	}
	response, err := hex.DecodeString(read.Response)
	if err != nil || (len(response) == 0) == (read.Failure == "") {
		return Exchange{}, fmt.Errorf("%w: response %q, failure %q", ErrBadRecording, read.Response, read.Failure)
	}
	return Exchange{Command: command, Response: response, Failure: read.Failure}, nil
}

func strictJSON(line []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrBadRecording, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: more than one value on a line", ErrBadRecording)
	}
	return nil
}

// Errors of a replay.
var (
	ErrReplayDiffers = errors.New("command differs from the recording")
	ErrReplayEnded   = errors.New("recording has no further exchange")
)

// Replay answers as the recorded card did, as long as the commands are the
// recorded ones in the recorded order.
func (r Recording) Replay() Transmit {
	next := 0
	return func(command []byte) ([]byte, error) {
		if next >= len(r.Exchanges) {
			return nil, fmt.Errorf("%w: %X", ErrReplayEnded, command)
		}
		exchange := r.Exchanges[next]
		if !bytes.Equal(command, exchange.Command) {
			return nil, fmt.Errorf("%w: exchange %d is %X, not %X", ErrReplayDiffers, next+1, exchange.Command, command)
		}
		next++
		if exchange.Failure != "" {
			return nil, errors.New(exchange.Failure)
		}
		return append([]byte(nil), exchange.Response...), nil
	}
}

func hexOf(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
