// Command seed puts sessions of oauth2-proxy into Redis, by its own packages,
// and prints the Cookie field of each: what a sign-in would have left.
//
//	go run . REDIS_URL COOKIE_SECRET COUNT
//
// This module is for bench/forwardauth alone, which builds oauth2-proxy itself
// from here too: it cannot be installed by its path and version.
package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/oauth2-proxy/oauth2-proxy/v7/pkg/apis/options"
	"github.com/oauth2-proxy/oauth2-proxy/v7/pkg/apis/sessions"
	"github.com/oauth2-proxy/oauth2-proxy/v7/pkg/sessions/redis"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "seed:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("REDIS_URL COOKIE_SECRET COUNT")
	}
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	cookie := options.Cookie{Name: "_oauth2_proxy", Secret: args[1], Path: "/", Expire: 168 * time.Hour, Secure: true, HTTPOnly: true}
	store, err := redis.NewRedisSessionStore(&options.SessionOptions{Type: options.RedisSessionStoreType, Redis: options.RedisStoreOptions{ConnectionURL: args[0]}}, &cookie)
	if err != nil {
		return err
	}
	for i := range count {
		created, expires := time.Now(), time.Now().Add(24*time.Hour)
		session := &sessions.SessionState{
			CreatedAt: &created, ExpiresOn: &expires, Email: fmt.Sprintf("exemple%d@hopital.example", i), User: fmt.Sprintf("8997%08d", i),
			PreferredUsername: "EXEMPLE Camille", Groups: []string{"operator", "profession-60"}, AccessToken: strings.Repeat("t", 43),
		}
		answer := httptest.NewRecorder()
		if err := store.Save(answer, httptest.NewRequest(http.MethodGet, "https://sso.hopital.example/", nil), session); err != nil {
			return err
		}
		var pairs []string
		for _, c := range answer.Result().Cookies() {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
		fmt.Println(strings.Join(pairs, "; "))
	}
	return nil
}
