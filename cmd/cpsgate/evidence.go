package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"cpsgate/mtls"
)

// crlFolderPoll is how often the CRL folder is looked at for changes.
const crlFolderPoll = 10 * time.Second

// crlFolder is the evidence of a folder of CRL files. What was read last and
// whole stays in force until something newer was read, whole.
type crlFolder struct {
	path    string
	log     *slog.Logger
	seen    string // the listing that the lists were read from
	current atomic.Pointer[mtls.CRLSet]
}

// openCRLFolder reads the folder; a file in it that is no CRL stops the start.
func openCRLFolder(path string, log *slog.Logger) (*crlFolder, error) {
	f := &crlFolder{path: path, log: log}
	f.current.Store(&mtls.CRLSet{})
	if path == "" {
		return f, nil
	}
	return f, f.read()
}

// CRLs implements mtls.Evidence.
func (f *crlFolder) CRLs(issuer []byte) []*mtls.CRL { return f.current.Load().CRLs(issuer) }

func (f *crlFolder) read() error {
	listing, err := listing(f.path)
	if err != nil {
		return fmt.Errorf("trust.crls: %w", err)
	}
	lists, err := readCRLs(f.path)
	if err != nil {
		return err
	}
	set := mtls.NewCRLSet(lists...)
	f.current.Store(&set)
	f.seen = listing
	for _, list := range lists {
		f.log.Info("CRL read", "issuer", mtls.FormatName(list.Issuer), "number", list.Number, "entries", list.Len(),
			"this_update", list.ThisUpdate, "next_update", list.NextUpdate)
	}
	return nil
}

// watch reads the folder again whenever its listing changes, until ctx ends.
func (f *crlFolder) watch(ctx context.Context) {
	if f.path == "" {
		return
	}
	tick := time.NewTicker(crlFolderPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f.refresh()
		}
	}
}

// refresh keeps the lists in force when the folder cannot be read whole.
func (f *crlFolder) refresh() {
	listing, err := listing(f.path)
	if err == nil && listing == f.seen {
		return
	}
	if err == nil {
		err = f.read()
	}
	if err != nil {
		f.log.Error("CRLs not refreshed; those read before stay in force", "error", err)
	}
}

// listing tells a folder's content by names, sizes and times.
func listing(folder string) (string, error) {
	files, err := regularFiles(folder)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s %d %d\n", file, info.Size(), info.ModTime().UnixNano())
	}
	return b.String(), nil
}
