package softkey

import "crypto"

// The flags of authenticator data, WebAuthn L3 §6.1.
const (
	FlagUP byte = 1 << 0
	FlagUV byte = 1 << 2
	FlagBE byte = 1 << 3
	FlagBS byte = 1 << 4
	FlagAT byte = 1 << 6
	FlagED byte = 1 << 7
)

// Draft is an answer about to be made. It is filled with the truth; lies change
// it, then it is encoded and signed as it stands. The hooks, when set, change
// what a step has produced.
type Draft struct {
	// The client data, WebAuthn L3 §5.8.1.
	Type, Challenge, Origin string // Challenge in base64url
	CrossOrigin             any    // nil leaves the member out
	TopOrigin               any
	ClientMembers           map[string]any // further members
	AlterClientData         func([]byte) []byte

	// The authenticator data, §6.1.
	RPID          string
	Flags         byte
	SignCount     uint32
	AAGUID        [16]byte
	CredentialID  []byte // in the attested data
	PublicKey     any    // Map, or Raw
	Extensions    Map
	AlterAuthData func([]byte) []byte // before it is signed

	// The attestation object, §6.5.4.
	Format         string
	Statement      any                                       // a Map, []any or Raw set here is used as it is
	Attest         func(authData, clientDataHash []byte) any // makes a statement of another format
	AlterStatement func(Map)
	Members        Map // further members of the attestation object
	Without        []string
	AlterObject    func([]byte) []byte

	public crypto.PublicKey // the credential's, for the response's publicKey

	// Signing: with which key and algorithm, and what becomes of the signature.
	Signer         crypto.Signer
	Algorithm      int
	AlterSignature func([]byte) []byte

	// The response, §5.1: what the browser hands over.
	ID           []byte // id and rawId
	UserHandle   []byte // nil leaves it out
	Transports   []string
	Attachment   string
	Results      map[string]any      // clientExtensionResults
	SwapAuthData func([]byte) []byte // after it was signed
	SwapClient   func([]byte) []byte // after it was hashed
	Alter        func(map[string]any)
	AlterBody    func([]byte) []byte
}

// Lie bends a Draft.
type Lie func(*Draft)

// Type has the client data name another ceremony.
func Type(s string) Lie { return func(d *Draft) { d.Type = s } }

// Challenge answers another challenge.
func Challenge(raw []byte) Lie { return func(d *Draft) { d.Challenge = b64(raw) } }

// Origin claims another page.
func Origin(s string) Lie { return func(d *Draft) { d.Origin = s } }

// CrossOrigin sets the member crossOrigin; nil leaves it out.
func CrossOrigin(v any) Lie { return func(d *Draft) { d.CrossOrigin = v } }

// TopOrigin adds the member topOrigin.
func TopOrigin(v any) Lie { return func(d *Draft) { d.TopOrigin = v } }

// RPID hashes another RP ID into the authenticator data.
func RPID(s string) Lie { return func(d *Draft) { d.RPID = s } }

// Set sets flags, Clear clears them.
func Set(flags byte) Lie { return func(d *Draft) { d.Flags |= flags } }

// Clear clears flags.
func Clear(flags byte) Lie { return func(d *Draft) { d.Flags &^= flags } }

// SignCount reports another count.
func SignCount(n uint32) Lie { return func(d *Draft) { d.SignCount = n } }

// AAGUID claims another model.
func AAGUID(a [16]byte) Lie { return func(d *Draft) { d.AAGUID = a } }

// UserHandle hands over another user handle; nil leaves it out.
func UserHandle(b []byte) Lie { return func(d *Draft) { d.UserHandle = b } }

// WithoutMember leaves a member out of the attestation object.
func WithoutMember(name string) Lie { return func(d *Draft) { d.Without = append(d.Without, name) } }

// Format names another attestation statement format.
func Format(s string) Lie { return func(d *Draft) { d.Format = s } }

// Statement replaces the attestation statement.
func Statement(v any) Lie { return func(d *Draft) { d.Statement = v } }

// Attest names another format and makes its statement.
func Attest(format string, f func(authData, clientDataHash []byte) any) Lie {
	return func(d *Draft) { d.Format, d.Attest = format, f }
}

// AlterStatement changes the statement that was made.
func AlterStatement(f func(Map)) Lie { return func(d *Draft) { d.AlterStatement = f } }

// BadSignature flips one bit of the signature's last byte.
func BadSignature() Lie {
	return func(d *Draft) {
		d.AlterSignature = func(sig []byte) []byte {
			sig[len(sig)-1] ^= 1
			return sig
		}
	}
}

// SignWith signs by another key.
func SignWith(key crypto.Signer) Lie { return func(d *Draft) { d.Signer = key } }

// Alter changes the response's members before they are written as JSON.
func Alter(f func(map[string]any)) Lie { return func(d *Draft) { d.Alter = f } }

// AlterInner is Alter for the members of "response".
func AlterInner(f func(map[string]any)) Lie {
	return Alter(func(m map[string]any) { f(m["response"].(map[string]any)) })
}

// AlterBody changes the JSON text.
func AlterBody(f func([]byte) []byte) Lie { return func(d *Draft) { d.AlterBody = f } }
