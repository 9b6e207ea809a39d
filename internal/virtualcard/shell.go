package virtualcard

import "bytes"

// Instructions (ISO 7816-4, CTAP 2.1 §11.3.5).
const (
	insSelect      = 0xA4
	insGetResponse = 0xC0
	insCTAP        = 0x10 // NFCCTAP_MSG
	insCTAPResult  = 0x11 // NFCCTAP_GETRESPONSE
	insCTAPControl = 0x12 // NFCCTAP_CONTROL
	insU2FVersion  = 0x03

	classISO  = 0x00
	classCTAP = 0x80
)

// maxChain bounds a chained command.
const maxChain = 8192

// application is one that SELECT by name finds.
type application int

// The applications. Without a SELECT it is the CPS3 that answers: "at power-up
// a CPS4 behaves exactly as a CPS3" (facts §4).
const (
	applicationCPS3 application = iota
	applicationCPS2ter
	applicationCrypto
	applicationFIDO
	applicationNone // after NFCCTAP_CONTROL ended FIDO
)

// Application identifiers (facts §4).
var (
	aidCPS3    = []byte("\xE8\x28\xBD\x08\x0F\x80\x25\x00\x00\x01\xFF\x00\x10")
	aidCPS2ter = []byte("\x80\x25\x00\x00\x01\xFF\x00\x02")
	aidCrypto  = []byte("\x80\x25\x00\x00\x01\xFF\x01\x00")
	aidFIDO    = []byte("\xA0\x00\x00\x06\x47\x2F\x00\x01")
	fileMaster = []byte("\x3F\x00")
)

// shell is the ISO 7816-4 side of the card between two power-ups. It is not
// safe for use by several goroutines; Card is.
type shell struct {
	options Options
	handle  func(message []byte) []byte // CTAP
	onFIDO  func()                      // the FIDO applet was selected

	selected application
	chain    []byte // of a chained command
	chaining bool
	waiting  []byte // what GET RESPONSE fetches
	of       byte   // class of the command that waits
	result   []byte // what NFCCTAP_GETRESPONSE fetches
	alive    int    // how often it still says "at work"
}

// reset is what loss of power, or a warm reset, leaves.
func (s *shell) reset() {
	*s = shell{options: s.options, handle: s.handle, onFIDO: s.onFIDO}
}

// answer is the response APDU to a command APDU.
func (s *shell) answer(apdu []byte) []byte {
	c, ok := parseCommand(apdu)
	if !ok || (c.extended && !s.options.Extended) {
		return word(swWrongLength)
	}
	if c.ins == insGetResponse {
		return s.getResponse(c)
	}
	s.waiting = nil
	if s.chaining && c.ins != insCTAP { // another command ends the chain
		s.chain, s.chaining = nil, false
	}
	switch {
	case c.ins == insSelect && c.cla == classISO:
		return s.selectApplication(c)
	case c.ins == insSelect && c.chained():
		return word(swChaining)
	case s.selected == applicationFIDO:
		return s.fido(c)
	case c.cla != classISO:
		return word(swClass)
	default:
		return word(swInstruction)
	}
}

// selectApplication is SELECT (ISO 7816-4 §11.2.2). One that fails leaves what
// was selected.
func (s *shell) selectApplication(c command) []byte {
	if c.p1 != 0x04 { // by file identifier: the master file alone is there
		if c.p1 == 0 && (len(c.data) == 0 || bytes.Equal(c.data, fileMaster)) && s.selected == applicationCPS3 {
			return word(swOK)
		}
		return word(swNotFound)
	}
	if c.p2 != 0x00 && c.p2 != 0x0C { // 0C: without the answer's data
		return word(swWrongParameter)
	}
	found, here := s.byName(c.data)
	if !here {
		return word(swNotFound)
	}
	if found == applicationFIDO && s.options.Applet == AppletDead {
		return word(swConditions)
	}
	s.selected, s.result = found, nil
	data := fileControl(c.data)
	if found == applicationFIDO {
		s.onFIDO()
		data = s.version()
	}
	if c.p2 == 0x0C {
		return word(swOK)
	}
	if s.options.SelectMore {
		return s.hold(c, data)
	}
	return s.respond(c, data)
}

// byName finds an application, if this card has it.
func (s *shell) byName(aid []byte) (application, bool) {
	modern := s.options.Generation == CPS4
	switch {
	case bytes.Equal(aid, aidCPS3):
		return applicationCPS3, true
	case bytes.Equal(aid, aidCPS2ter):
		return applicationCPS2ter, true
	case bytes.Equal(aid, aidCrypto):
		return applicationCrypto, modern
	case bytes.Equal(aid, aidFIDO):
		return applicationFIDO, modern && s.options.Applet != AppletAbsent
	}
	return applicationNone, false
}

// fileControl is the least that SELECT of an application says: its name, in a
// file control information template (ISO 7816-4 §7.4.3).
func fileControl(aid []byte) []byte {
	name := append([]byte{0x84, byte(len(aid))}, aid...)
	return append([]byte{0x6F, byte(len(name))}, name...)
}

// version is what SELECT of FIDO answers (CTAP 2.1 §11.3.4).
func (s *shell) version() []byte {
	if s.options.U2FVersion {
		return []byte("U2F_V2")
	}
	return []byte("FIDO_2_0")
}

// fido answers commands to the FIDO applet (CTAP 2.1 §11.3.5).
func (s *shell) fido(c command) []byte {
	switch {
	case s.options.Applet == AppletMute:
		return word(swConditions)
	case c.cla == classISO && c.ins == insU2FVersion && s.options.U2FVersion:
		return s.respond(c, []byte("U2F_V2"))
	case c.cla == classISO:
		return word(swInstruction)
	case c.class() != classCTAP:
		return word(swClass)
	case c.ins == insCTAP:
		return s.message(c)
	case c.ins == insCTAPResult && c.cla == classCTAP:
		return s.fetchResult(c)
	case c.ins == insCTAPControl && c.p1 == 0x01 && c.p2 == 0x00: // END: no more CTAP until SELECT
		s.selected = applicationNone
		return word(swOK)
	}
	return word(swInstruction)
}

// message is NFCCTAP_MSG, whole or a segment of a chain.
func (s *shell) message(c command) []byte {
	if c.p1&^0x80 != 0 || c.p2 != 0 {
		return word(swWrongParameter)
	}
	if len(s.chain)+len(c.data) > maxChain || (c.chained() && c.ne != 0) { // Le belongs in the last segment
		s.chain, s.chaining = nil, false
		return word(swWrongLength)
	}
	s.chain = append(s.chain, c.data...)
	s.chaining = c.chained()
	if s.chaining {
		return word(swOK)
	}
	message := s.chain
	s.chain = nil
	result := s.handle(message)
	if c.p1&0x80 != 0 && s.options.KeepAlive > 0 {
		s.result, s.alive = result, s.options.KeepAlive
		return s.fetchResult(c)
	}
	return s.respond(c, result)
}

// fetchResult is NFCCTAP_GETRESPONSE: "at work", then the result.
func (s *shell) fetchResult(c command) []byte {
	if s.result == nil {
		return word(swConditions)
	}
	if s.alive > 0 {
		s.alive--
		return withWord([]byte{0x01}, swUpdate) // STATUS_PROCESSING
	}
	result := s.result
	s.result = nil
	return s.respond(c, result)
}

// respond sends an answer's data: at once as far as the command expected it,
// the rest by GET RESPONSE. On T=0 all of it waits (ISO 7816-3 §12.2).
//
// A command without Le gets as much as its format can: programs forget Le, and
// cards forgive it.
func (s *shell) respond(c command, data []byte) []byte {
	if s.options.Protocol == T0 {
		return s.hold(c, data)
	}
	limit := c.ne
	if limit == 0 {
		limit = maxShort
		if c.extended {
			limit = maxExtended
		}
	}
	if len(data) <= limit {
		return withWord(data, swOK)
	}
	s.waiting, s.of = data[limit:], c.class()
	return withWord(data[:limit], s.more())
}

// hold keeps all of an answer for GET RESPONSE.
func (s *shell) hold(c command, data []byte) []byte {
	if len(data) == 0 {
		return word(swOK)
	}
	s.waiting, s.of = data, c.class()
	return word(s.more())
}

// more is 61xx for what waits; 00 means 256 or more.
func (s *shell) more() int {
	if len(s.waiting) >= maxShort {
		return swMore
	}
	return swMore | len(s.waiting)
}

// getResponse is GET RESPONSE (ISO 7816-4 §11.4.1).
func (s *shell) getResponse(c command) []byte {
	if !s.mayFetch(c.cla) {
		return word(swClass) // what waits goes on waiting, for the right class
	}
	if len(s.waiting) == 0 || len(c.data) > 0 {
		return word(swConditions)
	}
	limit := expected(c.ne, maxShort)
	if s.options.Protocol == T0 && limit > len(s.waiting) {
		return word(swExactLength | len(s.waiting)) // Le must be exact, ISO 7816-3 §12.2
	}
	limit = min(limit, len(s.waiting))
	data := s.waiting[:limit]
	s.waiting = s.waiting[limit:]
	if len(s.waiting) == 0 {
		return withWord(data, swOK)
	}
	return withWord(data, s.more())
}

// mayFetch tells which classes GET RESPONSE may have on this card.
func (s *shell) mayFetch(class byte) bool {
	switch s.options.GetResponse {
	case GetResponseISO:
		return class == classISO
	case GetResponseCommand:
		return class == s.of
	default:
		return class == classISO || class == classCTAP
	}
}
