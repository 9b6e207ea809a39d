//go:build cgo

package libfido2

import (
	"errors"
	"fmt"

	"cpsgate/cardside/ctap2"

	"github.com/keys-pub/go-libfido2"
)

// statuses are go-libfido2's error values for CTAP's status codes.
var statuses = map[error]ctap2.Status{
	libfido2.ErrInvalidCommand:     ctap2.StatusInvalidCommand,
	libfido2.ErrInvalidLength:      ctap2.StatusInvalidLength,
	libfido2.ErrMissingParameter:   ctap2.StatusMissingParameter,
	libfido2.ErrInvalidCredential:  ctap2.StatusInvalidCredential,
	libfido2.ErrOperationDenied:    ctap2.StatusOperationDenied,
	libfido2.ErrUnsupportedOption:  ctap2.StatusUnsupportedOption,
	libfido2.ErrInvalidOption:      ctap2.StatusInvalidOption,
	libfido2.ErrKeepaliveCancel:    ctap2.StatusKeepaliveCancel,
	libfido2.ErrNoCredentials:      ctap2.StatusNoCredentials,
	libfido2.ErrNotAllowed:         ctap2.StatusNotAllowed,
	libfido2.ErrPinInvalid:         ctap2.StatusPINInvalid,
	libfido2.ErrPinAuthBlocked:     ctap2.StatusPINAuthBlocked,
	libfido2.ErrPinNotSet:          ctap2.StatusPINNotSet,
	libfido2.ErrPinRequired:        ctap2.StatusPUATRequired,
	libfido2.ErrPinPolicyViolation: ctap2.StatusPINPolicyViolation,
	libfido2.ErrActionTimeout:      ctap2.StatusActionTimeout,
	libfido2.ErrUPRequired:         ctap2.StatusUPRequired,
	libfido2.ErrOther:              ctap2.StatusOther,
}

// translate maps go-libfido2's errors to this program's at this one border.
func translate(err error) error {
	if err == nil {
		return nil
	}
	var coded libfido2.Error
	switch {
	case errors.As(err, &coded) && coded.Code > 0 && coded.Code <= 0xFF:
		return fmt.Errorf("%w: %w", ctap2.Status(coded.Code), err)
	case errors.Is(err, libfido2.ErrTX), errors.Is(err, libfido2.ErrRX):
		return linkFailure(err)
	case errors.Is(err, libfido2.ErrRXInvalidCBOR), errors.Is(err, libfido2.ErrRXNotCBOR):
		return fmt.Errorf("%w: %w", ctap2.ErrMalformed, err)
	}
	for known, status := range statuses {
		if errors.Is(err, known) {
			return fmt.Errorf("%w: %w", status, err)
		}
	}
	var status ctap2.Status
	if errors.As(err, &status) || errors.Is(err, ErrUnsupported) || errors.Is(err, ctap2.ErrMalformed) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrLibrary, err)
}
