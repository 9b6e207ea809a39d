//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/miekg/pkcs11"
)

// Available reports whether this program was built with PKCS#11.
const Available = true

// Module is a PKCS#11 library in use. It serves one call at a time.
type Module struct {
	path string
	mu   sync.Mutex // guards the library, which need not be safe for threads
	lib  *pkcs11.Ctx
}

// Open loads a module by its absolute path; "" takes the Cryptolib's.
func Open(path string) (*Module, error) {
	found, err := FindModule(path)
	if err != nil {
		return nil, err
	}
	lib := pkcs11.New(found)
	if lib == nil {
		return nil, fmt.Errorf("%w: %s cannot be loaded", ErrNoModule, found)
	}
	if err := lib.Initialize(); err != nil && !isCode(err, pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		lib.Destroy()
		return nil, translate("starting "+found, err)
	}
	return &Module{path: found, lib: lib}, nil
}

// Close lets the module go; keys found through it are of no more use.
func (m *Module) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lib.Finalize() //nolint:errcheck // nothing is left to be done
	m.lib.Destroy()
}

// Tokens lists the cards that the module sees.
func (m *Module) Tokens() ([]Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tokens()
}

func (m *Module) tokens() ([]Token, error) {
	slots, err := m.lib.GetSlotList(true)
	if err != nil {
		return nil, translate("listing cards", err)
	}
	var tokens []Token
	for _, slot := range slots {
		token, err := m.token(slot)
		if isCode(err, pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_TOKEN_NOT_RECOGNIZED, pkcs11.CKR_DEVICE_REMOVED) {
			continue // gone meanwhile, or not a card of this module's
		}
		if err != nil {
			return nil, translate("reading a card's description", err)
		}
		if token != nil {
			tokens = append(tokens, *token)
		}
	}
	return tokens, nil
}

// token describes the card in a slot; an uninitialised one is none.
func (m *Module) token(slot uint) (*Token, error) {
	about, err := m.lib.GetTokenInfo(slot)
	if err != nil {
		return nil, err
	}
	if about.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
		return nil, nil
	}
	where, err := m.lib.GetSlotInfo(slot)
	if err != nil {
		return nil, err
	}
	return &Token{
		Slot: slot, Reader: trim(where.SlotDescription), Label: trim(about.Label), Serial: trim(about.SerialNumber),
		Keypad:     about.Flags&pkcs11.CKF_PROTECTED_AUTHENTICATION_PATH != 0,
		FewTries:   about.Flags&pkcs11.CKF_USER_PIN_COUNT_LOW != 0,
		LastTry:    about.Flags&pkcs11.CKF_USER_PIN_FINAL_TRY != 0,
		PINBlocked: about.Flags&pkcs11.CKF_USER_PIN_LOCKED != 0,
	}, nil
}

// trim takes away the padding of PKCS#11's fixed fields: blanks, or NULs from
// modules that know no better.
func trim(s string) string { return strings.TrimRight(s, " \x00") }

// Certificates reads the X.509 certificates of a card. They are public: no PIN
// is asked for.
func (m *Module) Certificates(token Token) ([]Certificate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	session, err := m.lib.OpenSession(token.Slot, pkcs11.CKF_SERIAL_SESSION)
	if err != nil {
		return nil, translate("opening a session", err)
	}
	defer m.lib.CloseSession(session) //nolint:errcheck // nothing is left to be done
	return m.certificates(session)
}

func (m *Module) certificates(session pkcs11.SessionHandle) ([]Certificate, error) {
	objects, err := m.find(session,
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE),
		pkcs11.NewAttribute(pkcs11.CKA_CERTIFICATE_TYPE, pkcs11.CKC_X_509))
	if err != nil {
		return nil, err
	}
	var found []Certificate
	for _, object := range objects {
		read, err := m.lib.GetAttributeValue(session, object, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_VALUE, nil), pkcs11.NewAttribute(pkcs11.CKA_ID, nil), pkcs11.NewAttribute(pkcs11.CKA_LABEL, nil),
		})
		if err != nil {
			return nil, translate("reading a certificate", err)
		}
		parsed, err := x509.ParseCertificate(read[0].Value)
		if err != nil {
			continue // not ours to judge: it fits no profile
		}
		found = append(found, Certificate{Label: string(read[2].Value), ID: read[1].Value, Certificate: parsed})
	}
	return found, nil
}

// maxObjects bounds what is looked at on one card.
const maxObjects = 64

func (m *Module) find(session pkcs11.SessionHandle, template ...*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	if err := m.lib.FindObjectsInit(session, template); err != nil {
		return nil, translate("looking for objects", err)
	}
	defer m.lib.FindObjectsFinal(session) //nolint:errcheck // nothing is left to be done
	objects, _, err := m.lib.FindObjects(session, maxObjects)
	return objects, translate("looking for objects", err)
}

// Authentication finds the authentication key of the card meant. The key is
// locked until Unlock; Close ends its session.
func (m *Module) Authentication(choice Choice) (*Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tokens, err := m.tokens()
	if err != nil {
		return nil, err
	}
	if len(tokens) == 0 {
		return nil, ErrNoToken
	}
	all, err := m.candidates(tokens)
	if err != nil {
		return nil, err
	}
	best, err := choose(all, choice)
	if err != nil {
		return nil, err
	}
	session, err := m.lib.OpenSession(best.token.Slot, pkcs11.CKF_SERIAL_SESSION)
	if err != nil {
		return nil, translate("opening a session", err)
	}
	return &Key{
		Token: best.token, Certificate: best.certificate.Certificate, Profile: best.profile,
		module: m, choice: choice, session: session, id: bytes.Clone(best.certificate.ID),
	}, nil
}

func (m *Module) candidates(tokens []Token) ([]candidate, error) {
	var all []candidate
	for _, token := range tokens {
		session, err := m.lib.OpenSession(token.Slot, pkcs11.CKF_SERIAL_SESSION)
		if err != nil {
			return nil, translate("opening a session", err)
		}
		found, err := m.certificates(session)
		m.lib.CloseSession(session) //nolint:errcheck // nothing is left to be done
		if err != nil {
			return nil, err
		}
		for _, certificate := range found {
			if profile, err := ReadProfile(certificate.Certificate); err == nil {
				all = append(all, candidate{token, certificate, profile})
			}
		}
	}
	return all, nil
}

// unlock logs in: by the reader's keypad where there is one (C_Login without a
// PIN), else with the PIN that is asked for.
func (m *Module) unlock(ctx context.Context, k *Key) error {
	m.mu.Lock()
	token, err := m.token(k.Token.Slot) // its flags as they are now
	m.mu.Unlock()
	if err != nil {
		return translate("reading the card's description", err)
	}
	if token == nil {
		return ErrNoToken
	}
	if err := k.choice.allow(*token); err != nil {
		return err
	}
	var pin []byte
	if !token.Keypad {
		if k.choice.PIN == nil {
			return ErrPINCancelled
		}
		if pin, err = k.choice.PIN(ctx, *token); err != nil {
			return err
		}
		defer clear(pin)
		if len(pin) == 0 { // an empty one would mean the keypad
			return ErrPINCancelled
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.lib.Login(k.session, pkcs11.CKU_USER, string(pin)); err != nil && !isCode(err, pkcs11.CKR_USER_ALREADY_LOGGED_IN) {
		return translate("presenting the PIN", err)
	}
	return nil
}

var codes = map[pkcs11.Error]error{
	pkcs11.CKR_PIN_INCORRECT:           ErrPINWrong,
	pkcs11.CKR_PIN_INVALID:             ErrPINWrong,
	pkcs11.CKR_PIN_LEN_RANGE:           ErrPINWrong,
	pkcs11.CKR_PIN_LOCKED:              ErrPINBlocked,
	pkcs11.CKR_FUNCTION_CANCELED:       ErrPINCancelled,
	pkcs11.CKR_DEVICE_REMOVED:          ErrRemoved,
	pkcs11.CKR_TOKEN_NOT_PRESENT:       ErrRemoved,
	pkcs11.CKR_SESSION_HANDLE_INVALID:  ErrRemoved,
	pkcs11.CKR_USER_NOT_LOGGED_IN:      ErrLocked,
	pkcs11.CKR_MECHANISM_INVALID:       ErrUnsupported,
	pkcs11.CKR_MECHANISM_PARAM_INVALID: ErrUnsupported,
}

// translate maps the library's codes to this package's errors.
func translate(op string, err error) error {
	if err == nil {
		return nil
	}
	var code pkcs11.Error
	if errors.As(err, &code) {
		if known, ok := codes[code]; ok {
			return fmt.Errorf("%s: %w: %w", op, known, err)
		}
	}
	return fmt.Errorf("%s: %w: %w", op, ErrModule, err)
}

func isCode(err error, codes ...uint) bool {
	var code pkcs11.Error
	if !errors.As(err, &code) {
		return false
	}
	for _, c := range codes {
		if uint(code) == c {
			return true
		}
	}
	return false
}
