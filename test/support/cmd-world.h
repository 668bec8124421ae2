/* SPDX-License-Identifier: Apache-2.0 */
/* The world that tests of commands begin with. */
#ifndef CMD_WORLD_H
#define CMD_WORLD_H 1

#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <vdpad/loop.h>

#include "controller/fields.h"
#include "controller/plan.h"
#include "controller/world.h"

#define N_ELEMS(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])

/* A world of one PF with two VFs: a ready one that a guest holds and that is
 * attached and offloaded, and one that waits.  Tests change it as they
 * need. */

static struct fixture_world {
    struct vdpad_world world;
    struct vdpad_observed observed;
    struct vdpad_config config;
    struct vdpad_snapshot db;
    struct vdpad_record record;

    struct vdpad_module modules[32];
    struct vdpad_pci pci[3];
    struct vdpad_link links[3];
    struct vdpad_eswitch eswitch;
    struct vdpad_dlport dlports[3];
    struct vdpad_vdpa vdpa[1];
    struct vdpad_vbus vbus[1];
    struct vdpad_feature features[3];
    struct vdpad_holder holders[1];
    struct vdpad_qdisc qdiscs[1];
    struct vdpad_flow flows[1];
    struct vdpad_host host[32];

    struct vdpad_kv external_ids[8], other_config[4];
    struct vdpad_kv ids[4], iface_config[2];
    struct vdpad_db_bridge bridges[1];
    struct vdpad_db_port ports[1];
    struct vdpad_db_iface ifaces[1];

    struct vdpad_policy policy;
    struct vdpad_pf_selector selector;
    struct vdpad_range range;
    struct vdpad_port_spec port;
    struct vdpad_config_error errors[1];
    struct vdpad_problem problems[1];
    struct vdpad_pf pf;
    struct vdpad_dev devs[2];
    struct vdpad_step steps[3];
} fix;

#define FIXTURE_ROWS(CLASS, ARRAY)                                     \
    do {                                                               \
        struct vdpad_picture *p = &fix.observed.class_[CLASS].picture; \
        p->rows = ARRAY;                                               \
        p->n = N_ELEMS(ARRAY);                                         \
        p->row_size = sizeof(ARRAY)[0];                                \
    } while (0)

static void
fixture_fill_kernel(void)
{
    static const int states[] = { VDPAD_MODULE_LOADED, VDPAD_MODULE_LOADED,
                                  VDPAD_MODULE_LOADABLE };
    size_t n_modules = 0;
    for (size_t i = 0; vdpad_module_names[i]; i++, n_modules++) {
        snprintf(fix.modules[i].name, sizeof fix.modules[i].name, "%s",
                 vdpad_module_names[i]);
        fix.modules[i].state = states[i % 3];
    }
    fix.pci[0] = (struct vdpad_pci){
        .bdf = "0000:65:00.0",
        .vf_index = -1,
        .vendor = 0x15b3,
        .device = 0x101d,
        .numvfs = 2,
        .totalvfs = 127,
        .autoprobe = 1,
        .driver = "mlx5_core",
        .iommu_group = 7,
    };
    for (int i = 0; i < 2; i++) {
        fix.pci[i + 1] = (struct vdpad_pci){
            .pf = "0000:65:00.0",
            .vf_index = i,
            .vendor = 0x15b3,
            .device = 0x101e,
            .numvfs = -1,
            .totalvfs = -1,
            .autoprobe = -1,
            .driver = "mlx5_core",
            .iommu_group = -1,
        };
        strcpy(fix.pci[i + 1].bdf, i ? "0000:65:00.3" : "0000:65:00.2");
        fix.links[i + 1] = (struct vdpad_link){
            .ifindex = 11 + i,
            .mtu = 1500,
            .flags = IFF_UP,
            .carrier = true,
            .rx_packets = 100,
        };
        strcpy(fix.links[i + 1].name, i ? "p0vf1" : "p0vf0");
        fix.features[i + 1] = (struct vdpad_feature){
            .ifindex = 11 + i,
            .supported = true,
            .active = true,
        };
        fix.dlports[i + 1] = (struct vdpad_dlport){
            .bus = "pci",
            .dev = "0000:65:00.0",
            .index = (uint32_t) i + 1,
            .flavour = VDPAD_FLAVOUR_PCI_VF,
            .controller = 0,
            .pf = 0,
            .vf = i,
            .sf = -1,
            .ifindex = 11 + i,
            .has_hw_addr = true,
            .hw_addr = { 2, 0, 0, 0, 1, (uint8_t) i },
        };
    }
    fix.links[0] = (struct vdpad_link){
        .ifindex = 10,
        .name = "p0",
        .mtu = 1500,
        .flags = IFF_UP,
        .carrier = true,
        .switch_id_len = 2,
        .switch_id = { 0xab, 0xcd },
    };
    fix.features[0] = (struct vdpad_feature){ 10, "p0", true, true };
    fix.dlports[0] = (struct vdpad_dlport){
        .bus = "pci",
        .dev = "0000:65:00.0",
        .flavour = 0,
        .controller = -1,
        .pf = -1,
        .vf = -1,
        .sf = -1,
        .ifindex = 10,
        .ifname = "p0",
    };
    fix.eswitch = (struct vdpad_eswitch){
        .bus = "pci",
        .dev = "0000:65:00.0",
        .mode = VDPAD_ESWITCH_SWITCHDEV,
        .inline_mode = 0,
        .encap_mode = 1,
        .driver = "mlx5_core",
        .fw_version = "22.31.1014",
    };
    fix.vdpa[0] = (struct vdpad_vdpa){
        .name = "vdpa:0000:65:00.2",
        .bus = "pci",
        .dev = "0000:65:00.2",
        .id = 1,
        .vendor = 0x15b3,
        .max_vqs = 5,
        .max_vq_size = 256,
        .has_config = true,
        .has_mac = true,
        .has_mtu = true,
        .has_max_vqp = true,
        .has_status = true,
        .has_negotiated = true,
        .mac = { 2, 0, 0, 0, 0, 1 },
        .mtu = 1500,
        .max_vqp = 2,
        .status = 1,
        .negotiated = 0x300000000,
    };
    fix.vbus[0] = (struct vdpad_vbus){
        .name = "vdpa:0000:65:00.2",
        .parent = "0000:65:00.2",
        .driver = "vhost_vdpa",
        .chardev = "vhost-vdpa-0",
    };
    fix.holders[0] = (struct vdpad_holder){
        .chardev = "vhost-vdpa-0",
        .pid = 4711,
        .command = "qemu-system-x86",
        .memlock = UINT64_MAX,
    };
    fix.qdiscs[0] = (struct vdpad_qdisc){ .ifindex = 11 };
    fix.flows[0] = (struct vdpad_flow){
        .ifindex = 11,
        .hw_flows = 3,
        .cpu_hit_packets = 100,
        .has_cpu_hit = true,
        .hw_packets = 1000,
        .hw_bytes = 64000,
    };
    fix.host[0] = (struct vdpad_host){ "kernel-config", "/boot/config" };
    size_t n_host = 1;
    for (size_t i = 0; vdpad_config_names[i]; i++, n_host++) {
        snprintf(fix.host[n_host].name, sizeof fix.host[0].name, "CONFIG_%s",
                 vdpad_config_names[i]);
        strcpy(fix.host[n_host].value, "y");
    }
    fix.host[n_host++] = (struct vdpad_host){ "kernel", "6.12.0" };
    fix.host[n_host++] = (struct vdpad_host){ "libvirt", "9.0.0" };
    fix.host[n_host++] = (struct vdpad_host){ "libvirt-source", "virtqemud" };
    fix.host[n_host++] = (struct vdpad_host){ "qemu//usr/bin/qemu", "7.2.22" };
    FIXTURE_ROWS(VDPAD_HOST, fix.host);
    fix.observed.class_[VDPAD_HOST].picture.n = n_host;
    FIXTURE_ROWS(VDPAD_MODULE, fix.modules);
    fix.observed.class_[VDPAD_MODULE].picture.n = n_modules;
    FIXTURE_ROWS(VDPAD_PCI, fix.pci);
    FIXTURE_ROWS(VDPAD_LINK, fix.links);
    FIXTURE_ROWS(VDPAD_DLPORT, fix.dlports);
    FIXTURE_ROWS(VDPAD_VDPA, fix.vdpa);
    FIXTURE_ROWS(VDPAD_VBUS, fix.vbus);
    FIXTURE_ROWS(VDPAD_FEATURE, fix.features);
    FIXTURE_ROWS(VDPAD_HOLDER, fix.holders);
    FIXTURE_ROWS(VDPAD_QDISC, fix.qdiscs);
    FIXTURE_ROWS(VDPAD_FLOW, fix.flows);
    fix.observed.class_[VDPAD_HOST].picture.class_ = VDPAD_HOST;
    (void) vdpad_picture_sort(&fix.observed.class_[VDPAD_HOST].picture);
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        struct vdpad_observed_class *c = &fix.observed.class_[i];

        c->known = c->fresh = true;
        c->at_ns = vdpad_loop_clock_ns();
        c->picture.class_ = (enum vdpad_class) i;
    }
}

static void
fixture_fill_db(void)
{
    static char bridge[] = "br-int", name[] = "gold", template[] = "vdpa:%a";
    static char text[] = "pf=0000:65:00.0#0-1 vdpa-type=vhost";
    static char iface_id[] = "lp1", device[] = "vdpa:0000:65:00.2";

    fix.range = (struct vdpad_range){ 0, 1 };
    fix.selector = (struct vdpad_pf_selector){
        .name = "0000:65:00.0",
        .is_bdf = true,
        .n_ranges = 1,
        .ranges = &fix.range,
    };
    fix.policy = (struct vdpad_policy){
        .name = name,
        .text = text,
        .n_pfs = 1,
        .pfs = &fix.selector,
        .num_vfs = 2,
        .eswitch_mode = VDPAD_ESWITCH_SWITCHDEV,
        .type = VDPAD_TYPE_VHOST,
        .name_template = template,
        .priority = 99,
    };
    fix.port = (struct vdpad_port_spec){
        .iface_id = iface_id,
        .text = device,
        .device = device,
        .tag = -1,
    };
    fix.config = (struct vdpad_config){
        .bridge = bridge,
        .hw_offload = true,
        .attach = VDPAD_ATTACH_AUTO,
        .n_policies = 1,
        .policies = &fix.policy,
        .n_ports = 1,
        .ports = &fix.port,
        .errors = fix.errors,
    };
    fix.external_ids[0] = (struct vdpad_kv){ VDPAD_KEY_POLICY "gold", text };
    fix.other_config[0] = (struct vdpad_kv){ "hw-offload", "true" };
    fix.ids[0] = (struct vdpad_kv){ "attached-mac", "02:00:00:00:00:01" };
    fix.ids[1] = (struct vdpad_kv){ "iface-id", "lp1" };
    fix.ids[2] = (struct vdpad_kv){ VDPAD_OWNER_KEY, VDPAD_OWNER_VALUE };
    fix.bridges[0] = (struct vdpad_db_bridge){
        .name = "br-int",
        .datapath_type = "",
        .fail_mode = "",
    };
    fix.ports[0] = (struct vdpad_db_port){
        .name = "p0vf0",
        .tag = 5,
        .vlan_mode = "",
        .n_ifaces = 1,
    };
    fix.ifaces[0] = (struct vdpad_db_iface){
        .name = "p0vf0",
        .type = "",
        .error = "",
        .admin_state = "up",
        .link_state = "up",
        .ofport = 3,
        .ifindex = 11,
        .mtu = 1500,
        .external_ids = { 3, fix.ids },
        .other_config = { 0, fix.iface_config },
    };
    fix.db = (struct vdpad_snapshot){
        .serial = 1,
        .ovs_version = "3.1.0",
        .external_ids = { 1, fix.external_ids },
        .other_config = { 1, fix.other_config },
        .n_bridges = 1,
        .n_ports = 1,
        .n_ifaces = 1,
        .bridges = fix.bridges,
        .ports = fix.ports,
        .ifaces = fix.ifaces,
    };
}

static void
fixture_fill_world(void)
{
    fix.pf = (struct vdpad_pf){
        .pci = &fix.pci[0],
        .eswitch = &fix.eswitch,
        .uplink = &fix.links[0],
        .uplink_feature = &fix.features[0],
        .n_vfs = 2,
        .managed = true,
        .want_numvfs = 2,
        .want_mode = VDPAD_ESWITCH_SWITCHDEV,
        .policy = &fix.policy,
        .state = VDPAD_STATE_READY,
    };
    fix.devs[0] = (struct vdpad_dev){
        .name = "vdpa:0000:65:00.2",
        .pf = &fix.pf,
        .vf_index = 0,
        .vf = &fix.pci[1],
        .vdpa = &fix.vdpa[0],
        .vbus = &fix.vbus[0],
        .dlport = &fix.dlports[1],
        .rep = &fix.links[1],
        .rep_feature = &fix.features[1],
        .flow = &fix.flows[0],
        .qdisc = &fix.qdiscs[0],
        .iface = &fix.ifaces[0],
        .holders = fix.holders,
        .n_holders = 1,
        .intent = VDPAD_INTENT_APPLY,
        .owner = VDPAD_OWNER_US,
        .policy = &fix.policy,
        .policy_name = "gold",
        .port_spec = &fix.port,
        .want_attach = true,
        .bridge = "br-int",
        .state = VDPAD_STATE_READY,
    };
    fix.devs[1] = (struct vdpad_dev){
        .name = "vdpa:0000:65:00.3",
        .pf = &fix.pf,
        .vf_index = 1,
        .vf = &fix.pci[2],
        .dlport = &fix.dlports[2],
        .rep = &fix.links[2],
        .rep_feature = &fix.features[2],
        .intent = VDPAD_INTENT_APPLY,
        .policy = &fix.policy,
        .policy_name = "gold",
        .want_attach = true,
        .bridge = "br-int",
        .state = VDPAD_STATE_WAITING,
        .reason = "waiting for the management device of 0000:65:00.3",
    };
    fix.world = (struct vdpad_world){
        .observed = &fix.observed,
        .db = &fix.db,
        .config = &fix.config,
        .record = &fix.record,
        .db_connected = true,
        .n_pfs = 1,
        .pfs = &fix.pf,
        .n_devs = 2,
        .devs = fix.devs,
        .problems = fix.problems,
    };
    fix.steps[0] = (struct vdpad_step){
        .kind = VDPAD_STEP_KERNEL,
        .act = { .kind = VDPAD_ACT_VDPA_ADD, .object = "vdpa:0000:65:00.3" },
        .deferred = true,
        .reason = "policy gold wants it",
    };
    fix.steps[1] = (struct vdpad_step){ .kind = VDPAD_STEP_RECORD };
    fix.steps[2] = (struct vdpad_step){
        .kind = VDPAD_STEP_DB,
        .op = { .kind = VDPAD_DBOP_PORT_ADD,
                .bridge = "br-int",
                .port = "p0vf1" },
        .reason = "attach=auto",
    };
}

#endif
