package desk_test

import (
	"errors"
	"testing"

	"cpsgate/cardside"
	"cpsgate/cardside/ctap2"
	"cpsgate/cardside/desk"
)

// TestDemandsOnApplets: what getInfo says decides before anything is written.
func TestDemandsOnApplets(t *testing.T) {
	able := func() ctap2.Info {
		return ctap2.Info{
			Options:    map[string]bool{"rk": true, "authnrCfg": true, "setMinPINLength": true, "ep": false},
			Extensions: []string{"credProtect", "minPinLength"},
		}
	}
	without := func(options ...string) func(*ctap2.Info) {
		return func(i *ctap2.Info) {
			for _, o := range options {
				delete(i.Options, o)
			}
		}
	}
	const (
		all      = `{"minPinLength":8,"setMinPinLength":true,"forcePinChange":true,"credProtect":3,"enterpriseAttestation":true,"reset":"no","sameCard":"required"}`
		nothing  = `{"minPinLength":8,"reset":"no","sameCard":"required"}`
		lengthen = `{"minPinLength":8,"setMinPinLength":true,"reset":"no","sameCard":"required"}`
		force    = `{"forcePinChange":true,"reset":"no","sameCard":"required"}`
		protect  = `{"credProtect":2,"reset":"no","sameCard":"required"}`
		vouch    = `{"enterpriseAttestation":true,"reset":"no","sameCard":"required"}`
	)
	for name, c := range map[string]struct {
		rules  string
		bend   func(*ctap2.Info)
		engine cardside.EngineName
		erased bool
		unmet  bool
	}{
		"all of it, by an applet that can":            {rules: all},
		"nothing, by one that can nothing":            {rules: nothing, bend: func(i *ctap2.Info) { *i = ctap2.Info{Options: map[string]bool{"rk": true}} }},
		"nothing, by libfido2":                        {rules: nothing, engine: cardside.EngineLibfido2},
		"no discoverable credentials":                 {rules: nothing, bend: without("rk"), unmet: true},
		"the least length, without settings":          {rules: lengthen, bend: without("authnrCfg"), unmet: true},
		"the least length, without that one":          {rules: lengthen, bend: without("setMinPINLength"), unmet: true},
		"the least length, which it has":              {rules: lengthen, bend: func(i *ctap2.Info) { *i = ctap2.Info{Options: map[string]bool{"rk": true}, MinPINLength: 8} }},
		"the least length, which it has born, erased": {rules: lengthen, erased: true, bend: func(i *ctap2.Info) { *i = ctap2.Info{Options: map[string]bool{"rk": true}, MinPINLength: 8} }},
		"the least length, by libfido2":               {rules: lengthen, engine: cardside.EngineLibfido2, unmet: true},
		"the least length, which it has, by libfido2": {rules: lengthen, engine: cardside.EngineLibfido2, bend: func(i *ctap2.Info) { i.MinPINLength = 8 }},
		"and forgets, by libfido2":                    {rules: lengthen, engine: cardside.EngineLibfido2, erased: true, unmet: true, bend: func(i *ctap2.Info) { i.MinPINLength = 8 }},
		"a forced change, without settings":           {rules: force, bend: without("authnrCfg"), unmet: true},
		"a forced change, by libfido2":                {rules: force, engine: cardside.EngineLibfido2, unmet: true},
		"protection, without the extension":           {rules: protect, bend: func(i *ctap2.Info) { i.Extensions = nil }, unmet: true},
		"protection, by libfido2":                     {rules: protect, engine: cardside.EngineLibfido2},
		"enterprise attestation, without it":          {rules: vouch, bend: without("ep"), unmet: true},
		"enterprise attestation, which none enables":  {rules: vouch, bend: without("authnrCfg"), unmet: true},
		"enterprise attestation, enabled":             {rules: vouch, bend: func(i *ctap2.Info) { i.Options = map[string]bool{"rk": true, "ep": true} }},
		"enabled, until it is erased":                 {rules: vouch, erased: true, unmet: true, bend: func(i *ctap2.Info) { i.Options = map[string]bool{"rk": true, "ep": true} }},
		"enterprise attestation, by libfido2":         {rules: vouch, engine: cardside.EngineLibfido2, unmet: true},
	} {
		t.Run(name, func(t *testing.T) {
			info := able()
			if c.bend != nil {
				c.bend(&info)
			}
			err := desk.MetBy(t, c.rules, info, c.engine, c.erased)
			if errors.Is(err, cardside.ErrPolicyUnmet) != c.unmet || err != nil && !c.unmet {
				t.Errorf("%v", err)
			}
		})
	}
}
