package authenticator

import "fmt"

// status is the first byte of every answer (CTAP 2.1 §8.2). As an error it
// ends a command.
type status byte

// The status codes this authenticator gives.
const (
	statusOK                     status = 0x00
	statusInvalidCommand         status = 0x01
	statusInvalidParameter       status = 0x02
	statusInvalidLength          status = 0x03
	statusUnexpectedType         status = 0x11
	statusInvalidCBOR            status = 0x12
	statusMissingParameter       status = 0x14
	statusLimitExceeded          status = 0x15
	statusCredentialExcluded     status = 0x19
	statusUnsupportedAlgorithm   status = 0x26
	statusOperationDenied        status = 0x27
	statusKeyStoreFull           status = 0x28
	statusUnsupportedOption      status = 0x2B
	statusInvalidOption          status = 0x2C
	statusNoCredentials          status = 0x2E
	statusNotAllowed             status = 0x30
	statusPINInvalid             status = 0x31
	statusPINBlocked             status = 0x32
	statusPINAuthInvalid         status = 0x33
	statusPINAuthBlocked         status = 0x34
	statusPINNotSet              status = 0x35
	statusPUATRequired           status = 0x36
	statusPINPolicyViolation     status = 0x37
	statusRequestTooLarge        status = 0x39
	statusUVBlocked              status = 0x3C
	statusInvalidSubcommand      status = 0x3E
	statusUVInvalid              status = 0x3F
	statusUnauthorizedPermission status = 0x40
	statusOther                  status = 0x7F
)

func (s status) Error() string { return fmt.Sprintf("CTAP status 0x%02X", byte(s)) }
