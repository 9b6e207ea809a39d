package virtualcard_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"cpsgate/internal/cardlab"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
	"cpsgate/internal/virtualcard/authenticator"
)

// attested are options with a packed attestation under the test root.
func attested(t *testing.T) authenticator.Options {
	t.Helper()
	pki, err := testpki.New(testpki.Options{Test: true})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := pki.Attestation(authenticator.DefaultAAGUID)
	if err != nil {
		t.Fatal(err)
	}
	return authenticator.Options{Attestation: authenticator.Attestation{Key: pair.Key, Chain: [][]byte{pair.DER}}}
}

// enrol runs testdata/enrol.py on the card in a reader.
func enrol(t *testing.T, lab *cardlab.Lab, reader, form, protocol string) (seen map[string]any, output string, err error) {
	t.Helper()
	command := exec.Command(cardlab.NeedPython(t), "testdata/enrol.py", reader, form, protocol)
	command.Env = append(os.Environ(), lab.Env()...)
	printed, err := command.CombinedOutput()
	if err != nil {
		return nil, string(printed), err
	}
	return seen, string(printed), json.Unmarshal(printed, &seen)
}

// python-fido2 is a reading of CTAP and ISO 7816 that owes nothing to this one.
func TestPythonFido2Enrols(t *testing.T) {
	cardlab.NeedPython(t)
	lab := cardlab.Start(t, 5)
	for i, test := range []struct {
		name, form, protocol string
		options              virtualcard.Options
	}{
		{"T=0", "short", "2", virtualcard.Options{}},
		{"T=0, PIN protocol 1", "short", "1", virtualcard.Options{GetResponse: virtualcard.GetResponseISO}},
		{"T=1, short", "short", "2", virtualcard.Options{Protocol: virtualcard.T1}},
		{"T=1, extended", "extended", "2", virtualcard.Options{Protocol: virtualcard.T1, Extended: true}},
		{"T=1, every leniency asked of a client", "short", "2", virtualcard.Options{
			Protocol: virtualcard.T1, SelectMore: true, U2FVersion: true, KeepAlive: 2,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			reader := lab.Readers[i]
			test.options.FIDO = attested(t)
			card, err := virtualcard.New(test.options)
			if err != nil {
				t.Fatal(err)
			}
			reader.Put(t, card)
			seen, output, err := enrol(t, lab, reader.Name, test.form, test.protocol)
			if err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			want := map[string]any{
				"versions": []any{"FIDO_2_0", "FIDO_2_1_PRE", "FIDO_2_1"}, "blank": true, "reset": true,
				"aaguid": hex.EncodeToString(authenticator.DefaultAAGUID[:]), "attestation": "packed", "x5c": 1.0, "counter": 4.0,
			}
			for key, value := range want {
				if got, _ := json.Marshal(seen[key]); string(got) != string(must(json.Marshal(value))) {
					t.Errorf("%s: %s", key, got)
				}
			}
			t.Logf("%d APDUs", card.APDUs())
		})
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// What a card does wrong must show in a client that is strict about it.
func TestPythonFido2Notices(t *testing.T) {
	cardlab.NeedPython(t)
	lab := cardlab.Start(t, 5)
	for i, test := range []struct {
		name, says string
		options    func(o *virtualcard.Options)
	}{
		{"no FIDO2 applet", "AssertionError: []", func(o *virtualcard.Options) { o.Applet = virtualcard.AppletAbsent }},
		{"a CPS3", "AssertionError: []", func(o *virtualcard.Options) { o.Generation = virtualcard.CPS3 }},
		{"getInfo out of order", "Non-canonical CBOR from Authenticator", func(o *virtualcard.Options) { o.FIDO.NonCanonicalInfo = true }},
		{"a bad attestation signature", "InvalidSignature", func(o *virtualcard.Options) { o.FIDO.Fault = authenticator.FaultBadSignature }},
		{"another model in the certificate", "does not match attestation certificate", func(o *virtualcard.Options) { o.FIDO.Fault = authenticator.FaultWrongAAGUID }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			reader := lab.Readers[i]
			options := virtualcard.Options{FIDO: attested(t)}
			test.options(&options)
			card, err := virtualcard.New(options)
			if err != nil {
				t.Fatal(err)
			}
			reader.Put(t, card)
			_, output, err := enrol(t, lab, reader.Name, "short", "2")
			if err == nil || !strings.Contains(output, test.says) {
				t.Errorf("want %q, got: %v\n%s", test.says, err, output)
			}
		})
	}
}
