#!/usr/bin/env bash
# component-images.sh ARCHIVE: the images of the control plane and of cnid, each one static binary (kube-proxy and cnid with
# iptables and its libraries from the node's Debian), under the names that kubeadm asks for, in one archive.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib.sh"
. "$here/common.sh"

archive=$1
bin=$CACHE/bin
work=$(mktemp -d "$CACHE/node/images.XXXXXX")
trap 'rm -rf "$work"' EXIT
asked_for=$("$bin/kubeadm" config images list --kubernetes-version "$KUBERNETES_VERSION")
names=()

# image NAME DIR INSTRUCTION…: imports the folder as an image
image() {
  local name=$1 dir=$2 changes=() instruction
  shift 2
  for instruction in 'ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin' "$@"; do changes+=(-c "$instruction"); done
  tar -C "$dir" --owner=0 --group=0 --numeric-owner --mtime=@0 --sort=name -cf - . | docker import "${changes[@]}" - "$name" >/dev/null
  names+=("$name")
}

name_of() { grep "/$1:" <<<"$asked_for"; }

# root DIR BINARY: a root file system with nothing but one binary
root() {
  mkdir -p "$work/$1"/{usr/local/bin,etc/ssl/certs,tmp}
  chmod 1777 "$work/$1/tmp"
  echo 'root:x:0:0:root:/:/sbin/nologin' >"$work/$1/etc/passwd"
  cp -L "$DEBIAN_ROOT/etc/ssl/certs/ca-certificates.crt" "$work/$1/etc/ssl/certs/"
  install "$2" "$work/$1/usr/local/bin/$1"
}

# from_debian DIR FILE…: copies programs and the libraries they are linked with
from_debian() {
  local dir=$work/$1 libraries file
  shift
  libraries=$(chroot "$DEBIAN_ROOT" ldd "$@" | grep -oE '/[^ ]+' | grep -v ':$' | sort -u)
  for file in "$@" $libraries; do
    install -D "$DEBIAN_ROOT$file" "$dir$file"
  done
}

for name in kube-apiserver kube-controller-manager kube-scheduler etcd coredns; do
  root "$name" "$bin/$name"
  image "$(name_of "$name")" "$work/$name" "ENTRYPOINT [\"/usr/local/bin/$name\"]"
done

cc -Os -static -s -o "$work/pause-static" "$here/pause.c"
root pause "$work/pause-static"
image "$(name_of pause)" "$work/pause" 'ENTRYPOINT ["/usr/local/bin/pause"]' 'USER 65535:65535'

for name in kube-proxy cnid; do
  root "$name" "$bin/$name"
  mapfile -t extensions < <(cd "$DEBIAN_ROOT" && find usr/lib/*/xtables -name '*.so' | sed 's#^#/#')
  from_debian "$name" /usr/sbin/xtables-nft-multi /usr/sbin/conntrack /usr/sbin/nft /usr/bin/ip /usr/bin/kmod "${extensions[@]}"
  for program in iptables ip6tables; do
    for suffix in "" -save -restore; do ln -s xtables-nft-multi "$work/$name/usr/sbin/$program$suffix"; done
  done
  ln -s ../bin/kmod "$work/$name/usr/sbin/modprobe"
  cp "$DEBIAN_ROOT"/etc/{protocols,services,ethertypes} "$work/$name/etc/"
done
image "$(name_of kube-proxy)" "$work/kube-proxy" 'ENTRYPOINT ["/usr/local/bin/kube-proxy"]'
image "$CNID_IMAGE" "$work/cnid" 'ENTRYPOINT ["/usr/local/bin/cnid"]'

docker save -o "$work/archive" "${names[@]}"
docker rmi "${names[@]}" >/dev/null
mv "$work/archive" "$archive"
