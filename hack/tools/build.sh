#!/usr/bin/env bash
# build.sh NAME…: builds the named commands of the tool module (go.mod) into the cache, those only that are missing or outdated.
# One `go build` for all of them, because they share one client-go: with an empty cache some eleven minutes on two cores.
# Interrupting is safe: what is compiled stays in Go's own cache, and a finished command is moved into place.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"

package() {
  case $1 in
    cnid | coredns) echo "./$1" ;;
    crictl) echo sigs.k8s.io/cri-tools/cmd/crictl ;;
    etcd) echo go.etcd.io/etcd/server/v3 ;;
    helm) echo helm.sh/helm/v3/cmd/helm ;;
    kind) echo sigs.k8s.io/kind ;;
    kube*) echo "k8s.io/kubernetes/cmd/$1" ;;
    prometheus-operator) echo github.com/prometheus-operator/prometheus-operator/cmd/operator ;;
    prometheus-config-reloader) echo github.com/prometheus-operator/prometheus-operator/cmd/prometheus-config-reloader ;;
    prometheus | promtool) echo "github.com/prometheus/prometheus/cmd/$1" ;;
    traefik) echo github.com/traefik/traefik/v3/cmd/traefik ;;
    *) die "tools/go.mod has no command $1" ;;
  esac
}

# Kubernetes calls itself v0.0.0 until the linker says otherwise. Debug information would only cost time.
component_version=k8s.io/component-base/version
ldflags="-s -w -X $component_version.gitVersion=$KUBERNETES_VERSION -X $component_version.gitMajor=1
 -X $component_version.gitMinor=$(cut -d. -f2 <<<"$KUBERNETES_VERSION") -X $component_version.gitTreeState=clean
 -X github.com/traefik/traefik/v3/pkg/version.Version=${TRAEFIK_VERSION#v}"
modfile=$CACHE/tools/go.mod
flags=(-mod=mod -modfile="$modfile" -trimpath -buildvcs=false -gcflags=all=-dwarf=false -ldflags="${ldflags//$'\n'/}")

# Of the ways to discover targets, Prometheus in the cluster needs one; the others pull in the SDKs of all clouds.
case " $* " in
  *" prometheus "* | *" promtool "*) tags=('-tags=remove_all_sd,enable_kubernetes_sd') ;;
  *) tags=() ;;
esac
flags+=("${tags[@]}")

# Traefik's ACME client links the SDKs of some 190 DNS providers, a sixth of all that would be compiled here. No test cluster
# asks them for a certificate, so it is built from a copy of that module without them.
without_dns_providers() {
  local module copy=$CACHE/tools/lego
  module=$(go mod download -modfile="$modfile" -json github.com/go-acme/lego/v4 | sed -nE 's/^\t"Dir": "(.*)",$/\1/p')
  rm -rf "$copy"
  cp -r "$module" "$copy"
  chmod -R u+w "$copy"
  cp "$here/lego/dns_providers.go" "$copy/providers/dns/zz_gen_dns_providers.go"
  go mod edit -replace "github.com/go-acme/lego/v4=$copy" "$modfile"
}

# Downloads what is needed, and counts it.
list_packages() {
  without_dns_providers
  go list "${flags[@]:0:2}" "${tags[@]}" -deps "${paths[@]}" | sort -u >"$work/packages"
}

key() { # of a command: what its binary depends on
  local sources=("$here/go.mod" "$here/go.sum" "$here/lego/dns_providers.go")
  [ ! -d "$here/$1" ] || sources+=("$here/$1"/*.go)
  { digest "${sources[@]}" && echo "${flags[@]}" && go env GOVERSION GOOS GOARCH; } | sha256sum | cut -c1-12
}

progress() { # (-v names each package when it is compiled)
  if [ ! -s "$work/packages" ]; then echo "$(grep -c downloading "$1") modules downloaded" && return; fi
  echo "$(grep -c -v '^go: ' "$1") of at most $(wc -l <"$work/packages") packages compiled, $(find "$work" -type f -perm -u+x | wc -l) of ${#missing[@]} commands linked; now $(tail -n 1 "$1")"
}

have go || die "building the cluster's tools needs Go 1.26 or newer; install it, or kind, kubectl and helm, and try again"
export CGO_ENABLED=0 GOWORK=off
mkdir -p "$CACHE/bin" "$CACHE/tools"
missing=()
for name in "$@"; do
  package "$name" >/dev/null
  [ -x "$CACHE/bin/$name" ] && [ "$(cat "$CACHE/tools/$name.key" 2>/dev/null)" = "$(key "$name")" ] || missing+=("$name")
done
if [ ${#missing[@]} = 0 ]; then
  [ $# = 1 ] || say "tools: $# built before"
  exit 0
fi

cd "$here"
cp go.mod go.sum "$CACHE/tools/"
work=$(mktemp -d "$CACHE/tools/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
mapfile -t paths < <(for name in "${missing[@]}"; do package "$name"; done)
long "tools: Go modules" "$CACHE/tools/download.log" list_packages
long "tools: building ${missing[*]}" "$CACHE/tools/build.log" nice -n "${BUILD_NICE:-0}" go build "${flags[@]}" -v -o "$work/" "${paths[@]}"
[ ! -e "$work/v3" ] || mv "$work/v3" "$work/server"
[ ! -e "$work/server" ] || mv "$work/server" "$work/etcd"
[ ! -e "$work/operator" ] || mv "$work/operator" "$work/prometheus-operator"
for name in "${missing[@]}"; do
  mv "$work/$name" "$CACHE/bin/$name"
  key "$name" >"$CACHE/tools/$name.key"
done
