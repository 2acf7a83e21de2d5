{{/* The operator's settings as environment variables; `anomaly-operator run --help` describes them. */}}
{{- define "anomaly-operator.settings" -}}
- name: TRAINER_IMAGE
  value: {{ include "anomaly-operator.image" (list $ "trainer") | quote }}
- name: SERVER_IMAGE
  value: {{ include "anomaly-operator.image" (list $ "server") | quote }}
- name: IMAGE_PULL_POLICY
  value: {{ .Values.images.pullPolicy | quote }}
- name: WATCH_NAMESPACES
  value: {{ join "," .Values.watchNamespaces | quote }}
- name: MONITORING_NAMESPACES
  value: {{ join "," .Values.monitoringNamespaces | quote }}
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
