package cardside

// ExitCode is what a command ends with.
type ExitCode int

// The exit codes of every command.
const (
	ExitDone        ExitCode = 0
	ExitFailed      ExitCode = 1  // for a reason not listed below
	ExitUsage       ExitCode = 2  // unusable input: flags, files
	ExitService     ExitCode = 3  // no PC/SC service, no reader, or no right to them
	ExitNoCard      ExitCode = 4  // no card, or it left
	ExitNotUsable   ExitCode = 5  // the card has no FIDO2 application that works here
	ExitPINWrong    ExitCode = 6  // wrong PIN, tries are left
	ExitPINBlocked  ExitCode = 7  // PIN blocked, for the moment or for good
	ExitLastTry     ExitCode = 8  // one try left and not spent
	ExitRefused     ExitCode = 9  // the card, or this program for it, refused
	ExitInterrupted ExitCode = 10 // interrupted, or nobody answered in time
	ExitNotBuilt    ExitCode = 11 // this program was built without what it takes
	ExitFindings    ExitCode = 12 // doctor found something to mend
	ExitServer      ExitCode = 13 // the server is not reached, not trusted, or makes no sense
	ExitDeskRefused ExitCode = 14 // the server refused: the ticket, the certificate, the passkey, the session
)

// ExitCodes lists the codes in order.
func ExitCodes() []ExitCode {
	return []ExitCode{
		ExitDone, ExitFailed, ExitUsage, ExitService, ExitNoCard, ExitNotUsable, ExitPINWrong, ExitPINBlocked,
		ExitLastTry, ExitRefused, ExitInterrupted, ExitNotBuilt, ExitFindings, ExitServer, ExitDeskRefused,
	}
}

var exitCodes = map[Reason]ExitCode{
	ReasonNotBuilt: ExitNotBuilt,

	ReasonNoService: ExitService, ReasonNoReader: ExitService, ReasonSeveralReaders: ExitUsage, ReasonAccessDenied: ExitService,

	ReasonNoCard: ExitNoCard, ReasonCardRemoved: ExitNoCard, ReasonSeveralCards: ExitNoCard,
	ReasonCardNotRemoved: ExitNoCard, ReasonAnotherCard: ExitNoCard, ReasonNoToken: ExitNoCard,

	ReasonCardMute: ExitNotUsable, ReasonNoApplet: ExitNotUsable, ReasonNotOverContact: ExitNotUsable, ReasonU2FOnly: ExitNotUsable,
	ReasonSelectCutShort: ExitNotUsable, ReasonNotCanonical: ExitNotUsable, ReasonMalformed: ExitNotUsable, ReasonNoCertificate: ExitNotUsable,

	ReasonPINWrong: ExitPINWrong, ReasonCPxWrong: ExitPINWrong,
	ReasonPINPause: ExitPINBlocked, ReasonPINBlocked: ExitPINBlocked, ReasonCPxBlocked: ExitPINBlocked,
	ReasonLastTry: ExitLastTry,

	ReasonBlank: ExitRefused, ReasonNotBlank: ExitRefused, ReasonPINRequired: ExitRefused, ReasonPINTooShort: ExitRefused,
	ReasonPINTooLong: ExitRefused, ReasonPINPolicy: ExitRefused, ReasonPINMustChange: ExitRefused, ReasonExcluded: ExitRefused,
	ReasonNoCredentials: ExitRefused, ReasonCardFull: ExitRefused, ReasonUnsupported: ExitRefused, ReasonTooLong: ExitRefused,
	ReasonResetTooLate: ExitRefused, ReasonDenied: ExitRefused, ReasonTouch: ExitRefused, ReasonCardRefused: ExitRefused,

	ReasonCancelled: ExitInterrupted, ReasonServiceTimeout: ExitInterrupted, ReasonCardInUse: ExitInterrupted,

	ReasonServer: ExitServer, ReasonServerTrust: ExitServer, ReasonServerAnswer: ExitServer, ReasonOrigin: ExitServer, ReasonServerRefused: ExitDeskRefused, ReasonSessionEnded: ExitDeskRefused,
	ReasonCPS3: ExitNotUsable, ReasonNotCPS4: ExitNotUsable, ReasonPINTrivial: ExitRefused, ReasonPolicy: ExitRefused,

	ReasonPINsDiffer: ExitUsage, ReasonPINEntry: ExitUsage, ReasonEngine: ExitUsage, ReasonFile: ExitUsage, ReasonNoModule: ExitNotBuilt,
}

// ExitCodeOf is the exit code of a reason.
func ExitCodeOf(reason Reason) ExitCode {
	if code, listed := exitCodes[reason]; listed {
		return code
	}
	return ExitFailed
}
