package main

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// environmentPrefix begins the variables that override configuration values.
// A variable with the prefix that names no key is refused like an unknown key.
const environmentPrefix = "CPSGATE_"

// environmentConfigFile names the configuration file itself.
const environmentConfigFile = environmentPrefix + "CONFIG"

// applyEnvironment overrides values of c by variables of environ, in the
// NAME=value form of os.Environ. Lists are separated by commas.
func applyEnvironment(c *Config, environ []string) error {
	fields := map[string]reflect.Value{}
	collectFields(environmentPrefix, reflect.ValueOf(c).Elem(), fields)
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, environmentPrefix) || name == environmentConfigFile {
			continue
		}
		field, ok := fields[name]
		if !ok {
			return fmt.Errorf("environment: %s names no configuration key", name)
		}
		if err := setField(field, value); err != nil {
			return fmt.Errorf("environment: %s: %w", name, err)
		}
	}
	return nil
}

func collectFields(prefix string, v reflect.Value, into map[string]reflect.Value) {
	for i := range v.NumField() {
		name := prefix + strings.ToUpper(v.Type().Field(i).Tag.Get("yaml"))
		if field := v.Field(i); field.Kind() == reflect.Struct {
			collectFields(name+"_", field, into)
		} else {
			into[name] = field
		}
	}
}

// setField sets one value; the items of a list are separated by commas.
func setField(field reflect.Value, value string) error {
	switch field.Interface().(type) {
	case string:
		field.SetString(value)
		return nil
	case []string:
		field.Set(reflect.ValueOf(strings.Split(value, ",")))
		return nil
	case bool:
		b, err := strconv.ParseBool(value)
		field.SetBool(b)
		return err
	case int:
		n, err := strconv.Atoi(value)
		field.SetInt(int64(n))
		return err
	case *bool:
		b, err := strconv.ParseBool(value)
		field.Set(reflect.ValueOf(&b))
		return err
	case time.Duration:
		d, err := time.ParseDuration(value)
		field.SetInt(int64(d))
		return err
	}
	return fmt.Errorf("a %s cannot be set by the environment", field.Type())
}
