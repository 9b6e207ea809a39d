package demo_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cpsgate/internal/demo"
)

var names = demo.Names{SignOn: "sso.localhost", Card: "cps.localhost", Edge: []string{"app1.localhost", "app2.localhost"}}

// made is a stack's places, just made.
func made(t *testing.T) (demo.Places, string) {
	t.Helper()
	folder := t.TempDir()
	p := demo.PlacesIn(folder)
	if did, err := p.Make(names, time.Now); err != nil || !did {
		t.Fatalf("made: %t, %v", did, err)
	}
	return p, folder
}

func read(t *testing.T, elements ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestMakeOnce: what was made stays; another stack's secrets are others.
func TestMakeOnce(t *testing.T) {
	p, _ := made(t)
	password := read(t, p.Server, "redis-password")
	if did, err := p.Make(names, time.Now); err != nil || did {
		t.Errorf("made again: %t, %v", did, err)
	}
	if again := read(t, p.Server, "redis-password"); again != password {
		t.Error("a second start makes other secrets")
	}
	other, _ := made(t)
	for _, secret := range []string{"redis-password", "client-secret", "sso-key.pem"} {
		if read(t, p.Server, secret) == read(t, other.Server, secret) {
			t.Errorf("two stacks have one %s", secret)
		}
	}
}

// TestMakeAfterAFailure begins anew.
func TestMakeAfterAFailure(t *testing.T) {
	p := demo.PlacesIn(t.TempDir())
	if err := os.WriteFile(p.Redis, nil, 0o600); err != nil { // a file where a folder is to be
		t.Fatal(err)
	}
	if did, err := p.Make(names, time.Now); err == nil || did {
		t.Fatal("made in spite of it")
	}
	if err := os.Remove(p.Redis); err != nil {
		t.Fatal(err)
	}
	if did, err := p.Make(names, time.Now); err != nil || !did {
		t.Errorf("made: %t, %v", did, err)
	}
}

// TestSecretsAreTheOwnersAlone, and each is in the place of who needs it.
func TestSecretsAreTheOwnersAlone(t *testing.T) {
	p, folder := made(t)
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %04o", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	password := strings.TrimSpace(read(t, p.Server, "redis-password"))
	acl := read(t, p.Redis, "users.acl")
	hash := sha256.Sum256([]byte(password))
	if strings.Contains(acl, password) || !strings.Contains(acl, " #"+hex.EncodeToString(hash[:])+" ") || !strings.HasPrefix(acl, "user default off\n") {
		t.Errorf("users.acl: %s", acl)
	}
	if read(t, p.Server, "client-secret") != read(t, p.Client, "client-secret") {
		t.Error("server and client have two secrets")
	}
}

// TestServerCertificates: each host is vouched for by one certificate alone, and
// the authority can vouch for nothing but *.localhost.
func TestServerCertificates(t *testing.T) {
	p, _ := made(t)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(read(t, p.Public, "root.pem"))) {
		t.Fatal("no root")
	}
	hosts := []string{"sso.localhost", "cps.localhost", "x.cps.localhost", "app1.localhost", "app2.localhost", "redis.localhost", "x.sso.localhost", "localhost"}
	for file, covers := range map[string]string{
		filepath.Join(p.Server, "sso"): "sso.localhost", filepath.Join(p.Server, "cps"): "cps.localhost x.cps.localhost",
		filepath.Join(p.Edge, "edge"): "app1.localhost app2.localhost", filepath.Join(p.Redis, "redis"): "redis.localhost",
	} {
		pair, err := tls.LoadX509KeyPair(file+".pem", file+"-key.pem")
		if err != nil {
			t.Fatal(err)
		}
		var good []string
		for _, host := range hosts {
			if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err == nil {
				good = append(good, host)
			}
		}
		if strings.Join(good, " ") != covers {
			t.Errorf("%s vouches for %v, want %s", filepath.Base(file), good, covers)
		}
	}
	block, _ := pem.Decode([]byte(read(t, p.Public, "root.pem")))
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !root.PermittedDNSDomainsCritical || strings.Join(root.PermittedDNSDomains, " ") != "localhost" || !root.MaxPathLenZero {
		t.Errorf("the authority: %+v %v", root, err)
	}
}

// TestConfigure puts the configuration in place at each start, and says when
// there is none.
func TestConfigure(t *testing.T) {
	p, folder := made(t)
	file := filepath.Join(folder, "given.yaml")
	for _, text := range []string{"mode: test\n", "mode: production\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := p.Configure(file); err != nil {
			t.Fatal(err)
		}
		if got := read(t, p.Server, "cpsgate.yaml"); got != text {
			t.Errorf("in place: %q", got)
		}
	}
	if err := p.Configure(filepath.Join(folder, "nowhere")); err == nil {
		t.Error("no configuration is as good as one")
	}
}
