{{/*
A table of TOML. Helm's own toToml writes every whole number of a values file as
a float (10000.0, 1e+06), which a key that counts something rightly refuses.
Takes {"path": "a.b", "table": {...}}; a null is a key left out.
*/}}
{{- define "tidegauge.toml" -}}
{{- $path := .path -}}
{{- $tables := dict -}}
{{- if $path }}
[{{ $path }}]
{{- end }}
{{- range $key, $value := .table }}
{{- if kindIs "map" $value }}
{{- $_ := set $tables $key $value }}
{{- else if not (kindIs "invalid" $value) }}
{{ include "tidegauge.tomlKey" $key }} = {{ include "tidegauge.tomlValue" $value }}
{{- end }}
{{- end }}
{{- range $key, $table := $tables }}
{{- $name := include "tidegauge.tomlKey" $key }}
{{- include "tidegauge.toml" (dict "path" (empty $path | ternary $name (print $path "." $name)) "table" $table) }}
{{- end }}
{{- end -}}

{{- define "tidegauge.tomlKey" -}}
{{- regexMatch "^[A-Za-z0-9_-]+$" . | ternary . (mustToRawJson .) -}}
{{- end -}}

{{/* JSON's strings are TOML's. */}}
{{- define "tidegauge.tomlValue" -}}
{{- if kindIs "map" . -}}
  {{- $pairs := list -}}
  {{- range $key, $value := . -}}
    {{- $pairs = append $pairs (print (include "tidegauge.tomlKey" $key) " = " (include "tidegauge.tomlValue" $value)) -}}
  {{- end -}}
  { {{- join ", " $pairs -}} }
{{- else if kindIs "slice" . -}}
  {{- $items := list -}}
  {{- range . -}}
    {{- $items = append $items (include "tidegauge.tomlValue" .) -}}
  {{- end -}}
  [{{ join ", " $items }}]
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
  {{- printf "%.0f" . -}}
{{- else -}}
  {{- mustToRawJson . -}}
{{- end -}}
{{- end -}}
