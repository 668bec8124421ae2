/* SPDX-License-Identifier: Apache-2.0 */
/* why: each check fails when what it looks at is wrong, and no other does. */
#include "why-fixture.h"

static void
all_is_well(void **state)
{
    json_t *rows = RUN_JSON("why", "vdpa:0000:65:00.2");
    static const char order[] =
        "kernel-config flower-modules hw-offload hw-offload-effective "
        "tc-policy kernel libvirt qemu stale-ports state vdpa-modules "
        "iommu eswitch-mode vdpa-device vdpa-driver chardev-label "
        "vdpa-holder memlock vdpa-negotiated vdpa-link uplink-up "
        "uplink-hw-tc-offload uplink-port representor representor-up "
        "representor-hw-tc-offload bridge ofport hw-offload-priority "
        "ingress-qdisc foreign-filters mtu mac traffic rules ";
    char found[1000] = "";

    (void) state;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);

        assert_string_equal(json_string_value(json_object_get(row, "result")),
                            "ok");
        strcat(found, json_string_value(json_object_get(row, "check")));
        strcat(found, " ");
    }
    assert_string_equal(found, order);
    json_decref(rows);
    char *text = RUN("why", "lp1");
    assert_contains(text, "DEVICE             CHECK");
    assert_contains(text, "hw-offload                 ok      "
                          "other_config:hw-offload is true");
    free(text);
}

static void
host_checks(void **state)
{
    (void) state;
    for (size_t i = 0; vdpad_module_names[i]; i++) {
        const char *name = vdpad_module_names[i];

        if (!strcmp(name, "cls_flower")) {
            WITH(fix.modules[i].state, VDPAD_MODULE_MISSING,
                 assert_fails("flower-modules", "cls_flower missing",
                              "CONFIG_NET_CLS_FLOWER"));
        } else if (!strcmp(name, "mlx5_vdpa")) {
            WITH(fix.modules[i].state, VDPAD_MODULE_MISSING,
                 assert_fails("vdpa-modules", "mlx5_vdpa missing",
                              "CONFIG_MLX5_VDPA"));
        } else if (!strcmp(name, "vhost_vdpa")) {
            WITH(fix.modules[i].state, VDPAD_MODULE_MISSING,
                 assert_fails("vdpa-modules", "vhost_vdpa missing", "boot"));
        } else if (!strcmp(name, "virtio_vdpa")) {
            /* Not needed by this device. */
            struct result r;
            WITH(fix.modules[i].state, VDPAD_MODULE_MISSING,
                 assert_int_equal(run("vdpa-modules", &r), 0));
        }
    }
    WITH(fix.other_config[0].value, "false",
         assert_fails("hw-offload", "other_config:hw-offload is false",
                      "ovs-vsctl set Open_vSwitch . "
                      "other_config:hw-offload=true"));
    /* As Open vSwitch reads it. */
    struct result r;
    WITH(fix.other_config[0].value, "True",
         assert_int_equal(run("hw-offload", &r), 0));
    assert_string_equal(r.result, "ok");
    WITH(fix.db.other_config.n, 0,
         assert_fails("hw-offload", "is not set", "ovs-vsctl");
         assert_int_equal(run("hw-offload", &r), 1));
    /* Whether that takes one hw-offload-effective tells. */
    assert_null(strstr(r.remedy, "restart"));
    fix.other_config[1] = (struct vdpad_kv){ "tc-policy", "skip_hw" };
    fix.db.other_config.n = 2;
    assert_fails("tc-policy", "tc-policy is skip_hw", "ovs-vsctl remove");
    fix.other_config[1].value = "skip_sw";
    assert_unknown("tc-policy", "connection tracking");
}

static void
chain_checks(void **state)
{
    (void) state;
    WITH(fix.devs[0].state, VDPAD_STATE_FAILED,
         assert_fails("state", "failed", "plan"));
    WITH(fix.eswitch.mode, VDPAD_ESWITCH_LEGACY,
         assert_fails("eswitch-mode", "in mode legacy",
                      "devlink dev eswitch set pci/0000:65:00.0 mode "
                      "switchdev"));
    /* A policy that leaves the e-switch to others refuses that word. */
    fix.pf.external = true;
    WITH(fix.eswitch.mode, VDPAD_ESWITCH_LEGACY, {
        struct result r;

        assert_int_equal(run("eswitch-mode", &r), 1);
        assert_string_equal(r.remedy, "devlink dev eswitch set "
                                      "pci/0000:65:00.0 mode switchdev");
    });
    fix.pf.external = false;
    WITH(fix.pf.eswitch, NULL,
         assert_fails("eswitch-mode", "no devlink instance", "driver"));
    WITH(fix.links[0].flags, 0,
         assert_fails("uplink-up", "uplink p0 is down",
                      "ip link set dev p0 up"));
    WITH(fix.links[0].carrier, false,
         assert_fails("uplink-up", "up and has no carrier", "cable"));
    WITH(fix.features[0].active, false,
         assert_fails("uplink-hw-tc-offload", "of uplink p0 is off",
                      "ethtool -K p0 hw-tc-offload on"));
    WITH(fix.pf.uplink_feature, NULL,
         assert_fails("uplink-hw-tc-offload", "has no hw-tc-offload",
                      "CONFIG_MLX5_CLS_ACT"));
    WITH(fix.vbus[0].driver[0], '\0',
         assert_fails("vdpa-driver", "bound to no driver, wanted vhost_vdpa",
                      "plan"));
    WITH(fix.vdpa[0].negotiated, 0,
         assert_fails("vdpa-negotiated", "no driver has negotiated",
                      "start the guest"));
    WITH(fix.vdpa[0].status, 0,
         assert_fails("vdpa-link", "its link is down", "representor"));

    struct vdpad_dev saved = fix.devs[0];
    fix.devs[0].vdpa = NULL;
    fix.devs[0].vbus = NULL;
    fix.devs[0].n_holders = 0;
    assert_fails("vdpa-device", "there is no such vDPA device", "plan");
    fix.devs[0] = saved;
    fix.ids[1].key = "other"; /* No logical port. */
    fix.devs[0].n_holders = 0;
    WITH(fix.vdpa[0].negotiated, 0,
         assert_unknown("vdpa-negotiated", "nobody holds the device"));
}

static void
port_checks(void **state)
{
    (void) state;
    WITH(fix.links[1].flags, 0,
         assert_fails("representor-up", "p0vf0 is down",
                      "ip link set dev p0vf0 up"));
    WITH(fix.features[1].active, false,
         assert_fails("representor-hw-tc-offload", "of p0vf0 is off",
                      "ethtool -K p0vf0 hw-tc-offload on"));
    struct vdpad_db_bridge bridges[2] = { fix.bridges[0], fix.bridges[0] };

    bridges[0].name = "br-ex";
    fix.db.bridges = bridges;
    /* It is not taken away from there before it can be anywhere else. */
    assert_fails("bridge", "in bridge br-ex instead of br-int",
                 "there is no bridge br-int: see state above");
    fix.db.n_bridges = 2;
    assert_fails("bridge", "in bridge br-ex instead of br-int",
                 "ovs-vsctl del-port p0vf0");
    fix.db.bridges = fix.bridges;
    fix.db.n_bridges = 1;
    WITH(ifaces[1].error, "no such device",
         assert_fails("ofport", "ovs-vswitchd says of p0vf0: no such device",
                      "log"));
    WITH(fix.devs[0].qdisc, NULL,
         assert_fails("ingress-qdisc", "p0vf0 has no ingress qdisc although",
                      "ovs-vsctl del-port p0vf0"));
    fix.devs[0].qdisc = NULL;
    WITH(fix.bridges[0].datapath_type, "netdev",
         assert_fails("ingress-qdisc", "br-int has datapath_type netdev",
                      "ovs-vsctl set Bridge br-int datapath_type=system"));
    fix.devs[0].qdisc = &fix.qdiscs[0];
    WITH(fix.qdiscs[0].clsact, true,
         assert_fails("ingress-qdisc", "has a clsact qdisc in place",
                      "tc qdisc del dev p0vf0 clsact"));
    WITH(fix.flows[0].foreign_flows, 2,
         assert_fails("foreign-filters", "2 of the 3 flower filters on p0vf0",
                      "tc filter show dev p0vf0 ingress"));
    WITH(fix.vdpa[0].mtu, 9000,
         assert_fails("mtu",
                      "vDPA device 9000, of the representor 1500, of "
                      "the uplink 1500",
                      "ip link set dev p0vf0 mtu 9000"));
    WITH(fix.links[0].mtu, 1400,
         assert_fails("mtu", "uplink 1400", "ip link set dev p0 mtu 1500"));
    WITH(fix.ids[0].value, "02:00:00:00:00:99",
         assert_fails("mac", "attached-mac is 02:00:00:00:00:99", "mac="));
    WITH(fix.flows[0].sw_packets, 500, {
        assert_fails("traffic", "partial: 3 flows in hardware",
                     "dpctl/dump-flows");
    });
    fix.iface_config[0] = (struct vdpad_kv){ "hw-offload-priority", "none" };
    ifaces[1].other_config.n = 1;
    assert_fails("hw-offload-priority", "is none", "ovs-vsctl remove");
    /* Open vSwitch goes through a list up to that word, and no further. */
    static const char *const without[] = { "none,tc", "dpdk", "tcx,none", "" };
    for (size_t i = 0; i < N_ELEMS(without); i++) {
        fix.iface_config[0].value = without[i];
        assert_fails("hw-offload-priority", without[i], "ovs-vsctl remove");
    }
    static const char *const with[] = { "tc", "dpdk,tc,none" };
    for (size_t i = 0; i < N_ELEMS(with); i++) {
        struct result r;

        fix.iface_config[0].value = with[i];
        assert_int_equal(run("hw-offload-priority", &r), 0);
        assert_string_equal(r.result, "ok");
    }
}

/* Others may fail for the same reason. */
static void
assert_kernel_config(const char *result, const char *seen)
{
    struct result r;

    (void) run("kernel-config", &r);
    assert_string_equal(r.result, result);
    assert_contains(r.seen, seen);
}

static void
kernel_config(void **state)
{
    struct vdpad_module *vdpa = fix.modules;
    size_t *n = &fix.observed.class_[VDPAD_HOST].picture.n;

    (void) state;
    while (strcmp(vdpad_module_names[vdpa - fix.modules], "mlx5_vdpa") != 0) {
        vdpa++;
    }
    *fact("CONFIG_NET_CLS_FLOWER") = 'n';
    assert_fails("kernel-config", "built without CONFIG_NET_CLS_FLOWER",
                 "Ubuntu");
    *fact("CONFIG_NET_CLS_FLOWER") = 'm';
    *fact("CONFIG_NET_TC_SKB_EXT") = 'n';
    *fact("CONFIG_MLX5_VDPA_NET") = 'n';
    assert_fails("kernel-config",
                 "without CONFIG_NET_TC_SKB_EXT, CONFIG_MLX5_VDPA_NET",
                 "Debian's lack NET_TC_SKB_EXT");
    /* NVIDIA's drivers are built beside the kernel. */
    *fact("CONFIG_NET_TC_SKB_EXT") = 'y';
    *fact("CONFIG_MLX5_CLS_ACT") = 'n';
    vdpa->state = VDPAD_MODULE_LOADABLE;
    assert_unknown("kernel-config",
                   "without CONFIG_MLX5_CLS_ACT, CONFIG_MLX5_VDPA_NET "
                   "(/boot/config), but module mlx5_vdpa can be had");
    *fact("CONFIG_MLX5_VDPA_NET") = 'm';
    assert_unknown("kernel-config", "without CONFIG_MLX5_CLS_ACT "
                                    "(/boot/config), but representors have "
                                    "hw-tc-offload");
    /* The kernel's own module proves nothing of other options. */
    fix.devs[1].rep_feature = NULL;
    WITH(fix.devs[0].rep_feature, NULL,
         assert_kernel_config("fail", "without CONFIG_MLX5_CLS_ACT"));
    *fact("CONFIG_MLX5_VDPA_NET") = 'n';
    vdpa->state = VDPAD_MODULE_MISSING;
    assert_kernel_config("fail", "CONFIG_MLX5_VDPA_NET");
    *fact("CONFIG_NET_TC_SKB_EXT") = 'n';

    /* Another card needs none of mlx5's. */
    strcpy(fix.pci[0].driver, "other");
    assert_kernel_config("ok", "has what offload needs");
    WITH(*n, 0, assert_unknown("kernel-config", "is in none of"));
}

static void
effective(void **state)
{
    (void) state;
    ctl.effect.effect = VDPAD_EFFECT_NO;
    strcpy(ctl.effect.remedy, "systemctl restart openvswitch-switch");
    assert_fails(
        "hw-offload-effective",
        "set, but not in effect in ovs-vswitchd (pid 77; upcall/show)",
        "systemctl restart openvswitch-switch");
    ctl.effect.effect = VDPAD_EFFECT_UNKNOWN;
    assert_unknown("hw-offload-effective", "not known: upcall/show");
    ctl.effect.pid = 0;
    assert_fails("hw-offload-effective", "no ovs-vswitchd runs",
                 "systemctl start openvswitch-switch # RHEL, Fedora: "
                 "openvswitch");
    /* A second one is no remedy. */
    size_t last = fix.observed.class_[VDPAD_HOST].picture.n - 1;
    strcpy(fix.host[last].name, "vswitchd/77");
    assert_unknown("hw-offload-effective", "an ovs-vswitchd runs, but has no");
}

static void
guest_checks(void **state)
{
    struct result r;

    (void) state;
    fix.devs[0].n_holders = 0;
    WITH(fix.vdpa[0].negotiated, 0,
         assert_fails("vdpa-holder",
                      "no process holds /dev/vhost-vdpa-0, though its port is "
                      "logical port lp1",
                      "start the guest"));
    fix.observed.class_[VDPAD_VDPA].at_ns =
        fix.observed.class_[VDPAD_HOLDER].at_ns;
    assert_unknown("vdpa-holder", "but features are negotiated");
    /* Seen before: the guest may have ended since. */
    WITH(fix.observed.class_[VDPAD_HOLDER].at_ns,
         fix.observed.class_[VDPAD_VDPA].at_ns + 1,
         assert_fails("vdpa-holder", "no process holds /dev/vhost-vdpa-0",
                      "start the guest"));
    fix.vdpa[0].negotiated = 0;
    WITH(fix.ids[1].key, "other", assert_unknown("vdpa-holder", "it is free"));
    fix.devs[0].n_holders = 1;
    WITH(fix.holders[0].memlock, 8 << 20,
         assert_fails("memlock",
                      "pid 4711 (qemu-system-x86) may lock 8192 KiB",
                      "prlimit --pid 4711"));
    /* It works already. */
    fix.vdpa[0].negotiated = 1;
    WITH(fix.holders[0].memlock, 8 << 20,
         assert_int_equal(run("memlock", &r), 0));
    WITH(fix.holders[0].memlock, 0,
         assert_unknown("memlock", "cannot be read"));
    /* What QEMU was told, where that can be seen. */
    assert_int_equal(run("guest-mac", &r), 0);
    assert_string_equal(r.result, "");
    strcpy(fix.holders[0].macs, "52:54:00:00:00:01 02:00:00:00:00:01");
    assert_int_equal(run("guest-mac", &r), 0);
    assert_string_equal(r.result, "ok");
    strcpy(fix.holders[0].macs, "52:54:00:00:00:01");
    assert_fails("guest-mac",
                 "pid 4711 gives its guest 52:54:00:00:00:01, the device has "
                 "02:00:00:00:00:01",
                 "export/libvirt vdpa:0000:65:00.2");
    WITH(fix.vdpa[0].has_mac, false,
         assert_fails("guest-mac", "attached-mac is 02:00:00:00:00:01",
                      "libvirt makes one up"));
    fix.holders[0].macs[0] = '\0';
    WITH(fix.pci[1].iommu_group, 3, assert_int_equal(run("iommu", &r), 0));
    assert_string_equal(r.seen, "0000:65:00.2 is in IOMMU group 3");
    strcpy(fix.pci[1].driver, "other");
    assert_unknown("iommu", "no IOMMU group: vfio-pci does not work");
}

static void
renamed_representor(void **state)
{
    struct result r;

    (void) state;
    strcpy(fix.links[1].name, "enp1s0npf0vf0");
    fix.devs[0].iface = NULL;
    assert_fails("port-name",
                 "port p0vf0 of bridge br-int was made for this device, whose "
                 "representor is called enp1s0npf0vf0 by now",
                 "ovs-vsctl del-port p0vf0 -- add-port br-int enp1s0npf0vf0");
    /* A port of another device. */
    fix.ids[3] = fix.ids[2];
    fix.ids[2] = (struct vdpad_kv){ "vdpa-device", "another" };
    ifaces[1].external_ids.n = 4;
    (void) run("port-name", &r);
    assert_string_equal(r.result, "");
}

static void
without_representor(void **state)
{
    (void) state;
    fix.devs[0].rep = NULL;
    fix.devs[0].iface = NULL;
    assert_fails("representor", "devlink port 1 has no netdev", "devlink");
    fix.devs[0].dlport = NULL;
    assert_fails("representor", "VF 0 of 0000:65:00.0 has no representor",
                 "switchdev");
}

static void
without_port(void **state)
{
    struct result r;

    (void) state;
    fix.devs[0].iface = NULL;
    assert_fails("bridge", "p0vf0 is in no bridge", "plan");
    /* Checks of the port are not made: the one above says it. */
    (void) run("ofport", &r);
    assert_string_equal(r.result, "");

    fix.devs[0].want_attach = false;
    fix.db.n_ifaces = 1;
    strcpy(fix.links[1].name, "a;reboot");
    assert_fails("bridge", "a;reboot is in no bridge",
                 "ovs-vsctl add-port br-int 'a;reboot'");
}

static void
what_cannot_be_seen_is_unknown(void **state)
{
    struct vdpad_observed_class *c = &fix.observed.class_[VDPAD_MODULE];

    (void) state;
    c->known = false;
    c->error = -ETIMEDOUT;
    assert_unknown("flower-modules", "module cannot be observed: Connection "
                                     "timed out");
    c->known = true;
    c->error = 0;
    fix.world.db = NULL;
    fix.devs[0].iface = NULL;
    assert_unknown("hw-offload", "the database was not read yet");
    assert_unknown("bridge", "the database was not read yet");
}

/* Without a name: the host once, then every device. */
static void
all_devices(void **state)
{
    (void) state;
    json_t *rows = RUN_JSON("why");
    assert_true(
        json_is_null(json_object_get(json_array_get(rows, 0), "device")));
    assert_true(
        json_is_null(json_object_get(json_array_get(rows, 8), "device")));
    size_t first = 0, second = 0;
    for (size_t i = 9; i < json_array_size(rows); i++) {
        const char *name = json_string_value(
            json_object_get(json_array_get(rows, i), "device"));
        first += !strcmp(name, "vdpa:0000:65:00.2");
        second += !strcmp(name, "vdpa:0000:65:00.3");
    }
    assert_true(first > 10 && second > 5);
    assert_int_equal(first + second + 9, json_array_size(rows));
    json_decref(rows);
}

static void
shell_words(void **state)
{
    char buf[VDPAD_SHELL_SIZE], long_name[200];

    (void) state;
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_string_equal(vdpad_shell_word("enp1s0np0", buf), "enp1s0np0");
    assert_string_equal(vdpad_shell_word("pci/0000:65:00.0", buf),
                        "pci/0000:65:00.0");
    assert_string_equal(vdpad_shell_word("a$(b)", buf), "'a$(b)'");
    assert_string_equal(vdpad_shell_word("", buf), "''");
    assert_string_equal(vdpad_shell_word("a'b", buf), "NAME");
    assert_string_equal(vdpad_shell_word("a\nb", buf), "NAME");
    assert_string_equal(vdpad_shell_word("-rf", buf), "NAME");
    assert_string_equal(vdpad_shell_word("\xc3\xa4", buf), "NAME");
    assert_string_equal(vdpad_shell_word(long_name, buf), "NAME");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        why_test(all_is_well),
        why_test(host_checks),
        why_test(kernel_config),
        why_test(effective),
        why_test(guest_checks),
        why_test(renamed_representor),
        why_test(chain_checks),
        why_test(port_checks),
        why_test(without_representor),
        why_test(without_port),
        why_test(what_cannot_be_seen_is_unknown),
        why_test(all_devices),
        why_test(shell_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
