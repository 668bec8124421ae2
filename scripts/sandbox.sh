# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For scripts that run inside the VM: starts the real Open vSwitch and
# ovs-vdpad by hand, in the places where a host has them.  To be sourced;
# VDPAD_BUILD names the build to take the daemon from.
#
# It clears the database of Open vSwitch and takes the card over, and so ends
# whoever sources it on any machine but the VM, which alone has stage2's mount.

if [ "${TWIN-}" != 1 ] ||
        ! grep -qs ' /run/twin/host 9p ' /proc/self/mounts; then
    echo "${0##*/}: only for the VM of scripts/twin: on this host it would" \
        "clear Open vSwitch's database" >&2
    exit 2
fi
export OVS_RUNDIR=/run/openvswitch OVS_LOGDIR=/var/log/openvswitch
sandbox_db=/etc/openvswitch/conf.db

# An empty database, ovsdb-server and ovs-vswitchd.  vswitchd started within
# 10 s of the boot would have no handler threads.
sandbox_start_ovs() {
    rm -rf $OVS_RUNDIR $OVS_LOGDIR /etc/openvswitch
    mkdir -p $OVS_RUNDIR $OVS_LOGDIR /etc/openvswitch
    ovsdb-tool create $sandbox_db /usr/share/openvswitch/vswitch.ovsschema
    ovsdb-server --remote=punix:$OVS_RUNDIR/db.sock --pidfile --detach \
        --log-file -vconsole:off $sandbox_db
    ovs-vsctl --no-wait init
    modprobe openvswitch
    "$sandbox_top/test/twin/wait-uptime"
    ovs-vswitchd --pidfile --detach --log-file -vconsole:off
}

sandbox_start_vdpad() {
    "$VDPAD_BUILD/ovs-vdpad" --pidfile --detach --log-file -vconsole:off "$@"
}

sandbox_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
PATH=$PATH:/usr/lib/openvswitch-switch:/usr/sbin:/sbin

vdpad() {
    ovs-appctl -t ovs-vdpad "$@"
}

# The PFs of the card, in the order of their addresses.
sandbox_pfs() {
    local f

    for f in /sys/bus/pci/devices/*/sriov_totalvfs; do
        basename "$(dirname "$f")"
    done
}
