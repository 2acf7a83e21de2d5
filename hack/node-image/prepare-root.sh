# shellcheck shell=bash
# Runs inside the node image's container: makes a plain Debian root boot as a Kubernetes node under kind.

mkdir -p /opt/cni /etc/cni/net.d /var/lib/kubelet
ln -sfn /usr/lib/cni /opt/cni/bin
rm -f /etc/cni/net.d/*
[ -e /sbin/init ] || ln -s /lib/systemd/systemd /sbin/init

# Of systemd only what runs services: nothing that is the host's business (modules, sysctls, mounts, the kernel's log), no logins.
for target in multi-user sysinit sockets timers getty local-fs basic graphical; do
  rm -f /etc/systemd/system/$target.target.wants/*
done
rm -f /lib/systemd/system/multi-user.target.wants/* /lib/systemd/system/timers.target.wants/*
masked=(console-getty.service dev-hugepages.mount dev-mqueue.mount getty-static.service getty.target kmod-static-nodes.service
  proc-sys-fs-binfmt_misc.automount sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount
  sys-kernel-tracing.mount systemd-binfmt.service systemd-firstboot.service systemd-initctl.socket systemd-journal-flush.service
  systemd-journald-audit.socket systemd-logind.service systemd-machine-id-commit.service systemd-modules-load.service
  systemd-random-seed.service systemd-repart.service systemd-sysctl.service systemd-tmpfiles-setup.service
  systemd-update-utmp-runlevel.service systemd-update-utmp.service)
for unit in "${masked[@]}"; do ln -sf /dev/null "/etc/systemd/system/$unit"; done

mkdir -p /etc/systemd/journald.conf.d /etc/systemd/system/multi-user.target.wants
printf '[Journal]\nReadKMsg=no\nStorage=volatile\nAudit=no\n' >/etc/systemd/journald.conf.d/node.conf
ln -sf /etc/systemd/system/containerd.service /etc/systemd/system/kubelet.service /etc/systemd/system/multi-user.target.wants/
systemctl set-default multi-user.target >/dev/null 2>&1

# kubelet, kube-proxy and cnid must write the same kind of rules.
update-alternatives --set iptables /usr/sbin/iptables-nft >/dev/null
update-alternatives --set ip6tables /usr/sbin/ip6tables-nft >/dev/null
rm -rf /var/lib/containerd
