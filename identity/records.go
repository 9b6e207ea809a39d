package identity

import (
	"slices"
	"time"
)

// Professional is a person, keyed by PS_IdNat.
type Professional struct {
	IdNat       PSIdNat
	FamilyName  string
	GivenName   string
	Title       string     // as the certificate writes it: "Médecin"
	Profession  Profession // TRE_G15; for a CPF the future profession (TRE_G16)
	Training    bool       // a CPF: the profession is the one studied for
	Specialties []string   // TRE_R01 codes: SM26, SCD01 …
	Structure   StructureID
	Employer    string // the structure's name, O of the subject
	Roles       []Role
	Proved      []Attribute // what of this a certificate said last: nothing but another replaces it
	// UserHandle is the WebAuthn user handle: 32 random bytes, made once,
	// never derived from IdNat (WebAuthn L3 §14.6.1). Owned by the store.
	UserHandle []byte
}

// HasRole reports whether the professional holds the role here.
func (p Professional) HasRole(r Role) bool { return slices.Contains(p.Roles, r) }

// HasProved reports whether the attribute is as a certificate said it last.
func (p Professional) HasProved(a Attribute) bool { return slices.Contains(p.Proved, a) }

// Attribute is one thing that a certificate may say of its holder.
type Attribute string

// The attributes of a professional, by the names that they have in files.
const (
	AttributeFamilyName  Attribute = "family_name"
	AttributeGivenName   Attribute = "given_name"
	AttributeTitle       Attribute = "title"
	AttributeProfession  Attribute = "profession"
	AttributeTraining    Attribute = "training"
	AttributeSpecialties Attribute = "specialties"
	AttributeStructure   Attribute = "structure"
	AttributeEmployer    Attribute = "employer"
)

// Role is what a professional may do in cpsgate itself.
type Role string

// The roles, granted by an administrator.
const (
	RoleOperator Role = "operator"
	RoleApprover Role = "approver"
	RoleAuditor  Role = "auditor"
	RoleAdmin    Role = "admin"
)

// CardType is the card type extension 1.2.250.1.71.1.2.2.
type CardType int

// The card types of the IGC-Santé.
const (
	CardCPS CardType = 0
	CardCPF CardType = 1 // in training
	CardCPE CardType = 2 // CDE and CPE, of an establishment
	CardCPA CardType = 3 // CDA and CPA, of another structure
)

func (t CardType) String() string {
	switch t {
	case CardCPS:
		return "CPS"
	case CardCPF:
		return "CPF"
	case CardCPE:
		return "CPE"
	case CardCPA:
		return "CPA"
	}
	return "unknown"
}

// Generation is a card's hardware generation, learnt from its ATR or
// applications by cardside, or by its holding a passkey; a certificate does not
// tell it. A CPS3 is refused at a workstation before the server hears of it, so
// that its card stays unknown.
type Generation string

// The generations known.
const (
	GenerationUnknown Generation = ""
	GenerationCPS3    Generation = "cps3"
	GenerationCPS4    Generation = "cps4"
)

// CardState is where a card stands: active → suspended ↔ active → revoked.
type CardState string

// The card states; revoked is final.
const (
	CardActive    CardState = "active"
	CardSuspended CardState = "suspended"
	CardRevoked   CardState = "revoked"
)

// CanBecome reports whether the life cycle allows the change.
func (s CardState) CanBecome(next CardState) bool {
	switch s {
	case CardActive:
		return next == CardSuspended || next == CardRevoked
	case CardSuspended:
		return next == CardActive || next == CardRevoked
	}
	return false
}

// Card is one physical card, keyed by its token id.
type Card struct {
	TokenID     string // 8025000001/<10-digit card number>
	Holder      PSIdNat
	Type        CardType
	Test        bool // product category 80 to 83
	Generation  Generation
	State       CardState
	StateReason string
	Against     string // of a suspended one: what else was found, a space between
	FirstSeen   time.Time
	LastSeen    time.Time
}

// Certificate is one certificate seen on a card, keyed by issuer and serial.
type Certificate struct {
	Issuer    string // RFC 4514 form, for people
	IssuerKey string // lower-case hex SHA-256 of the DER issuer name, for look-ups
	// SignerKey is the lower-case hex SHA-256 of the SubjectPublicKeyInfo that it
	// was verified with: several keys may bear the issuer's name. "" = not known.
	SignerKey   string
	Serial      string // upper-case hex of the serial's magnitude, no leading zeros
	Fingerprint string // lower-case hex SHA-256 of the DER certificate
	TokenID     string
	Holder      PSIdNat
	NotBefore   time.Time
	NotAfter    time.Time
	SeenAt      time.Time
}

// Cardholder is what a verified authentication certificate says: who, by
// which card, by which certificate.
type Cardholder struct {
	Professional Professional
	Card         Card
	Certificate  Certificate
}

// Method is how a session was opened.
type Method string

// The methods.
const (
	MethodCPS   Method = "cps"   // certificate, mutual TLS
	MethodFIDO2 Method = "fido2" // WebAuthn
)

// PasskeyState is where a passkey stands.
type PasskeyState string

// The passkey states: pending until its proof of use, revoked is final.
const (
	PasskeyPending   PasskeyState = "pending"
	PasskeyActive    PasskeyState = "active"
	PasskeySuspended PasskeyState = "suspended"
	PasskeyRevoked   PasskeyState = "revoked"
)

// Passkey is a WebAuthn credential of a professional.
type Passkey struct {
	ID         []byte // credential id
	Holder     PSIdNat
	UserHandle []byte
	Name       string // chosen by the holder
	PublicKey  []byte // COSE_Key
	AAGUID     [16]byte
	// AttestationFormat is the statement's fmt; AttestationType its type by
	// WebAuthn L3 §6.5.3: "none", "self", "basic", "attca", "anonca";
	// AttestationVerdict ours: "trusted", "known", "recorded".
	AttestationFormat  string
	AttestationType    string
	AttestationVerdict string
	SignCount          uint32
	Transports         []string // as the browser sent them
	BackupEligible     bool
	BackupState        bool
	MinPINLength       int    // from the minPinLength extension; 0 = not stated
	CardTokenID        string // "" for a key that is no card
	Proof              Proof
	State              PasskeyState
	StateReason        string // why suspended or revoked
	CreatedAt          time.Time
	LastUsedAt         time.Time // zero = never
}

// ProofKind is who vouched that a passkey belongs to its holder.
type ProofKind string

// The kinds of proof, strongest first.
const (
	ProofSameCard    ProofKind = "same-card"
	ProofCertificate ProofKind = "certificate"
	ProofDesk        ProofKind = "desk"
)

// Proof is the evidence behind a passkey.
type Proof struct {
	Kind        ProofKind
	At          time.Time
	CardTokenID string  // the card whose certificate vouched
	Operator    PSIdNat // desk
	Approver    PSIdNat // desk, four-eyes
}
