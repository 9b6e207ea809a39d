package authenticator

import (
	"maps"
	"slices"
)

// info is authenticatorGetInfo (CTAP 2.1 §6.4).
func (e *Engine) info() (any, error) {
	o := e.options
	answer := map[uint64]any{
		0x01: e.versions(),
		0x03: o.AAGUID[:],
		0x04: e.infoOptions(),
		0x05: o.MaxMsgSize,
		0x06: e.protocols(),
	}
	if extensions := e.extensions(); len(extensions) > 0 {
		answer[0x02] = extensions
	}
	if o.Version != CTAP20 {
		answer[0x07] = maxListed
		answer[0x08] = maxCredentialID
		answer[0x09] = o.Transports
		answer[0x0A] = []any{map[string]any{"alg": algES256, "type": publicKey}}
	}
	if e.speaks21() {
		answer[0x0C] = e.state.ForceChange
		answer[0x0D] = e.state.MinPINLength
		answer[0x0E] = 1 // firmwareVersion
		answer[0x10] = maxMinPINRPs
		answer[0x14] = max(o.ResidentKeys-len(e.state.Credentials), 0)
	}
	if o.BuiltInUV != nil && e.speaks21() {
		answer[0x11] = maxUVTries // preferredPlatformUvAttempts
		answer[0x12] = 2          // uvModality: fingerprint
	}
	if o.NonCanonicalInfo {
		return disorderly(answer)
	}
	return answer, nil
}

func (e *Engine) versions() []string {
	switch e.options.Version {
	case CTAP20:
		return []string{"FIDO_2_0"}
	case CTAP21Pre:
		return []string{"FIDO_2_0", "FIDO_2_1_PRE"}
	default:
		return []string{"FIDO_2_0", "FIDO_2_1_PRE", "FIDO_2_1"}
	}
}

// protocols lists the PIN/UV auth protocols, the preferred one first.
func (e *Engine) protocols() []uint64 {
	if e.options.Version == CTAP20 {
		return []uint64{1}
	}
	return []uint64{2, 1}
}

func (e *Engine) extensions() []string {
	var names []string
	if e.options.Version != CTAP20 {
		names = append(names, extensionCredProtect)
	}
	if e.options.HMACSecret {
		names = append(names, extensionHMACSecret)
	}
	if e.speaks21() {
		names = append(names, extensionMinPINLength)
	}
	return names
}

// infoOptions lists the option IDs (CTAP 2.1 §6.4, table of options).
func (e *Engine) infoOptions() map[string]bool {
	options := map[string]bool{"plat": false, "rk": e.options.ResidentKeys > 0, "up": true, "clientPin": e.pinSet()}
	if e.options.BuiltInUV != nil {
		options["uv"] = true
	}
	if e.options.Version != CTAP20 {
		options["credentialMgmtPreview"] = true
	}
	if !e.speaks21() {
		return options
	}
	options["credMgmt"] = true
	options["authnrCfg"] = true
	options["setMinPINLength"] = true
	options["pinUvAuthToken"] = true
	options["alwaysUv"] = e.state.AlwaysUV
	options["makeCredUvNotRqd"] = e.options.MakeCredUVNotRqd && !e.state.AlwaysUV
	if e.options.Enterprise.Key != nil {
		options["ep"] = e.state.Enterprise
	}
	return options
}

// disorderly encodes a map well-formed but not canonical: keys descending, and
// in two bytes where one would do.
func disorderly(answer map[uint64]any) ([]byte, error) {
	out := []byte{0xB8, byte(len(answer))}
	keys := slices.Sorted(maps.Keys(answer))
	slices.Reverse(keys)
	for _, key := range keys {
		value, err := encoding.Marshal(answer[key])
		if err != nil {
			return nil, err
		}
		out = append(out, 0x18, byte(key))
		out = append(out, value...)
	}
	return out, nil
}
