# For a shell at the demo's workstation; read it with a dot.
{{- range .Variables}}
export {{.Name}}={{quote .Value}}
{{- end}}
export CARDSIDE_SERVER={{quote .Station.Says.Main}}
export CARDSIDE_SERVER_CA={{quote .Station.Says.Root}}
export CARDSIDE_WORKSTATION=POSTE-DEMO
export CARDSIDE_MODULE={{quote .Station.Module}}
export PATH={{quote .Programs}}:$PATH
