{{/*
The files that come from Secrets and ConfigMaps, as JSON: {"files": [...]}, each
with the path of its key in tidegauge.toml, which is also its path below
/etc/tidegauge/secrets, and where it comes from. What is mounted and what the
configuration names are both read from here, so that they can't differ.
*/}}
{{- define "tidegauge.secretFiles" -}}
{{- $files := list -}}
{{- range $wing := list "grpc" "http" -}}
  {{- with (index $.Values $wing).tls.secretName -}}
    {{- $path := printf "%s/tls/" $wing -}}
    {{- $files = append $files (dict "path" (print $path "certificate_file") "secretName" . "key" "tls.crt") -}}
    {{- $files = append $files (dict "path" (print $path "key_file") "secretName" . "key" "tls.key") -}}
  {{- end -}}
{{- end -}}
{{- with .Values.grpc.tls.clientCaFile -}}
  {{- $files = append $files (merge (dict "path" "grpc/tls/client_ca_file") .) -}}
{{- end -}}
{{- with .Values.http.auth.bearerToken -}}
  {{- $files = append $files (merge (dict "path" "http/auth/bearer_token_file") .) -}}
{{- end -}}
{{- with .Values.http.auth.basic -}}
  {{- $files = append $files (dict "path" "http/auth/password_file" "secretName" .secretName "key" .passwordKey) -}}
{{- end -}}
{{- range $key, $reference := .Values.otlpSecrets -}}
  {{- $files = append $files (merge (dict "path" (print "otlp/" (snakecase $key))) $reference) -}}
{{- end -}}
{{- range $cluster, $sections := .Values.clusterSecrets -}}
  {{- range $section, $keys := $sections -}}
    {{- range $key, $reference := omit $keys "username" -}}
      {{- $path := printf "clusters/%s/%s/%s" $cluster $section (snakecase $key) -}}
      {{- $files = append $files (merge (dict "path" $path) $reference) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- range $queue, $keys := .Values.queueSecrets -}}
  {{- range $key, $reference := omit $keys "user" -}}
    {{- $path := printf "queues/%s/%s" $queue (snakecase $key) -}}
    {{- $files = append $files (merge (dict "path" $path) $reference) -}}
  {{- end -}}
{{- end -}}
{{- $redis := .Values.redisSecrets -}}
{{- range $section, $keys := dict "" (omit $redis "tls" "sentinel") "tls/" $redis.tls "sentinel/" $redis.sentinel -}}
  {{- range $key, $reference := omit (default dict $keys) "user" -}}
    {{- $path := printf "azul/redis/%s%s" $section (snakecase $key) -}}
    {{- $files = append $files (merge (dict "path" $path) $reference) -}}
  {{- end -}}
{{- end -}}
{{- dict "files" $files | mustToJson -}}
{{- end -}}

{{/* The projected volume of all of them. */}}
{{- define "tidegauge.secretSources" -}}
{{- range (include "tidegauge.secretFiles" . | fromJson).files }}
{{- if .configMapName }}
- configMap:
    name: {{ .configMapName }}
{{- else }}
- secret:
    name: {{ .secretName }}
{{- end }}
    items:
      - key: {{ .key }}
        path: {{ .path }}
{{- end }}
{{- end -}}

{{/* Names of users, for which the configuration has no files. */}}
{{- define "tidegauge.secretEnv" -}}
{{- with .Values.http.auth.basic }}
- name: TIDEGAUGE_HTTP__AUTH__USER
  valueFrom:
    secretKeyRef:
      name: {{ .secretName }}
      key: {{ .userKey }}
{{- end }}
{{- range $cluster, $sections := .Values.clusterSecrets }}
{{- with ($sections.sasl).username }}
{{ include "tidegauge.secretVariable" (dict "path" (list "clusters" $cluster "sasl" "username") "from" .) }}
{{- end }}
{{- end }}
{{- range $queue, $keys := .Values.queueSecrets }}
{{- with $keys.user }}
{{ include "tidegauge.secretVariable" (dict "path" (list "queues" $queue "user") "from" .) }}
{{- end }}
{{- end }}
{{- with .Values.redisSecrets.user }}
{{ include "tidegauge.secretVariable" (dict "path" (list "azul" "redis" "user") "from" .) }}
{{- end }}
{{- with (.Values.redisSecrets.sentinel).user }}
{{ include "tidegauge.secretVariable" (dict "path" (list "azul" "redis" "sentinel" "user") "from" .) }}
{{- end }}
{{- end -}}

{{/* The variable of a key of tidegauge.toml; takes {"path": [...], "from"}. */}}
{{- define "tidegauge.secretVariable" -}}
- name: TIDEGAUGE_{{ join "__" .path | replace "-" "_" | upper }}
  valueFrom:
    secretKeyRef:
      name: {{ .from.secretName }}
      key: {{ .from.key }}
{{- end -}}
