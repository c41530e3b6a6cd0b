{{- define "routebook.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* 57 leave room for "-pods" and "-test" */ -}}
{{- define "routebook.fullname" -}}
{{- $name := include "routebook.name" . -}}
{{- $whole := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $whole .Values.fullnameOverride | trunc 57 | trimSuffix "-" -}}
{{- end -}}

{{- define "routebook.selector" -}}
app.kubernetes.io/name: {{ include "routebook.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "routebook.labels" -}}
{{ include "routebook.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "routebook.image" -}}
{{- $image := printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- with .Values.image.digest -}}{{- $image = printf "%s@%s" $image . -}}{{- end -}}
{{- $image -}}
{{- end -}}

{{- define "routebook.account" -}}
{{- default (ternary (include "routebook.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "routebook.podSecurity" -}}
runAsNonRoot: true
{{- if not (kindIs "invalid" .Values.user) }}
runAsUser: {{ int64 .Values.user }}
runAsGroup: {{ int64 .Values.user }}
fsGroup: {{ int64 .Values.user }}
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "routebook.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "routebook.adminScheme" -}}
{{- ternary "HTTPS" "HTTP" (not (empty .Values.adminTls.secret)) -}}
{{- end -}}

{{- /* What the schema cannot say of several values together. */ -}}
{{- define "routebook.refusals" -}}
{{- $several := or .Values.autoscaling.enabled (gt (int .Values.replicas) 1) -}}
{{- if and $several (not .Values.sharedLedger.url) (not .Values.sharedLedger.separateBudgets) -}}
{{- fail "several pods without `sharedLedger.url`: each would spend every budget by itself. Name a Redis or Valkey, ask for one replica, or say `sharedLedger.separateBudgets: true`" -}}
{{- end -}}
{{- if and .Values.tls.clientCa (not .Values.tls.secret) -}}
{{- fail "`tls.clientCa` without `tls.secret`: certificates of clients are asked for by TLS alone" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "`autoscaling.minReplicas` is more than `autoscaling.maxReplicas`" -}}
{{- end -}}
{{- if and (not .Values.policy.existing) (not .Values.policy.files) -}}
{{- fail "no policy: `policy.files` or `policy.existing`" -}}
{{- end -}}
{{- end -}}

{{- define "routebook.certificateMounts" -}}
{{- range $volume, $secret := dict "tls" .Values.tls.secret "client-ca" .Values.tls.clientCa "admin-tls" .Values.adminTls.secret }}
{{- if $secret }}
- {name: {{ $volume }}, mountPath: /etc/routebook/{{ $volume }}, readOnly: true}
{{- end }}
{{- end }}
{{- end -}}
