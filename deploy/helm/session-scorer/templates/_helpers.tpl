{{- define "session-scorer.labels" -}}
app.kubernetes.io/name: {{ .Release.Name }}
{{- end }}

{{- define "session-scorer.metadata" -}}
name: {{ .Release.Name }}
namespace: {{ .Release.Namespace }}
{{- end }}

{{- /* ends in a hash of the settings, as kustomize's does: a setting that changes is a rolling update */ -}}
{{- define "session-scorer.settings" -}}
{{ .Release.Name }}-{{ .Values.settings | toJson | sha256sum | trunc 10 }}
{{- end }}
