# For a shell at the demo's workstation; read it with a dot.
{{- range $name, $value := .Variables}}
export {{$name}}={{quote $value}}
{{- end}}
token_module={{quote .Station.Module}}
cardside() { {{quote .Station.Cardside}} --module {{quote .Station.Module}} "$@"; }
