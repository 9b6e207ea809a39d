package rp

import "crypto/subtle"

// checkFlags is WebAuthn L3 §7.1 steps 14 to 17, §7.2 steps 15 to 18.
func (p *RelyingParty) checkFlags(d authenticatorData, uv UserVerification) *Refusal {
	switch {
	case subtle.ConstantTimeCompare(d.rpIDHash, p.rpIDHash[:]) != 1:
		return refuse(ReasonRPID, "the RP ID hash is not that of %q", p.o.ID)
	case !d.flags.HasUserPresent():
		return refuse(ReasonUserPresence, "flag UP is not set")
	case uv != UserVerificationPreferred && !d.flags.HasUserVerified():
		return refuse(ReasonUserVerification, "flag UV is not set")
	case d.flags.HasBackupState() && !d.flags.HasBackupEligible():
		return refuse(ReasonBackupState, "flag BS is set and BE is not")
	}
	return nil
}
