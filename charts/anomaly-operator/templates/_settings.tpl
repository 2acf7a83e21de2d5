{{/* The operator's settings as environment variables; `anomaly-operator run --help` describes them. */}}
{{- define "anomaly-operator.settings" -}}
- name: TRAINER_IMAGE
  value: {{ include "anomaly-operator.image" (list $ "trainer") | quote }}
- name: SERVER_IMAGE
  value: {{ include "anomaly-operator.image" (list $ "server") | quote }}
- name: SERVER_OTEL
  value: {{ include "anomaly-operator.lines" .Values.otel | quote }}
- name: IMAGE_PULL_POLICY
  value: {{ .Values.images.pullPolicy | quote }}
- name: WATCH_NAMESPACES
  value: {{ join "," .Values.watchNamespaces | quote }}
- name: MONITORING_NAMESPACES
  value: {{ join "," .Values.monitoringNamespaces | quote }}
{{- with .Values.monitoring }}
- name: SERVICE_MONITORS
  value: {{ .serviceMonitor.enabled | quote }}
- name: SERVICE_MONITOR_INTERVAL
  value: {{ .serviceMonitor.interval | quote }}
- name: SERVICE_MONITOR_LABELS
  value: {{ include "anomaly-operator.labelList" .serviceMonitor.labels | quote }}
- name: ALERTS
  value: {{ .alerts.enabled | quote }}
- name: ALERT_SEVERITY
  value: {{ .alerts.severity | quote }}
- name: ALERT_FOR
  value: {{ .alerts.for | quote }}
- name: ALERT_LABELS
  value: {{ include "anomaly-operator.labelList" .alerts.labels | quote }}
- name: ALERT_STALE_AFTER_DAYS
  value: {{ .alerts.staleAfterDays | quote }}
- name: DASHBOARDS
  value: {{ .dashboard.enabled | quote }}
- name: DASHBOARD_LABELS
  value: {{ include "anomaly-operator.labelList" .dashboard.labels | quote }}
- name: DASHBOARD_FOLDER
  value: {{ .dashboard.folder | quote }}
- name: RUNBOOK_BASE_URL
  value: {{ .runbookBaseUrl | quote }}
{{- end }}
- name: SECRETS
  value: {{ .Values.rbac.secrets | quote }}
- name: MAX_CONCURRENT_TRAININGS
  value: {{ .Values.maxConcurrentTrainings | quote }}
- name: DEBOUNCE
  value: {{ .Values.dataDebounce | quote }}
- name: LOG_FORMAT
  value: {{ .Values.log.format | quote }}
- name: RUST_LOG
  value: {{ .Values.log.filter | quote }}
{{- end }}

{{/* `NAME=value`, one a line. */}}
{{- define "anomaly-operator.lines" -}}
{{- $lines := list }}
{{- range $name, $value := . }}
{{- $lines = append $lines (printf "%s=%s" $name $value) }}
{{- end }}
{{- join "\n" $lines }}
{{- end }}

{{/* Labels as `name=value,name=value`. */}}
{{- define "anomaly-operator.labelList" -}}
{{- $list := list }}
{{- range $name, $value := . }}
{{- $list = append $list (printf "%s=%s" $name $value) }}
{{- end }}
{{- join "," $list }}
{{- end }}
