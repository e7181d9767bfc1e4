{{/* A Service's ports; takes {"values", "grpc", "http"}. */}}
{{- define "tidegauge.ports" -}}
- name: grpc
  port: {{ .grpc }}
  targetPort: grpc
  appProtocol: {{ empty .values.grpc.tls.secretName | ternary "kubernetes.io/h2c" "https" }}
- name: http
  port: {{ .http }}
  targetPort: http
  appProtocol: {{ empty .values.http.tls.secretName | ternary "http" "https" }}
{{- end -}}

{{/* Ports to which the configuration wants connections, as {"ports": [...]}. */}}
{{- define "tidegauge.egressPorts" -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.extraEgressPorts -}}
  {{- $ports = append $ports (int .) -}}
{{- end -}}
{{- range .Values.config.clusters -}}
  {{- range .bootstrap_servers -}}
    {{- $ports = append $ports (regexFind "[0-9]+$" . | int) -}}
  {{- end -}}
  {{- with (.sasl).token_endpoint -}}
    {{- $ports = append $ports (include "tidegauge.portOf" . | int) -}}
  {{- end -}}
{{- end -}}
{{- range .Values.config.queues -}}
  {{- $ports = append $ports (default 5432 .port | int) -}}
{{- end -}}
{{- range ((.Values.config.azul).redis).addresses -}}
  {{- $ports = append $ports (regexFind "[0-9]+$" . | int) -}}
{{- end -}}
{{- with (.Values.config.otlp).endpoint -}}
  {{- $ports = append $ports (include "tidegauge.portOf" . | int) -}}
{{- end -}}
{{- dict "ports" (uniq $ports) | mustToJson -}}
{{- end -}}

{{- define "tidegauge.portOf" -}}
{{- $url := urlParse . -}}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (eq $url.scheme "https" | ternary "443" "80") -}}
{{- end -}}
