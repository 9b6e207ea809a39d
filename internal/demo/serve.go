package demo

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Time limits of the stack's servers, and how long they have to end.
const (
	readTime  = 10 * time.Second
	writeTime = 30 * time.Second
	stopTime  = 5 * time.Second
)

// Serve answers until ctx ends, then lets running requests finish.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: readTime, ReadTimeout: readTime, WriteTimeout: writeTime, MaxHeaderBytes: 32 << 10,
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		stopped <- server.Shutdown(ending)
	})
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return err
	}
	return <-stopped
}
