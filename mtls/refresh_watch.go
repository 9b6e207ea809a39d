package mtls

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Folders are looked at when the system tells of a change, and from time to
// time all the same: network shares tell nothing.
const (
	folderPoll   = 30 * time.Second
	folderSettle = 300 * time.Millisecond // a copy makes many events
)

// watch follows both folders until ctx ends.
func (r *Refresher) watch(ctx context.Context) {
	events := r.folderEvents(ctx)
	poll := time.NewTicker(folderPoll)
	defer poll.Stop()
	r.Scan(ctx)
	settle := time.NewTimer(0)
	<-settle.C
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
			settle.Reset(folderSettle)
			continue
		case <-settle.C:
		case <-poll.C:
		}
		r.Scan(ctx)
	}
}

// folderEvents passes on that something changed. Without notification there is
// still the polling.
func (r *Refresher) folderEvents(ctx context.Context) <-chan fsnotify.Event {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		r.options.Log.Warn("folders of CRLs are polled only", "error", err)
		return nil
	}
	context.AfterFunc(ctx, func() { watcher.Close() })
	for _, folder := range r.folders() {
		if err := watcher.Add(folder); err != nil {
			r.options.Log.Warn("folder of CRLs is polled only", "folder", folder, "error", err)
		}
	}
	go func() {
		for err := range watcher.Errors {
			r.options.Log.Warn("watching folders of CRLs", "error", err)
		}
	}()
	return watcher.Events
}

func (r *Refresher) folders() []string {
	if r.options.Drop == "" {
		return []string{r.options.Folder}
	}
	return []string{r.options.Folder, r.options.Drop}
}

// Scan deals with the files of both folders that have changed since it last
// did: CRLs dropped, copies put there by another process, the bypass. A delta
// that comes before its base is looked at again when that has come.
func (r *Refresher) Scan(ctx context.Context) {
	for again := true; again; again = r.baseCame() {
		r.scan(ctx)
	}
	r.bypassGone()
	r.refusedGone()
}

// baseCame forgets the deltas that came too early when a complete CRL has come
// since, so that they are looked at again. It tells whether there are any.
func (r *Refresher) baseCame() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.based || len(r.early) == 0 {
		r.based = false
		return false
	}
	for path := range r.early {
		delete(r.seen, path)
	}
	r.based = false
	clear(r.early)
	return true
}

func (r *Refresher) scan(ctx context.Context) {
	for _, folder := range r.folders() {
		files, err := os.ReadDir(folder)
		if err != nil {
			r.options.Log.Error("folder of CRLs not read", "folder", folder, "error", err)
			continue
		}
		for _, f := range files {
			info, err := os.Stat(filepath.Join(folder, f.Name())) // follows links: mounted volumes are full of them
			if err == nil && info.Mode().IsRegular() && !strings.HasPrefix(f.Name(), ".") {
				r.changed(ctx, folder, f.Name())
			}
		}
	}
}

func (r *Refresher) changed(ctx context.Context, folder, name string) {
	path := filepath.Join(folder, name)
	stamp := stampOf(path)
	if !r.due(path, stamp) {
		return
	}
	var err error
	switch {
	case folder == r.options.Drop:
		_, err = r.Import(ctx, path)
	case name == bypassFile:
		err = r.loadBypass()
	case filepath.Ext(name) == crlSuffix:
		err = r.loadCopy(ctx, path)
	}
	if errors.Is(err, ErrUnchanged) {
		err = nil
	}
	if err != nil && stillComing(err) && r.options.Now().Sub(stamp.modified) < time.Minute {
		return // looked at again when it has grown
	}
	again := r.looked(path, stamp, err)
	switch {
	case err == nil || again:
	case errors.Is(err, ErrNotWanted):
		r.options.Log.Info("CRL left aside", "file", path, "error", err)
	case name == bypassFile:
		r.options.Log.Error("bypass not taken", "file", path, "error", err)
	default:
		r.options.Log.Error("CRL not taken; the one in force stays", "file", path, "error", err)
	}
}

// looked notes that a file was dealt with. It tells whether it was, with the
// same outcome, before.
func (r *Refresher) looked(path string, stamp fileStamp, err error) (again bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[path] = stamp
	again = r.retryLater(path, err)
	if errors.Is(err, CRLDeltaMismatch) {
		r.early[path] = true
	}
	switch {
	case err != nil && !errors.Is(err, ErrNotWanted) && filepath.Base(path) != bypassFile:
		r.refused = &RefusedFile{File: path, At: r.options.Now().UTC(), Why: err.Error()}
	case r.refused != nil && r.refused.File == path:
		r.refused = nil
	}
	return again
}

// refusedGone notices that files refused were taken away.
func (r *Refresher) refusedGone() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for path := range r.retry {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			delete(r.retry, path)
		}
	}
	if r.refused == nil {
		return
	}
	if _, err := os.Stat(r.refused.File); errors.Is(err, os.ErrNotExist) {
		r.refused = nil
	}
}

// stillComing: the file may be one that is being copied.
func stillComing(err error) bool {
	return errors.Is(err, CRLTruncated) || errors.Is(err, os.ErrNotExist)
}
