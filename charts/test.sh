#!/bin/sh
# Tests of the chart that need nothing but helm: lint, rendering compared with committed files, refusals of the schema.
# What the rendered objects promise (no wildcard, restricted pods, …) is checked on those files by `cargo test -p xtask`.
#
#   charts/test.sh            compare
#   charts/test.sh --update   write charts/tests/golden/
#
# helm is taken from $HELM, else from the PATH, else from the project's cache of tools.
set -eu

cd "$(dirname "$0")"
cache=${ANOMALY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/anomaly-operator}
helm=${HELM:-$(command -v helm || echo "$cache/bin/helm")}
chart=anomaly-operator
crd=../crds/anomaly-operator.io_anomalymodels.yaml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
    echo "FAILED: $*" >&2
    failed=1
}

command -v "$helm" >/dev/null || { echo "no helm found: put it on the PATH, or name it in HELM" >&2; exit 1; }

# A fixed version: helm built from source believes in an old Kubernetes, and the files must not depend on it.
render_chart() {
    "$helm" template anomaly-operator "$@" --namespace anomaly-system --kube-version 1.36.0
}

# A cluster with the kinds of Prometheus' operator.
prometheus="--api-versions monitoring.coreos.com/v1/ServiceMonitor --api-versions monitoring.coreos.com/v1/PrometheusRule"

render() {
    render_chart "$chart" "$@"
}

# Everything but the CRD, which crds/ holds already, the dashboards, which dashboards/ holds, and the empty lines that
# differ between versions of helm.
golden() {
    # shellcheck disable=SC2086
    render --values "$1" --set crds.enabled=false $prometheus |
        sed -e '/^[[:space:]]*$/d' -e '/^  anomaly-.*\.json: |/,/^---/ { /^  anomaly-.*\.json: |/b' -e '/^---/b' -e 'd; }'
}

refused() {
    what=$1
    shift
    if render "$@" >/dev/null 2>"$work/refusal"; then
        fail "the schema accepts $what"
    elif ! grep -q "$what" "$work/refusal"; then
        fail "the refusal does not name $what: $(cat "$work/refusal")"
    fi
}

# `helm template` leaves the notes out: a copy of the chart renders them as a ConfigMap.
cp -r "$chart" "$work/chart"
{ echo '{{- define "notes" -}}'; cat "$chart/templates/NOTES.txt"; echo '{{- end }}'; } >"$work/chart/templates/_notes.tpl"
rm "$work/chart/templates/NOTES.txt"
cat >"$work/chart/templates/notes.yaml" <<'EOF'
apiVersion: v1
kind: ConfigMap
metadata: {name: notes}
data:
  notes: |
    {{- include "notes" . | nindent 4 }}
EOF
notes() {
    render_chart "$work/chart" --values "$1" --show-only templates/notes.yaml | sed '1,/notes: |/d; s/^    //'
}

for values in "$chart"/ci/*-values.yaml; do
    name=$(basename "$values" -values.yaml)
    "$helm" lint --strict --kube-version 1.36.0 --values "$values" "$chart" >"$work/lint" 2>&1 \
        || fail "helm lint --strict with $values: $(cat "$work/lint")"
    golden "$values" >"$work/$name.yaml" || fail "cannot render $values"
    notes "$values" >"$work/$name.txt" || fail "cannot render the notes of $values"
    for file in "$name.yaml" "$name.txt"; do
        if [ "${1:-}" = --update ]; then
            cp "$work/$file" "tests/golden/$file"
        elif ! diff -u "tests/golden/$file" "$work/$file" >&2; then
            fail "tests/golden/$file is stale: run charts/test.sh --update and commit the result"
        fi
    done
done

# The CRD: the generated one, guarded and kept.
spec() { sed -n '/^spec:/,$p' | sed '/^[[:space:]]*$/d'; }
render --show-only templates/crd.yaml >"$work/crd.yaml"
spec <"$work/crd.yaml" >"$work/rendered-spec"
spec <"$crd" | diff -u - "$work/rendered-spec" >&2 || fail "the chart's CRD is not $crd: run cargo xtask crdgen"
grep -q 'helm.sh/resource-policy: keep' "$work/crd.yaml" || fail "the CRD is not kept by default"
render --set crds.keep=false --show-only templates/crd.yaml | grep -q resource-policy && fail "crds.keep=false keeps the CRD"
render --set crds.enabled=false | grep -q CustomResourceDefinition && fail "crds.enabled=false renders the CRD"

# What needs the kinds of Prometheus' operator is left out where they are not installed; dashboards can be read.
render | grep -Eq 'kind: (ServiceMonitor|PrometheusRule)' && fail "kinds that are not installed are rendered"
# shellcheck disable=SC2086
render $prometheus --set monitoring.operator.enabled=false | grep -Eq 'kind: (ServiceMonitor|PrometheusRule)$|-dashboards$' \
    && fail "monitoring.operator.enabled=false renders what watches the operator"
# shellcheck disable=SC2086
render $prometheus --set monitoring.serviceMonitor.enabled=false | grep -q 'alert: AnomalyOperatorDown' \
    && fail "an alert about absence is rendered although nobody is asked to scrape"
for board in anomaly-operator/dashboards/*.json; do
    key="anomaly-$(basename "$board")"
    render --show-only templates/dashboards.yaml | sed "1,/^  $key: |/d; /^  anomaly-/,\$d; s/^    //" | sed '/^$/d' >"$work/board.json"
    sed '/^$/d' "$board" | diff -q - "$work/board.json" >/dev/null || fail "the dashboard $key is not the file it is made from"
done

# The schema.
refused replica --set replica=2
refused otel --set otel.LAME_DUCK=1
refused images.operator --set images.operator.tags=1
refused tag --set images.operator.tag=110
refused replicas --set replicas=two
refused secrets --set rbac.secrets=some
refused watchNamespaces --set watchNamespaces=team-a
refused watchNamespaces --set 'watchNamespaces={Team}'
refused memory --set resources.limits.memory=lots
refused dataDebounce --set-string dataDebounce=30
refused interval --set monitoring.serviceMonitor.interval=often
for interval in 121s 2m1s 5m 1h; do refused interval --set "monitoring.serviceMonitor.interval=$interval"; done
for interval in 15s 1m30s 2m 120s; do
    render --set "monitoring.serviceMonitor.interval=$interval" >"$work/interval" || fail "the schema refuses an interval of $interval"
done
refused grafana_dashboard --set monitoring.dashboard.labels.grafana_dashboard=true
refused staleAfterDays --set monitoring.alerts.staleAfterDays=soon
refused runbookBaseUrl --set monitoring.runbookBaseUrl=here
refused maxConcurrentTrainings --set maxConcurrentTrainings=0

[ "$failed" = 0 ] && echo "chart: ok"
exit "$failed"
