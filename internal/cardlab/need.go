package cardlab

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mustAll is the variable that forbids skipping; make test sets it to 1.
const mustAll = "CPSGATE_TEST_ALL"

// Where Debian installs what has no place in PATH.
const (
	pcscdPath    = "/usr/sbin/pcscd"
	driverPath   = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
	driversPath  = "/usr/lib/pcsc/drivers"
	softHSMPath  = "/usr/lib/softhsm/libsofthsm2.so"
	compiler     = "cc"
	headerPath   = "/usr/include/netinet/in.h"
	pythonPath   = "/usr/bin/python3" // Debian's, which sees Debian's modules
	fido2Package = "/usr/lib/python3/dist-packages/fido2"
	pyscardPath  = "/usr/lib/python3/dist-packages/smartcard"
)

// need is something outside Go, and the Debian package that brings it.
type need struct {
	file    string // a path, or a program found in PATH
	program string
	debian  string
}

var (
	readerNeeds = []need{
		{file: pcscdPath, debian: "pcscd"},
		{file: driverPath, debian: "vsmartcard-vpcd"},
		{program: compiler, debian: "gcc"},
		{file: headerPath, debian: "libc6-dev"},
		{program: "unshare", debian: "util-linux"},
		{program: "mount", debian: "mount"},
	}
	tokenNeeds = []need{
		{file: softHSMPath, debian: "libsofthsm2"},
		{program: "softhsm2-util", debian: "softhsm2"},
		{program: "pkcs11-tool", debian: "opensc"},
	}
	pythonNeeds = []need{
		{file: pythonPath, debian: "python3"},
		{file: fido2Package, debian: "python3-fido2"},
		{file: pyscardPath, debian: "python3-pyscard"},
	}
)

// Need skips the test where there can be no readers, saying what to install.
func Need(t testing.TB) {
	t.Helper()
	require(t, readerNeeds)
	if err := namespaceWorks(); err != nil {
		giveUp(t, err.Error())
	}
}

// NeedTokens skips the test where there can be no PKCS#11 token.
func NeedTokens(t testing.TB) {
	t.Helper()
	require(t, tokenNeeds)
}

// NeedPython skips the test where Debian's python-fido2 is missing; it returns
// the interpreter that sees it.
func NeedPython(t testing.TB) string {
	t.Helper()
	require(t, pythonNeeds)
	return pythonPath
}

// NeedPrograms skips the test where programs are missing; each is named with
// the Debian package that brings it, "fido2-cred:fido2-tools".
func NeedPrograms(t testing.TB, programs ...string) {
	t.Helper()
	needs := make([]need, 0, len(programs))
	for _, p := range programs {
		program, debian, _ := strings.Cut(p, ":")
		needs = append(needs, need{program: program, debian: debian})
	}
	require(t, needs)
}

// Missing names the Debian packages that this machine lacks for a bench with
// tokens. With none missing, err is what else stands in the way.
func Missing() (packages []string, err error) {
	if packages = lacking(readerNeeds, tokenNeeds); len(packages) > 0 {
		return packages, nil
	}
	return nil, namespaceWorks()
}

func require(t testing.TB, needs []need) {
	t.Helper()
	if missing := lacking(needs); len(missing) > 0 {
		giveUp(t, "Debian packages missing: apt-get install "+strings.Join(missing, " "))
	}
}

// lacking names the packages of what is not here.
func lacking(lists ...[]need) (packages []string) {
	for _, n := range slices.Concat(lists...) {
		if !n.here() {
			packages = append(packages, n.debian)
		}
	}
	return packages
}

func (n need) here() bool {
	if n.program != "" {
		_, err := exec.LookPath(n.program)
		return err == nil
	}
	_, err := os.Stat(n.file)
	return err == nil
}

// giveUp skips, or fails where everything was promised to be there.
func giveUp(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv(mustAll) == "1" {
		t.Fatalf("%s (%s=1 forbids skipping)", reason, mustAll)
	} else {
		t.Skip(reason)
	}
}
