package proxies

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// nginxFrame is what a distribution's nginx.conf has around the files of its
// sites, and before them; everything it writes is in the folder it is started in.
const nginxFrame = `
%s
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
%s
}
`

// NeedNginx skips the test where nginx is missing, or fails it where nothing
// may be skipped.
func NeedNginx(t testing.TB) {
	t.Helper()
	need(t, "nginx", "nginx")
}

// streamModule is where Debian's package libnginx-mod-stream puts it.
const streamModule = "/usr/lib/nginx/modules/ngx_stream_module.so"

// NeedNginxStream is NeedNginx with the module that passes connections on.
func NeedNginxStream(t testing.TB) {
	t.Helper()
	NeedNginx(t)
	if _, err := os.Stat(streamModule); err != nil {
		if os.Getenv(needAll) != "" {
			t.Fatal("the Debian package libnginx-mod-stream is missing")
		}
		t.Skip("needs the Debian package libnginx-mod-stream")
	}
}

// Nginx runs Debian's nginx with the sites, which listen on the address, among
// others, until the test ends.
func Nginx(t testing.TB, address, sites string) {
	t.Helper()
	nginx(t, address, "", sites)
}

// NginxStream is Nginx with a stream block before the sites'.
func NginxStream(t testing.TB, address, stream, sites string) {
	t.Helper()
	NeedNginxStream(t)
	nginx(t, address, "load_module "+streamModule+";\n"+stream, sites)
}

func nginx(t testing.TB, address, before, sites string) {
	t.Helper()
	nginx := need(t, "nginx", "nginx")
	folder := t.TempDir()
	config := WriteFile(t, folder, "nginx.conf", fmt.Appendf(nil, nginxFrame, before, sites))
	run(t, address, exec.Command(nginx, "-p", folder, "-e", "stderr", "-c", config))
}
