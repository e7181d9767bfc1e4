{{/*
tidegauge.toml as JSON: config, and over it what the chart sets itself.
*/}}
{{- define "tidegauge.config" -}}
{{- include "tidegauge.refuse" . -}}
{{- $config := deepCopy .Values.config -}}
{{- $address := contains ":" .Values.listenAddress | ternary (printf "[%s]" .Values.listenAddress) .Values.listenAddress -}}
{{- $own := dict
  "store" (dict "data_dir" "/var/lib/tidegauge")
  "grpc" (dict "listen" (print $address ":9090"))
  "http" (dict "listen" (print $address ":8080"))
-}}
{{- range (include "tidegauge.secretFiles" . | fromJson).files -}}
  {{- $value := print "/etc/tidegauge/secrets/" .path -}}
  {{- range $key := splitList "/" .path | reverse -}}
    {{- $value = dict $key $value -}}
  {{- end -}}
  {{- $own = merge $own $value -}}
{{- end -}}
{{- mergeOverwrite $config $own | mustToJson -}}
{{- end -}}

{{/* Keys whose change needs a new process, as tidegauge.example.toml marks them. */}}
{{- define "tidegauge.restartKeys" -}}
store.data_dir store.when_damaged grpc.listen grpc.tls http.listen http.tls http.auth log.format otlp
{{- end -}}

{{/* Changes when one of these does, and never else. */}}
{{- define "tidegauge.restartChecksum" -}}
{{- $config := include "tidegauge.config" . | fromJson -}}
{{- $values := list -}}
{{- range $path := include "tidegauge.restartKeys" . | splitList " " -}}
  {{- $value := $config -}}
  {{- range $key := splitList "." $path -}}
    {{- $value = get (default dict $value) $key -}}
  {{- end -}}
  {{- $values = append $values (print $path "=" $value) -}}
{{- end -}}
{{- $values | mustToJson | sha256sum -}}
{{- end -}}

{{/* What would be wrong without a word, or puts a secret where it can be read. */}}
{{- define "tidegauge.refuse" -}}
{{- $config := .Values.config -}}
{{- if not (or $config.clusters $config.queues) -}}
  {{- fail "config.clusters is empty: name at least one Kafka cluster, such as config.clusters.main.bootstrap_servers: [\"kafka:9092\"], or a queue under config.queues" -}}
{{- end -}}
{{- range $owned := list "store.data_dir persistence" "grpc.listen listenAddress" "grpc.tls grpc.tls" "http.listen listenAddress" "http.tls http.tls" "http.auth http.auth" -}}
  {{- $pair := splitList " " $owned -}}
  {{- $keys := splitList "." (first $pair) -}}
  {{- if hasKey (default dict (get $config (first $keys))) (last $keys) -}}
    {{- fail (printf "config.%s is set by the chart: use %s" (first $pair) (last $pair)) -}}
  {{- end -}}
{{- end -}}
{{- include "tidegauge.refuseSecrets" (dict "path" "config" "value" $config) -}}
{{- range $kind, $secrets := dict "cluster" .Values.clusterSecrets "queue" .Values.queueSecrets -}}
  {{- $there := get $config (print $kind "s") | default dict -}}
  {{- range $name, $_ := $secrets -}}
    {{- if not (hasKey $there $name) -}}
      {{- fail (printf "%sSecrets.%s: there is no config.%ss.%s; there are %s" $kind $name $kind $name (keys $there | sortAlpha | join ", " | default "none")) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if .Values.redisSecrets -}}
  {{- if not ($config.azul).redis -}}
    {{- fail "redisSecrets: there is no config.azul.redis" -}}
  {{- end -}}
  {{- if and .Values.redisSecrets.sentinel (not $config.azul.redis.sentinel) -}}
    {{- fail "redisSecrets.sentinel: there is no config.azul.redis.sentinel" -}}
  {{- end -}}
{{- end -}}
{{- with ($config.grpc).shutdown_grace -}}
  {{- $grace := toString . -}}
  {{- $seconds := 0 -}}
  {{- if regexMatch "^[0-9]+s$" $grace -}}
    {{- $seconds = trimSuffix "s" $grace | int -}}
  {{- else if regexMatch "^[0-9]+m$" $grace -}}
    {{- $seconds = trimSuffix "m" $grace | int | mul 60 -}}
  {{- end -}}
  {{- if gt (add $seconds 5) (int $.Values.terminationGracePeriodSeconds) -}}
    {{- fail (printf "terminationGracePeriodSeconds is %d: with config.grpc.shutdown_grace %s it must be at least %d" (int $.Values.terminationGracePeriodSeconds) $grace (add $seconds 5)) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "tidegauge.refuseSecrets" -}}
{{- $path := .path -}}
{{- range $key, $value := .value -}}
  {{- if eq $path "config.azul.plugins" -}}
    {{- /* Keys are plugins' names, whatever they are called. */ -}}
  {{- else if kindIs "map" $value -}}
    {{- include "tidegauge.refuseSecrets" (dict "path" (print $path "." $key) "value" $value) -}}
  {{- else if regexMatch "(password|secret|token|[.]pem)$" (lower $key) -}}
    {{- fail (printf "%s.%s holds a secret: a ConfigMap is no place for it, use clusterSecrets, queueSecrets, redisSecrets or http.auth" $path $key) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
