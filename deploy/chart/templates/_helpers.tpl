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

{{/* A number as it was written: of a large one `quote` would make 1e+06. */}}
{{- define "portal.quoted" -}}
{{ kindIs "string" . | ternary . (toJson .) | quote }}
{{- end }}

{{/* Nothing is given twice, where one of the two would be lost without a word. */}}
{{- define "portal.refuse" -}}
{{- $instead := dict
    "PORTAL_URL" "set url instead"
    "PORTAL_METRICS" "set metrics.enabled instead"
    "PORTAL_DRAIN_SECONDS" "set web.drainSeconds instead"
    "PORTAL_STEPS_WAIT_SECONDS" "set worker.stepsWaitSeconds instead"
    "PORTAL_PROBE_PORT" "its probes go there"
    "PORTAL_PROBE_HOST" "its probes go there"
    "PORTAL_DATA_DIR" "its volume is there"
    "PORTAL_ENGINE" "its workers are the engine"
}}
{{- range $place, $given := dict "env" .Values.env "secret.keys" .Values.secret.keys }}
{{- range $name, $_ := $given }}
{{- with get $instead (trimSuffix "_FILE" $name) }}
{{- fail (printf "%s.%s belongs to the chart: %s" $place $name .) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name := list "PORTAL_QUEUE_PREFIX" "PORTAL_PLAN_SECONDS" }}
{{- if or (get $.Values.secret.keys $name) (hasKey $.Values.env (printf "%s_FILE" $name)) }}
{{- fail (printf "%s is read by the chart, which sees no file: give it by env.%s" $name $name) }}
{{- end }}
{{- end }}
{{- range $name, $key := .Values.secret.keys }}
{{- if and $key (or (hasKey $.Values.env $name) (hasKey $.Values.env (printf "%s_FILE" $name))) }}
{{- fail (printf "%s is given by env and by secret.keys, which would win: leave it out of env, or set secret.keys.%s to \"\"" $name $name) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Of dict "root" . "own" (settings of this part alone): each name once; secrets are files, so that they are in no process list and no `kubectl describe`. */}}
{{- define "portal.env" -}}
{{- include "portal.refuse" .root }}
{{- $env := .root.Values.env }}
{{- $keys := .root.Values.secret.keys }}
{{- $_ := required "secret.keys.DATABASE_URL is needed: pods share one PostgreSQL, and each would have an SQLite of its own" (coalesce $keys.DATABASE_URL $env.DATABASE_URL $env.DATABASE_URL_FILE) }}
{{- $_ := required "secret.keys.REDIS_URL is needed: without it workers hear of nothing" (coalesce $keys.REDIS_URL $env.REDIS_URL $env.REDIS_URL_FILE) }}
{{- $ours := dict "PORTAL_DATA_DIR" "/data" "HOME" "/tmp" "PORTAL_ENGINE" "celery" }}
{{- if .root.Values.metrics.enabled }}
{{- $_ := required "metrics.enabled needs secret.keys.PORTAL_METRICS_TOKEN" (coalesce $keys.PORTAL_METRICS_TOKEN $env.PORTAL_METRICS_TOKEN $env.PORTAL_METRICS_TOKEN_FILE) }}
{{- $_ := set $ours "PORTAL_METRICS" "true" }}
{{- end }}
{{- if .root.Values.ingress.enabled }}
{{- $_ := set $ours "PORTAL_TRUSTED_PROXIES" "1" }}
{{- end }}
{{- range $name, $key := $keys }}
{{- if $key }}
{{- $_ := set $ours (printf "%s_FILE" $name) (printf "/run/secrets/portal/%s" $key) }}
{{- end }}
{{- end }}
{{- range $name, $_ := $env }}
{{- $_ := unset $ours $name }}
{{- end -}}
- {name: PORTAL_URL, value: {{ required "url is needed" .root.Values.url | quote }}}
{{- range list $ours .own $env }}
{{- range $name, $value := . }}
- {name: {{ $name | quote }}, value: {{ include "portal.quoted" $value }}}
{{- end }}
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
