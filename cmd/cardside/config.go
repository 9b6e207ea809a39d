package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
)

// settings are what a workstation's file may settle for the commands that reach
// a server, YAML, strict: an unknown or repeated key stops them. A flag counts
// before the environment, that before the file.
type settings struct {
	// Server is https://sso.hospital.example. CARDSIDE_SERVER.
	Server string `yaml:"server"`
	// ServerCA is a PEM file of the authority of the server's certificate, in
	// place of the system's. CARDSIDE_SERVER_CA.
	ServerCA string `yaml:"server-ca"`
	// Workstation is what the desk calls this workstation; its host name unless
	// it is set. CARDSIDE_WORKSTATION.
	Workstation string `yaml:"workstation"`
	// Module is the PKCS#11 module's full path. CARDSIDE_MODULE.
	Module string `yaml:"module"`
}

// environmentConfig names the settings file itself; "" is none.
const environmentConfig = "CARDSIDE_CONFIG"

// serverFlags are the flags of commands that reach a server.
type serverFlags struct {
	Config   string `placeholder:"FILE" help:"help.config"`
	Server   string `placeholder:"URL" help:"help.doctor-server"`
	ServerCA string `name:"server-ca" placeholder:"FILE" help:"help.doctor-server-ca"`
}

// settings reads the file, the environment and the flags.
func (f serverFlags) settings(a *act) (settings, error) {
	s, err := f.file(a)
	if err != nil {
		return s, err
	}
	for _, value := range []struct {
		of   *string
		name string
		flag string
	}{
		{&s.Server, "CARDSIDE_SERVER", f.Server},
		{&s.ServerCA, "CARDSIDE_SERVER_CA", f.ServerCA},
		{&s.Workstation, "CARDSIDE_WORKSTATION", ""},
		{&s.Module, "CARDSIDE_MODULE", a.Module},
	} {
		if set := a.getenv(value.name); set != "" {
			*value.of = set
		}
		if value.flag != "" {
			*value.of = value.flag
		}
	}
	return s, nil
}

// file reads the settings file: the one named, which must be there, or else the
// system's, which need not.
func (f serverFlags) file(a *act) (s settings, err error) {
	path := f.Config
	if path == "" {
		path = a.getenv(environmentConfig)
	}
	named := path != ""
	if !named {
		path = systemConfig(a.getenv)
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text), yaml.DisallowUnknownField())
	if err := decoder.Decode(&s); err != nil && !errors.Is(err, io.EOF) {
		return s, &misuse{fmt.Sprintf("%s: %v", path, err)}
	}
	return s, nil
}

// systemConfig is where the settings file of this system is.
func systemConfig(getenv func(string) string) string {
	if data := getenv("ProgramData"); data != "" {
		return filepath.Join(data, "cardside", "cardside.yaml")
	}
	return "/etc/cardside.yaml"
}

// trust is the authority that server-ca names; nil: the system's.
func (s settings) trust() (*x509.CertPool, error) {
	if s.ServerCA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(s.ServerCA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, &misuse{fmt.Sprintf("%s: no PEM certificate", s.ServerCA)}
	}
	return pool, nil
}
