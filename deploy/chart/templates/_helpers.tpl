{{- define "portal.labels" -}}
app.kubernetes.io/name: gitops-portal
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "portal.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{- define "portal.claim" -}}
{{ .Values.data.existingClaim | default (printf "%s-data" .Release.Name) }}
{{- end }}

{{/* Settings; secrets are files, so that they are in no process list and no `kubectl describe`. */}}
{{- define "portal.env" -}}
- {name: PORTAL_DATA_DIR, value: /data}
- {name: HOME, value: /tmp}
- {name: PORTAL_URL, value: {{ required "url is needed" .Values.url | quote }}}
- {name: PORTAL_ALLOWED_HOSTS, value: {{ (urlParse .Values.url).hostname | quote }}}
- {name: PORTAL_TRUSTED_ORIGINS, value: {{ .Values.url | trimSuffix "/" | quote }}}
- {name: PORTAL_ENGINE, value: celery}
{{- if .Values.metrics.enabled }}
{{- $_ := required "metrics.enabled needs secret.keys.PORTAL_METRICS_TOKEN" .Values.secret.keys.PORTAL_METRICS_TOKEN }}
- {name: PORTAL_METRICS, value: "true"}
{{- end }}
{{- $_ := required "secret.keys.DATABASE_URL is needed: pods share one PostgreSQL, and each would have an SQLite of its own" (coalesce .Values.secret.keys.DATABASE_URL .Values.env.DATABASE_URL .Values.env.DATABASE_URL_FILE) }}
{{- $_ := required "secret.keys.REDIS_URL is needed: without it workers hear of nothing" (coalesce .Values.secret.keys.REDIS_URL .Values.env.REDIS_URL .Values.env.REDIS_URL_FILE) }}
{{- range $setting, $key := .Values.secret.keys }}
{{- if $key }}
- {name: {{ $setting }}_FILE, value: /run/secrets/portal/{{ $key }}}
{{- end }}
{{- end }}
{{- if and .Values.ingress.enabled (not (hasKey .Values.env "PORTAL_TRUSTED_PROXIES")) }}
- {name: PORTAL_TRUSTED_PROXIES, value: "1"}
{{- end }}
{{- range $name, $value := .Values.env }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{/* Of dict "root" . "own" (the part's values): its securityContext and podSecurityContext come over ours, name by name. */}}
{{- define "portal.container" -}}
image: {{ include "portal.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- $ours := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) }}
  {{- mergeOverwrite $ours (.own.securityContext | default dict) | toYaml | nindent 2 }}
volumeMounts:
  - {name: data, mountPath: /data}
  - {name: tmp, mountPath: /tmp}
  - {name: secrets, mountPath: /run/secrets/portal, readOnly: true}
{{- end }}

{{- define "portal.pod" -}}
automountServiceAccountToken: false
{{- if hasKey .own "hostUsers" }}
hostUsers: {{ .own.hostUsers }}
{{- end }}
securityContext:
  {{- $ours := dict "runAsNonRoot" true "runAsUser" 10001 "runAsGroup" 10001 "fsGroup" 10001 "fsGroupChangePolicy" "OnRootMismatch" "seccompProfile" (dict "type" "RuntimeDefault") }}
  {{- mergeOverwrite $ours (.own.podSecurityContext | default dict) | toYaml | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "portal.replicas" -}}
{{ if .root.Values.maintenance }}0{{ else }}{{ .own.replicas }}{{ end }}
{{- end }}

{{- define "portal.volumes" -}}
- {name: tmp, emptyDir: {}}
- name: secrets
  secret: {secretName: {{ required "secret.name is needed" .Values.secret.name }}, defaultMode: 0440}
{{- end }}
