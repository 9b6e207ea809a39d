package proxies

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// modules is where Debian keeps Apache's modules.
const modules = "/usr/lib/apache2/modules"

// apacheFrame is what a distribution's configuration has around a site;
// everything it writes is in the folder it is started in.
const apacheFrame = `
ServerRoot %[1]s
DefaultRuntimeDir %[1]s
PidFile %[1]s/apache.pid
ServerName localhost
ErrorLog /dev/stderr
LogLevel warn
User www-data
Group www-data
LoadModule mpm_event_module %[2]s/mod_mpm_event.so
LoadModule authn_core_module %[2]s/mod_authn_core.so
LoadModule authz_core_module %[2]s/mod_authz_core.so
LoadModule authz_user_module %[2]s/mod_authz_user.so
LoadModule alias_module %[2]s/mod_alias.so
LoadModule mime_module %[2]s/mod_mime.so
LoadModule headers_module %[2]s/mod_headers.so
LoadModule ssl_module %[2]s/mod_ssl.so
LoadModule proxy_module %[2]s/mod_proxy.so
LoadModule proxy_http_module %[2]s/mod_proxy_http.so
LoadModule auth_openidc_module %[2]s/mod_auth_openidc.so
TypesConfig /dev/null
AddType text/html .html
AddDefaultCharset utf-8
SSLSessionCache none
Listen %[3]s
%[4]s
`

// NeedApache skips the test where Apache or its OpenID Connect module is
// missing, or fails it where nothing may be skipped.
func NeedApache(t testing.TB) {
	t.Helper()
	need(t, "/usr/sbin/apache2", "apache2-bin")
	if _, err := os.Stat(modules + "/mod_auth_openidc.so"); err != nil {
		if os.Getenv(needAll) != "" {
			t.Fatal("the Debian package libapache2-mod-auth-openidc is missing")
		}
		t.Skip("needs the Debian package libapache2-mod-auth-openidc")
	}
}

// Apache runs Debian's Apache with mod_auth_openidc and the site, which listens
// on the address, until the test ends.
func Apache(t testing.TB, address, site string) {
	t.Helper()
	NeedApache(t)
	folder := t.TempDir()
	config := WriteFile(t, folder, "apache.conf", fmt.Appendf(nil, apacheFrame, folder, modules, address, site))
	run(t, address, exec.Command("/usr/sbin/apache2", "-D", "FOREGROUND", "-f", config))
}

// Readable lets Apache's workers read a file of a test's folder: started by
// root, they are another account.
func Readable(t testing.TB, path string) string {
	t.Helper()
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	for folder := filepath.Dir(path); folder != os.TempDir() && folder != "/"; folder = filepath.Dir(folder) {
		if err := os.Chmod(folder, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	return path
}
