# What the scripts of this folder share. Sourced after ../lib.sh.
# shellcheck shell=bash disable=SC2034

DEBIAN_SUITE=bookworm
NODE_PACKAGES=(systemd systemd-sysv dbus containerd runc containernetworking-plugins iptables iproute2 conntrack ethtool socat
  kmod mount procps curl ca-certificates jq nftables)
NODE_TOOLS=(kubeadm kubelet kubectl crictl kube-apiserver kube-controller-manager kube-scheduler kube-proxy etcd coredns cnid)
CNID_IMAGE=localhost/cnid:1

ROOT_KEY=$DEBIAN_SUITE-$(sha256sum <<<"${NODE_PACKAGES[*]}" | cut -c1-12)
DEBIAN_ROOT=$CACHE/node/root-$ROOT_KEY

# The node image's name has a hash of all that goes into it. (The tools must have been built.)
node_image() {
  local key
  key=$({ cd "$CACHE/tools" && cat "${NODE_TOOLS[@]/%/.key}" && cd "$ROOT/hack/node-image" && find . -type f | sort | xargs sha256sum; } |
    sha256sum | cut -c1-12)
  echo "anomaly-operator/node:$KUBERNETES_VERSION-$key"
}
