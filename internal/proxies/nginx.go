package proxies

import (
	"fmt"
	"os/exec"
	"testing"
)

// nginxFrame is what a distribution's nginx.conf has around the files of its
// sites; everything it writes is in the folder it is started in.
const nginxFrame = `
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

// Nginx runs Debian's nginx with the sites, which listen on the address, among
// others, until the test ends.
func Nginx(t testing.TB, address, sites string) {
	t.Helper()
	nginx := need(t, "nginx", "nginx")
	folder := t.TempDir()
	config := WriteFile(t, folder, "nginx.conf", fmt.Appendf(nil, nginxFrame, sites))
	run(t, address, exec.Command(nginx, "-p", folder, "-e", "stderr", "-c", config))
}
