package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func runCommand(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	env := &environment{ctx: t.Context(), stdin: strings.NewReader(""), stdout: &out, stderr: &err, now: certTime}
	code = run(env, args)
	return code, out.String(), err.String()
}

// The JSON of design §7: verdict, reason, detail, holder.
func TestCertVerifyJSON(t *testing.T) {
	folder := t.TempDir()
	makeCertFiles(t, folder)
	at := func(name string) string { return filepath.Join(folder, name) }
	verify := func(leaf string, more ...string) (report map[string]any) {
		t.Helper()
		args := []string{"cert", "verify", "--json", "--anchors", at("anchors"), "--intermediates", at("authorities"), "--crls", at("crls")}
		_, stdout, stderr := runCommand(t, append(append(args, more...), at(leaf))...)
		if err := json.Unmarshal([]byte(stdout), &report); err != nil || stderr != "" {
			t.Fatalf("%v: %s%s", err, stdout, stderr)
		}
		return report
	}
	keys := func(report map[string]any) []string {
		var names []string
		for name := range report {
			names = append(names, name)
		}
		slices.Sort(names)
		return names
	}
	good := verify("good.pem")
	if good["verdict"] != "accepted" || good["reason"] != "" || !slices.Equal(keys(good), []string{"at", "detail", "holder", "reason", "verdict"}) {
		t.Errorf("accepted: %v", good)
	}
	holder := good["holder"].(map[string]any)
	if holder["idNat"] != "899900000042" || holder["familyName"] != "EXEMPLE" || holder["profession"].(map[string]any)["code"] != 60.0 {
		t.Errorf("holder: %v", holder)
	}
	bad := verify("revoked.pem")
	if bad["verdict"] != "refused" || bad["reason"] != "revoked" || bad["holder"] != nil || bad["claimed"] == nil || bad["detail"] == "" {
		t.Errorf("refused: %v", bad)
	}
	explained := verify("good.pem", "--explain")
	if steps := explained["steps"].([]any); len(steps) < 10 || len(explained["path"].([]any)) != 2 {
		t.Errorf("explained: %v", explained)
	}
}
