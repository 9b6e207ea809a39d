package mtls

import "fmt"

// CRLFault names why a CRL was refused. Compare with errors.Is.
type CRLFault string

// The faults of CRLs.
const (
	CRLUnreadable           CRLFault = "unreadable"            // the source failed
	CRLTruncated            CRLFault = "truncated"             // it ends before its DER does
	CRLTrailing             CRLFault = "trailing-bytes"        // something follows the DER
	CRLMalformed            CRLFault = "malformed"             // not the DER of RFC 5280 §5.1
	CRLTooLarge             CRLFault = "too-large"             // over CRLLimits.MaxBytes
	CRLTooManyEntries       CRLFault = "too-many-entries"      // over CRLLimits.MaxEntries
	CRLNegativeSerial       CRLFault = "negative-serial"       // RFC 5280 §4.1.2.2
	CRLSerialTooLong        CRLFault = "serial-too-long"       // over 20 octets, RFC 5280 §4.1.2.2
	CRLDuplicateSerial      CRLFault = "duplicate-serial"      // two entries for one certificate
	CRLVersion              CRLFault = "unsupported-version"   // not v2, RFC 5280 §5.1.2.1
	CRLAlgorithm            CRLFault = "unsupported-algorithm" // signature algorithm
	CRLAlgorithmMismatch    CRLFault = "algorithm-mismatch"    // RFC 5280 §5.1.1.2
	CRLWeakHash             CRLFault = "weak-hash"             // SHA-1
	CRLWeakKey              CRLFault = "weak-key"              // below Strength
	CRLDuplicateExtension   CRLFault = "duplicate-extension"   // RFC 5280 §4.2
	CRLTooManyExtensions    CRLFault = "too-many-extensions"   // in one list of them
	CRLRemoveOutsideDelta   CRLFault = "remove-outside-delta"  // removeFromCRL in a complete CRL, §5.3.1
	CRLSignerNotAllowed     CRLFault = "signer-not-allowed"    // keyUsage without cRLSign, §6.3.3 (f)
	CRLSignature            CRLFault = "bad-signature"         // §6.3.3 (g)
	CRLOtherIssuer          CRLFault = "other-issuer"          // not the CA it was meant for
	CRLOlder                CRLFault = "older"                 // than the one already in use
	CRLNotYet               CRLFault = "not-yet-valid"         // thisUpdate in the future
	CRLStale                CRLFault = "stale"                 // past nextUpdate
	CRLUnsupportedExtension CRLFault = "unsupported-extension" // critical and unknown
	CRLUnsupportedScope     CRLFault = "unsupported-scope"     // indirect, or split by reason
	CRLDeltaMismatch        CRLFault = "delta-mismatch"        // a delta that does not fit its base, §5.2.4
	CRLOtherKind            CRLFault = "other-kind"            // a delta where a complete CRL is published, or the reverse
)

func (f CRLFault) Error() string { return "CRL: " + string(f) }

// CRLError is a refused CRL: why, and where.
type CRLError struct {
	Fault  CRLFault
	Offset int64  // in the DER; 0 when it has no place
	Detail string // for operators
	Err    error  // what lies behind, nil if nothing does
}

func (e *CRLError) Error() string {
	s := e.Fault.Error()
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Offset > 0 {
		s += fmt.Sprintf(" (at octet %d)", e.Offset)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the fault, and the error behind it.
func (e *CRLError) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Fault}
	}
	return []error{e.Fault, e.Err}
}

func crlFault(fault CRLFault, offset int64, format string, args ...any) error {
	return &CRLError{Fault: fault, Offset: offset, Detail: fmt.Sprintf(format, args...)}
}
