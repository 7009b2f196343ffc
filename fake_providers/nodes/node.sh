#!/bin/bash
# The first process of a node: a container runtime, a kubelet and a service proxy. When it ends, every pod of the node ends
# with it. Arguments: programs, folder of the node, its zone's volumes, its name, "--", kubelet's arguments.
set -eu
umask 022
bin=$1 node=$2 volumes=$3 name=$4
shift 5
export PATH=$bin:$PATH

# What pods mount must reach containerd and kubelet alike, and nobody else.
mount --make-rprivate / && mount --make-rshared /
mount --bind "$node/lib" /var/lib
mount --bind "$node/log" /var/log
mkdir -p /var/lib/volumes
mount --bind "$volumes" /var/lib/volumes
mount -t tmpfs -o mode=0755 run /run
# The kernel's settings are the host's; kubelet writes copies. Its network's are the node's own.
for part in vm kernel; do
  mount -t tmpfs -o mode=0555 settings /mnt
  # Some can't be read by anyone.
  cp -r --preserve=mode "/proc/sys/$part/." /mnt/ 2>/dev/null || true
  mount --bind /mnt "/proc/sys/$part"
  umount /mnt
done
hostname "$name"

# One that ends is seen: a node without its kubelet is no node.
end() {
  echo "node: $1 ended" >&2
  exit 1
}

containerd --config "$node/containerd.toml" >"$node/containerd.log" 2>&1 &
runtime=$!
until ctr version >/dev/null 2>&1; do
  kill -0 "$runtime" 2>/dev/null || end containerd
  sleep 0.1
done
while read -r archive digest; do
  mark=/var/lib/imported/$digest
  [ -e "$mark" ] && continue
  ctr --namespace k8s.io images import "$archive" >>"$node/images.log" 2>&1
  mkdir -p /var/lib/imported
  : >"$mark"
done <"$node/images"
kubelet --config "$node/kubelet.yaml" --kubeconfig "$node/kubeconfig" --hostname-override "$name" "$@" >"$node/kubelet.log" 2>&1 &
kubelet=$!
kube-proxy --config "$node/proxy.yaml" >"$node/proxy.log" 2>&1 &
# It ends where it doesn't find its node.
until kubectl --kubeconfig "$node/kubeconfig" get node "$name" >/dev/null 2>&1; do
  kill -0 "$kubelet" 2>/dev/null || end kubelet
  sleep 0.2
done
kube-router --run-router=false --run-firewall=true --run-service-proxy=false --kubeconfig "$node/policies.kubeconfig" \
  --hostname-override "$name" --service-cluster-ip-range "$(cat "$node/services")" --health-port 0 >"$node/policies.log" 2>&1 &
agent "$(cat "$node/identity")" >"$node/agent.log" 2>&1 &
wait -n || true
end "one of its programs"
