#!/usr/bin/env bash
# rules.sh: alerts and recording rules of a model and of the operator, tested by promtool. The rules are those that the code
# makes and the chart renders: a snapshot and a committed rendering, both kept fresh by tests.
set -euo pipefail
cd "$(dirname "$0")/.."

promtool=${PROMTOOL:-$(hack/monitoring/promtool.sh)}
snapshot=operator/src/desired/tests/snapshots/operator__desired__tests__snapshots__prometheus_rule_groups.snap
rendering=charts/tests/golden/default.yaml
rules=target/rules
mkdir -p "$rules"

# Without the header of the snapshot.
awk 'header == 2; /^---$/ { header++ }' "$snapshot" >"$rules/machine.yaml"
# `spec` of the one PrometheusRule.
awk '/^---/ { rule = spec = 0 } /^kind: PrometheusRule$/ { rule = 1 } spec { print substr($0, 3) } rule && /^spec:$/ { spec = 1 }' \
  "$rendering" >"$rules/operator.yaml"

"$promtool" check rules "$rules/machine.yaml" "$rules/operator.yaml"
"$promtool" test rules operator/tests/rules/*.yaml

# Every alert has a test that fires and one that does not.
while read -r alert; do
  tests=$(grep -l "alertname: $alert\b" operator/tests/rules/*.yaml) || { echo "$alert has no test" >&2; exit 1; }
  # shellcheck disable=SC2086
  grep -A1 "alertname: $alert\b" $tests | grep -q 'exp_alerts: *$\|exp_alerts: \[{' || { echo "$alert has no test that fires" >&2; exit 1; }
  # shellcheck disable=SC2086
  grep -q "alertname: $alert, exp_alerts: \[\]" $tests || { echo "$alert has no test that does not fire" >&2; exit 1; }
done < <(sed -n 's/^ *- alert: "\{0,1\}\([A-Za-z]*\)"\{0,1\}$/\1/p' "$rules"/*.yaml)
