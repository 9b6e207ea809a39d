package mtls

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The files in RefreshOptions.Folder: a CRL as it came, and where it came from.
const (
	crlSuffix    = ".crl"
	originSuffix = ".json"
	comingPrefix = ".coming-" // being written; the dot keeps others from reading it
	maxComing    = time.Hour  // a file still coming after that was abandoned
	maxOrigin    = 64 << 10
)

func (s crlSlot) file() string {
	name := s.source
	if s.scope != "" {
		name += fmt.Sprintf("-%x", sha256.Sum256([]byte(s.scope)))[:9]
	}
	if s.delta {
		name += ".delta"
	}
	return name + crlSuffix
}

// take reads a CRL that arrives, keeping a copy on disk, and adopts it. What is
// held is none the worse when anything fails.
func (r *Refresher) take(ctx context.Context, body io.Reader, origin crlOrigin, only *fetchKey) (*CRL, error) {
	coming, err := os.CreateTemp(r.options.Folder, comingPrefix)
	if err != nil {
		return nil, fmt.Errorf("keeping CRL: %w", err)
	}
	defer os.Remove(coming.Name()) // in vain once it has been renamed
	defer coming.Close()
	list, err := ReadCRL(io.TeeReader(body, coming), r.options.Limits)
	if err != nil {
		return nil, err
	}
	return r.adopt(ctx, list, origin, only, func(h *heldCRL) error { return r.keep(coming, h) })
}

// keep puts the copy in place of the one before, whole or not at all, on disk
// before it is in force. The caller holds mu.
func (r *Refresher) keep(coming *os.File, h *heldCRL) error {
	path := filepath.Join(r.options.Folder, h.file)
	err := coming.Chmod(0o644)
	if err == nil {
		err = coming.Sync()
	}
	if err == nil {
		err = os.Rename(coming.Name(), path)
	}
	if err == nil {
		err = syncFolder(r.options.Folder)
	}
	if err != nil {
		return fmt.Errorf("keeping CRL: %w", err)
	}
	r.seen[path] = stampOf(path)
	r.keepOrigin(h)
	return nil
}

// keepOrigin writes the origin after the CRL: should the machine stop between
// them, the validators of an older copy make the server send the CRL again.
func (r *Refresher) keepOrigin(h *heldCRL) {
	text, err := json.MarshalIndent(h.origin, "", "  ")
	if err == nil {
		err = writeFile(filepath.Join(r.options.Folder, h.file+originSuffix), text)
	}
	if err != nil {
		r.options.Log.Warn("origin of a CRL not kept", "file", h.file, "error", err)
	}
}

// writeFile replaces a small file, whole or not at all.
func writeFile(path string, content []byte) error {
	coming, err := os.CreateTemp(filepath.Dir(path), comingPrefix)
	if err != nil {
		return err
	}
	defer os.Remove(coming.Name())
	_, err = coming.Write(content)
	if err == nil {
		err = coming.Chmod(0o644)
	}
	if err == nil {
		err = coming.Sync()
	}
	if closing := coming.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(coming.Name(), path)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	return err
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// load reads the last good copies.
func (r *Refresher) load() error {
	files, err := os.ReadDir(r.options.Folder)
	if err != nil {
		return fmt.Errorf("last good CRLs: %w", err)
	}
	// Deltas after what they build upon.
	slices.SortStableFunc(files, func(a, b os.DirEntry) int { return deltaFile(a.Name()) - deltaFile(b.Name()) })
	for _, f := range files {
		path := filepath.Join(r.options.Folder, f.Name())
		if strings.HasPrefix(f.Name(), comingPrefix) {
			r.removeAbandoned(path)
		}
		if filepath.Ext(f.Name()) != crlSuffix || strings.HasPrefix(f.Name(), ".") {
			continue
		}
		if err := r.loadCopy(context.Background(), path); err != nil {
			r.options.Log.Error("CRL kept on disk not taken", "file", path, "error", err)
		}
	}
	if err := r.loadBypass(); err != nil {
		r.options.Log.Error("bypass not taken", "error", err)
	}
	return nil
}

func deltaFile(name string) int {
	if strings.HasSuffix(name, ".delta"+crlSuffix) {
		return 1
	}
	return 0
}

func (r *Refresher) removeAbandoned(path string) {
	if info, err := os.Stat(path); err == nil && r.options.Now().Sub(info.ModTime()) > maxComing {
		_ = os.Remove(path) // if not now, next time
	}
}

// loadCopy adopts a file of Folder, at start or when another process (cpsgate
// crl import, crl fetch) has put it there.
func (r *Refresher) loadCopy(ctx context.Context, path string) error {
	stamp := stampOf(path)
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	list, err := ReadCRL(file, r.options.Limits)
	if err != nil {
		return err
	}
	_, err = r.adopt(ctx, list, readOrigin(path), nil, func(*heldCRL) error {
		r.seen[path] = stamp
		return nil
	})
	return err
}

// readOrigin reads what keepOrigin wrote. Without it the file is its own origin.
func readOrigin(path string) crlOrigin {
	origin := crlOrigin{From: filepath.Base(path)}
	file, err := os.Open(path + originSuffix)
	if err != nil {
		return origin
	}
	defer file.Close()
	var read crlOrigin
	if json.NewDecoder(io.LimitReader(file, maxOrigin)).Decode(&read) != nil {
		return origin
	}
	return read
}

// Import takes the CRL in a file, once. The error is ErrUnchanged when it is
// held already, a *CRLError when it may not be taken.
func (r *Refresher) Import(ctx context.Context, path string) (CRLStatus, error) {
	file, err := os.Open(path)
	if err != nil {
		return CRLStatus{}, err
	}
	defer file.Close()
	taken, err := r.take(ctx, file, crlOrigin{From: path, At: r.options.Now().UTC()}, nil)
	if err != nil && !errors.Is(err, ErrUnchanged) {
		return CRLStatus{}, err
	}
	return r.statusOf(taken), err
}

// fileStamp tells whether a file has changed.
type fileStamp struct {
	size     int64
	modified time.Time
}

func stampOf(path string) fileStamp {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{size: -1}
	}
	return fileStamp{info.Size(), info.ModTime()}
}
