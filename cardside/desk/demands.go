package desk

import (
	"fmt"
	"slices"

	"cpsgate/cardside"
	"cpsgate/cardside/ctap2"
)

// metBy refuses an applet that cannot do what the hospital demands, and an
// engine that cannot ask for it, while nothing is written yet. erased: the applet
// is to be emptied first, and forgets its settings (CTAP 2.1 §6.6).
func (p policy) metBy(info ctap2.Info, engine cardside.EngineName, erased bool) error {
	configures := info.Options[ctap2.OptionConfig] && info.Options[ctap2.OptionSetMinPINLength]
	enabled, enterprise := info.Option(ctap2.OptionEnterprise) // false: it can be enabled (§6.4)
	lengthens := p.SetMinPINLength && (info.PINLength() < p.MinPINLength || erased && configures)
	enables := p.EnterpriseAttestation && (!enabled || erased)

	for _, demand := range []struct {
		is, can bool
		what    string
	}{
		{true, info.Options[ctap2.OptionResidentKey], "discoverable credentials"},
		{lengthens, configures, "setting the least PIN length"},
		{p.ForcePINChange, configures, "forcing a change of PIN"},
		{p.CredProtect > 0, slices.Contains(info.Extensions, "credProtect"), "credProtect"},
		{p.EnterpriseAttestation, enterprise, "enterprise attestation"},
		{enables, info.Options[ctap2.OptionConfig], "enabling enterprise attestation"},
	} {
		if demand.is && !demand.can {
			return fmt.Errorf("%w: %w: %s", cardside.ErrPolicyUnmet, ctap2.ErrUnsupported, demand.what)
		}
	}
	if engine == cardside.EngineLibfido2 && (lengthens || p.ForcePINChange || p.EnterpriseAttestation) {
		return fmt.Errorf("%w: %w: settings by libfido2", cardside.ErrPolicyUnmet, cardside.ErrEngine)
	}
	return nil
}
