#!/usr/bin/env bash
# Makes sure that the kind cluster runs: uses the one that is there, starts it again when its node was stopped, and makes it
# anew when it does not exist, was left half-made by an interruption, or does not answer.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

config=$STATE/kind-config.yaml
mkdir -p "$STATE"
sed "s/hostPort: 8080/hostPort: $HTTP_PORT/; s/hostPort: 8443/hostPort: $HTTPS_PORT/" "$ROOT/kind-config.yaml" >"$config"
wanted=$(sha256sum <"$config" | cut -c1-12)
made_with=/kind/made-with     # a file in the node, written when the cluster is complete

usable() {
  local seconds=$1 n
  kind export kubeconfig --quiet --name "$CLUSTER_NAME" || return
  for n in $(seq "$seconds"); do
    [ "$(kubectl --request-timeout=5s get nodes -o 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}' 2>/dev/null)" != True ] || return 0
    [ $((n % 15)) != 0 ] || say "  … $n s: waiting for the node to be ready"
    sleep 1
  done
  return 1
}

reuse() {
  local status
  status=$(docker container inspect -f '{{.State.Status}}' "$(node)" 2>/dev/null) || return
  if [ "$status" != running ]; then
    say "cluster: starting the node again (it was $status)"
    docker start "$(node)" >/dev/null || return
  fi
  case $(docker exec "$(node)" cat "$made_with" 2>/dev/null) in
    "$wanted") usable 120 && say "cluster: $CLUSTER_NAME is there" ;;
    "") say "cluster: half-made; making it anew" && return 1 ;;
    *) die "the cluster $CLUSTER_NAME was made with another kind-config.yaml or other ports; run \`make down\` first" ;;
  esac
}

# The node image: the one that is asked for, or kind's own, or one built from source if that was done before or no registry
# answers.
choose_image() {
  image=${KIND_NODE_IMAGE:-}
  [ -z "$image" ] || return 0
  if [ "${NODE_IMAGE_FROM_SOURCE:-}" = 1 ] || [ -e "$CACHE/node/image" ] || ! registry_answers; then
    "$here/node-image/build.sh"
    image=$(<"$CACHE/node/image")
  fi
}

# Traefik's image, needed anyway, is a small way to find out.
registry_answers() {
  if from_source "$TRAEFIK_IMAGE"; then return 1; fi
  have_image "$TRAEFIK_IMAGE" || pull "$TRAEFIK_IMAGE"
}

port_is_free() { ! { : <>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null; }

create() {
  local image port
  choose_image
  kind delete cluster --quiet --name "$CLUSTER_NAME"
  for port in "$HTTP_PORT" "$HTTPS_PORT"; do
    port_is_free "$port" || die "port $port of this machine is taken; free it, or choose others with HTTP_PORT and HTTPS_PORT"
  done
  docker network inspect kind >/dev/null 2>&1 || touch "$CACHE/made-kind-network"
  long "cluster: making $CLUSTER_NAME${image:+ of $image}" "$CACHE/kind.log" \
    kind create cluster --name "$CLUSTER_NAME" --config "$config" --wait 180s ${image:+--image "$image"}
  usable 30 || die "the cluster was made, but its node is not ready; see $CACHE/kind.log and \`docker logs $(node)\`"
  docker exec -i "$(node)" tee "$made_with" <<<"$wanted" >/dev/null
}

reuse || create
