package rp

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"slices"
)

// The ceremony types of WebAuthn L3 §5.8.1.
const (
	typeCreate = "webauthn.create"
	typeGet    = "webauthn.get"
)

// clientData is CollectedClientData (WebAuthn L3 §5.8.1): what the browser
// claims of the page that asked.
type clientData struct {
	claimedType      string
	claimedChallenge string
	claimedOrigin    string
	claimedCross     bool
	claimedTop       string
	topPresent       bool
}

var byteOrderMark = []byte{0xEF, 0xBB, 0xBF}

// readClientData parses client data; unknown members are passed over, as the
// spec demands of relying parties.
func readClientData(text []byte) (clientData, error) {
	var (
		c     clientData
		named int
	)
	// UTF-8 decode strips a byte order mark (WebAuthn L3 §7.1 step 5).
	err := readObject(bytes.TrimPrefix(text, byteOrderMark), func(name, value []byte) (err error) {
		switch string(name) {
		case "type":
			named++
			c.claimedType, err = readString(value)
		case "challenge":
			named++
			c.claimedChallenge, err = readString(value)
		case "origin":
			named++
			c.claimedOrigin, err = readString(value)
		case "crossOrigin":
			c.claimedCross, err = readBool(value)
		case "topOrigin":
			c.topPresent = true
			c.claimedTop, err = readString(value)
		}
		if err != nil {
			return fmt.Errorf("client data: %s: %w", name, err)
		}
		return nil
	})
	if err != nil {
		return clientData{}, err
	}
	if named != 3 {
		return clientData{}, fmt.Errorf("client data: %w", errMember)
	}
	return c, nil
}

// checkClientData is WebAuthn L3 §7.1 steps 7 to 11, §7.2 steps 10 to 14.
func (p *RelyingParty) checkClientData(text []byte, ceremony string, challenge []byte) *Refusal {
	c, err := readClientData(text)
	if err != nil {
		return refuse(ReasonMalformed, "%w", err)
	}
	if c.claimedType != ceremony {
		return refuse(ReasonType, "type %.40q instead of %q", c.claimedType, ceremony)
	}
	expected := base64url.EncodeToString(challenge)
	if subtle.ConstantTimeCompare([]byte(c.claimedChallenge), []byte(expected)) != 1 {
		return refuse(ReasonChallenge, "not the challenge of this ceremony")
	}
	// Exactly, scheme, host and port: L3 §13.4.9. Two of our ports are two origins.
	if !slices.Contains(p.o.Origins, c.claimedOrigin) {
		return refuse(ReasonOrigin, "origin %.200q", c.claimedOrigin)
	}
	// No page of ours is framed, so neither member has a permitted value.
	if c.claimedCross {
		return refuse(ReasonOrigin, "made inside a frame of another origin")
	}
	if c.topPresent {
		return refuse(ReasonOrigin, "made inside a frame of %.200q", c.claimedTop)
	}
	return nil
}
