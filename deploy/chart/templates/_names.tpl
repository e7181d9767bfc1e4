{{- define "tidegauge.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Room is left for "-headless", and for what a StatefulSet puts behind it. */}}
{{- define "tidegauge.fullname" -}}
{{- $name := include "tidegauge.name" . -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- default $full .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "tidegauge.serviceAccountName" -}}
{{- $own := .Values.serviceAccount.create | ternary (include "tidegauge.fullname" .) "default" -}}
{{- default $own .Values.serviceAccount.name -}}
{{- end -}}

{{/* What never changes between releases. */}}
{{- define "tidegauge.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tidegauge.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The pod that scales: what Services, policies and monitors pick. */}}
{{- define "tidegauge.scalerLabels" -}}
{{ include "tidegauge.selectorLabels" . }}
app.kubernetes.io/component: scaler
{{- end -}}

{{- define "tidegauge.labels" -}}
{{ include "tidegauge.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "tidegauge.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default .Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{/* Where KEDA finds it: scalerAddress. */}}
{{- define "tidegauge.scalerAddress" -}}
{{ include "tidegauge.fullname" . }}.{{ .Release.Namespace }}:{{ .Values.service.ports.grpc }}
{{- end -}}
