package cardlab

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// bindSource is a library that keeps a pcscd to the loopback address.
//
//go:embed loopback/bind.c
var bindSource string

// loopbackOnly is that library, compiled once for the process.
var loopbackOnly = sync.OnceValues(func() (library []byte, err error) {
	directory, err := os.MkdirTemp("", "cardlab")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	output := filepath.Join(directory, "loopback.so")
	compile := exec.Command(compiler, "-shared", "-fPIC", "-O1", "-x", "c", "-o", output, "-")
	compile.Stdin = strings.NewReader(bindSource)
	if said, err := compile.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compiling loopback/bind.c: %w: %s", err, said)
	}
	return os.ReadFile(output)
})
