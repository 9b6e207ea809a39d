package mtls

import (
	"errors"
	"syscall"
	"time"
)

// A file refused for a cause that may pass with the file as it is (no
// permission, a full disk, a clock that is not right yet) is tried again, less
// and less often: a CRL may take a second to read.
const (
	firstFileRetry   = 20 * time.Second
	longestFileRetry = 10 * time.Minute
)

// fileRetry is when such a file was tried, and the cause.
type fileRetry struct {
	tried time.Time
	wait  time.Duration
	cause string
}

// due: the file has changed since it was dealt with, or is to be tried again. A
// clock that was set is a reason to.
func (r *Refresher) due(path string, stamp fileStamp) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[path] != stamp {
		return true
	}
	retry, passing := r.retry[path]
	now := r.options.Now()
	return passing && (now.Before(retry.tried) || !now.Before(retry.tried.Add(retry.wait)))
}

// retryLater notes the outcome of a try. It tells whether the one before had the
// same. The caller holds mu.
func (r *Refresher) retryLater(path string, err error) (again bool) {
	before, known := r.retry[path]
	if err == nil || !mayPass(err) {
		delete(r.retry, path)
		return false
	}
	next := fileRetry{tried: r.options.Now(), wait: firstFileRetry, cause: causeOf(err)}
	if again = known && before.cause == next.cause; again {
		next.wait = min(2*before.wait, longestFileRetry)
	}
	r.retry[path] = next
	return again
}

// mayPass: the cause is not in the file.
func mayPass(err error) bool {
	var refused *CRLError
	return !errors.As(err, &refused) || refused.Fault == CRLUnreadable || refused.Fault == CRLNotYet
}

// causeOf leaves out the name of the file that is written meanwhile.
func causeOf(err error) string {
	var cause syscall.Errno
	if errors.As(err, &cause) {
		return cause.Error()
	}
	return err.Error()
}
