package main

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
)

// SessionsConfig bounds sessions, and says where they are kept.
type SessionsConfig struct {
	Idle     time.Duration `yaml:"idle"`     // default 30m; 2m or more
	Absolute time.Duration `yaml:"absolute"` // default 10h

	// Methods gives a way of signing in limits of its own; what is left out is
	// as above.
	Methods MethodsConfig `yaml:"methods"`

	Redis RedisConfig `yaml:"redis"`
}

// MethodsConfig is by the ways of signing in.
type MethodsConfig struct {
	CPS   LimitsConfig `yaml:"cps"`   // by the card's certificate
	FIDO2 LimitsConfig `yaml:"fido2"` // by passkey
}

// LimitsConfig is how long sessions last.
type LimitsConfig struct {
	Idle     time.Duration `yaml:"idle"`
	Absolute time.Duration `yaml:"absolute"`
}

// RedisConfig is a Redis that several nodes keep their sessions in. Without
// URL, sessions are this process's own, and a restart keeps them in the
// database.
type RedisConfig struct {
	// URL is redis://host:port/0, redis+sentinel://host:port,host:port/master/0
	// or redis+cluster://host:port,host:port; rediss in place of redis for TLS.
	URL string `yaml:"url"`
	// User is the ACL user; empty: Redis's default user.
	User string `yaml:"user"`
	// PasswordFile holds its password; not readable by others.
	PasswordFile string `yaml:"password_file"`
	// SentinelUser and SentinelPasswordFile are for the sentinels themselves.
	SentinelUser         string `yaml:"sentinel_user"`
	SentinelPasswordFile string `yaml:"sentinel_password_file"`
	// CA is a PEM file of who may vouch for the server; empty: the system's.
	CA string `yaml:"ca"`
	// Prefix of every key; default "cpsgate:".
	Prefix string `yaml:"prefix"`
	// TrustMemory is for how long after it was last confirmed a session is
	// believed while Redis is away; default 0s: not at all. At most 5m.
	TrustMemory time.Duration `yaml:"trust_memory"`
}

// maxTrustMemory bounds RedisConfig.TrustMemory: beyond it a card reported lost
// would open doors for longer than anyone may wait.
const maxTrustMemory = 5 * time.Minute

func (c *SessionsConfig) setDefaults() {
	setDefault(&c.Idle, sessions.DefaultIdle)
	setDefault(&c.Absolute, sessions.DefaultAbsolute)
	if c.Redis.URL != "" {
		setDefault(&c.Redis.Prefix, "cpsgate:")
	}
}

func (c *SessionsConfig) check() error {
	for _, l := range c.limits() {
		if l.Idle < 2*time.Minute || l.Absolute < l.Idle {
			return errors.New("sessions: idle must be two minutes at least, and absolute not below it")
		}
	}
	if c.Redis.URL == "" && c.Redis != (RedisConfig{}) {
		return errors.New("sessions.redis.url: needed with what else is set of redis")
	}
	if t := c.Redis.TrustMemory; t < 0 || t > maxTrustMemory {
		return fmt.Errorf("sessions.redis.trust_memory: %s is not within 0s and %s", t, maxTrustMemory)
	}
	return nil
}

// longest is how old a session may become.
func (c *SessionsConfig) longest() (longest time.Duration) {
	for _, l := range c.limits() {
		longest = max(longest, l.Absolute)
	}
	return longest
}

func (c *SessionsConfig) limits() map[identity.Method]sessions.Limits {
	of := func(own LimitsConfig) sessions.Limits {
		return sessions.Limits{Idle: cmp.Or(own.Idle, c.Idle), Absolute: cmp.Or(own.Absolute, c.Absolute)}
	}
	return map[identity.Method]sessions.Limits{identity.MethodCPS: of(c.Methods.CPS), identity.MethodFIDO2: of(c.Methods.FIDO2)}
}
