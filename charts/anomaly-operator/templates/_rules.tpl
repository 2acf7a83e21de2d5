{{/*
What the operator may do in the namespaces that it works in: what it uses, verb by verb. A ClusterRole when it works in
all of them, else a Role in each. Creating Roles for trainers demands that it holds what those grant (create and patch
ConfigMaps).
*/}}
{{- define "anomaly-operator.rules" -}}
{{- $children := list "get" "list" "watch" "create" "patch" "delete" -}}
# The resource itself: the spec is never written.
- apiGroups: [anomaly-operator.io]
  resources: [anomalymodels]
  verbs: [list, watch]
- apiGroups: [anomaly-operator.io]
  resources: [anomalymodels/status]
  verbs: [patch]
# Owner references that block deletion, where the cluster enforces permission for them.
- apiGroups: [anomaly-operator.io]
  resources: [anomalymodels/finalizers]
  verbs: [update]
# Training data, inputs of Jobs and revisions; Services; ServiceAccounts of trainers.
- apiGroups: [""]
  resources: [configmaps, services, serviceaccounts]
  verbs: [{{ join ", " $children }}]
{{- if eq .Values.rbac.secrets "cluster" }}
# Credentials: generated when none are named; the named ones are read.
- apiGroups: [""]
  resources: [secrets]
  verbs: [{{ join ", " $children }}]
{{- end }}
# Why a pod does not start, or a Job makes none.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [list]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [{{ join ", " $children }}]
# Jobs are made once, and never changed.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [{{ join ", " $children }}]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [{{ join ", " $children }}]
# Basic auth at Traefik, and its TLS with the pods; the kinds need not be installed.
- apiGroups: [traefik.io]
  resources: [middlewares, serverstransports]
  verbs: [{{ join ", " $children }}]
# What watches models; the kinds need not be installed.
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors, prometheusrules]
  verbs: [{{ join ", " $children }}]
{{- end }}

{{/* What has no namespace. */}}
{{- define "anomaly-operator.clusterRules" -}}
# Which controller an Ingress goes to decides how it asks for the password.
- apiGroups: [networking.k8s.io]
  resources: [ingressclasses]
  verbs: [get, list, watch]
{{- end }}
