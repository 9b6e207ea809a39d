package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
)

// WorkstationConfig names a workstation, or a room of them, by where its
// browsers' connections come from.
type WorkstationConfig struct {
	Name      string   `yaml:"name"`
	Addresses []string `yaml:"addresses"` // addresses or prefixes; the longest that fits names it
}

// maxWorkstation bounds a workstation's name, in bytes.
const maxWorkstation = 64

// workstations are names by the addresses that they are known by.
type workstations map[netip.Prefix]string

// openWorkstations refuses a name or an address that stands twice, and what
// the policy of single sign-on names and nobody bears.
func openWorkstations(c *Config) (workstations, error) {
	known, names := workstations{}, map[string]bool{}
	for i, w := range c.Workstations {
		key := fmt.Sprintf("workstations[%d]", i)
		if err := checkWorkstation(w.Name); err != nil {
			return nil, fmt.Errorf("%s.name: %w", key, err)
		}
		if names[w.Name] {
			return nil, fmt.Errorf("%s.name: %q stands twice", key, w.Name)
		}
		names[w.Name] = true
		prefixes, err := addressPrefixes(key+".addresses", w.Addresses)
		if err != nil {
			return nil, err
		}
		if len(prefixes) == 0 {
			return nil, fmt.Errorf("%s.addresses: %q has none", key, w.Name)
		}
		for _, p := range prefixes {
			if other, taken := known[p]; taken {
				return nil, fmt.Errorf("%s.addresses: %s is %q already", key, p, other)
			}
			known[p] = w.Name
		}
	}
	for _, name := range c.SSO.PersonalWorkstations {
		if !names[name] {
			return nil, fmt.Errorf("sso.personal_workstations: %q is none of workstations", name)
		}
	}
	return known, nil
}

func checkWorkstation(name string) error {
	switch {
	case name == "" || name != strings.TrimSpace(name):
		return errors.New("a name is needed, without blanks around it")
	case len(name) > maxWorkstation || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%q is longer than %d bytes, or cannot be printed", name, maxWorkstation)
	}
	return nil
}

// at names the workstation at an address; "" = nothing is known of it.
func (w workstations) at(address netip.Addr) string {
	address = address.Unmap().WithZone("")
	for bits := address.BitLen(); bits > 0 && len(w) > 0; bits-- {
		p, err := address.Prefix(bits)
		if err != nil {
			return ""
		}
		if name, known := w[p]; known {
			return name
		}
	}
	return ""
}

// over gives the workstations of which a proxy has an address: whoever comes by
// the proxy is taken to sit there.
func (w workstations) over(proxies []netip.Prefix) (names []string) {
	for _, proxy := range proxies {
		names = append(names, w.at(proxy.Addr()))
		for p, name := range w {
			if proxy.Contains(p.Addr()) {
				names = append(names, name)
			}
		}
	}
	return names
}
