/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the representor and of its port in OVS. */
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cmd-why.h"
#include "json-rows.h"
#include "lookup.h"
#include "util.h"

#define MASK(CLASS) (1u << (CLASS))
#define OK VDPAD_CHECK_OK
#define FAIL VDPAD_CHECK_FAIL
#define UNKNOWN VDPAD_CHECK_UNKNOWN

static void
representor(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;

    if (dev->rep) {
        vdpad_found(f, OK, "%s (ifindex %d)", dev->rep->name,
                    dev->rep->ifindex);
    } else if (dev->pf && dev->pf->eswitch
               && dev->pf->eswitch->mode != VDPAD_ESWITCH_SWITCHDEV) {
        vdpad_skip(f); /* See eswitch-mode. */
    } else if (dev->dlport) {
        vdpad_found(f, FAIL, "devlink port %u has no netdev (yet)",
                    dev->dlport->index);
        vdpad_remedy(f, "devlink port show; it may be in another network "
                        "namespace");
    } else if (!dev->pf) {
        vdpad_found(f, FAIL,
                    "the device has no PCI parent, hence no "
                    "representor");
    } else if (vdpad_check_knows(in, VDPAD_LINK, f)
               && vdpad_check_knows(in, VDPAD_DLPORT, f)) {
        vdpad_found(f, FAIL, "VF %d of %s has no representor", dev->vf_index,
                    dev->pf->pci->bdf);
        vdpad_remedy(f, "the e-switch must be in mode switchdev: see "
                        "eswitch-mode above");
    }
}

/* Whether 'dev' has a representor; if not, the check is skipped, since the one
 * above says it all. */
static bool
has_rep(const struct vdpad_dev *dev, struct vdpad_finding *f)
{
    if (!dev->rep) {
        vdpad_skip(f);
    }
    return dev->rep != NULL;
}

static void
rep_up(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_link *rep = in->dev->rep;
    char word[VDPAD_SHELL_SIZE];

    if (has_rep(in->dev, f)) {
        bool up = rep->flags & IFF_UP;

        vdpad_found(f, up ? OK : FAIL, "%s is %s", rep->name,
                    up ? "up" : "down");
        if (!up) {
            vdpad_remedy(f, "ip link set dev %s up",
                         vdpad_shell_word(rep->name, word));
        }
    }
}

static void
rep_hw_tc(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;
    char word[VDPAD_SHELL_SIZE];

    if (!has_rep(dev, f)) {
        return;
    }
    if (dev->rep_feature) {
        vdpad_found(f, dev->rep_feature->active ? OK : FAIL,
                    "hw-tc-offload of %s is %s", dev->rep->name,
                    dev->rep_feature->active ? "on" : "off");
        if (!dev->rep_feature->active) {
            vdpad_remedy(f, "ethtool -K %s hw-tc-offload on",
                         vdpad_shell_word(dev->rep->name, word));
        }
    } else if (vdpad_check_knows(in, VDPAD_FEATURE, f)) {
        vdpad_found(f, FAIL, "%s has no hw-tc-offload", dev->rep->name);
        vdpad_remedy(f, "boot a kernel whose driver for it can offload "
                        "flower (for mlx5: CONFIG_MLX5_CLS_ACT, which needs "
                        "CONFIG_NET_TC_SKB_EXT)");
    }
}

/* Where the representor should be attached. */
static const char *
wanted_bridge(const struct vdpad_check_input *in)
{
    const struct vdpad_dev *dev = in->dev;

    return dev->bridge ? dev->bridge
           : dev->port_spec && dev->port_spec->bridge
               ? dev->port_spec->bridge
               : in->world->config->bridge;
}

/* Whether 'iface' was made for 'dev': by its mark, by the address that it
 * lets pass, or because it is its netdev. */
static bool
is_port_of(const struct vdpad_db_iface *iface, const struct vdpad_dev *dev)
{
    const char *device = vdpad_map_get(&iface->external_ids, "vdpa-device");
    const char *mac = vdpad_map_get(&iface->external_ids, "attached-mac");
    char text[18];

    if (device) {
        return !strcmp(device, dev->name);
    }
    if (iface->ifindex && iface->ifindex == dev->rep->ifindex) {
        return true;
    }
    if (!mac || !dev->vdpa || !dev->vdpa->has_mac) {
        return false;
    }
    vdpad_mac_text(dev->vdpa->mac, text);
    return !strcasecmp(mac, text);
}

/* A port that was left behind by a representor that has another name now. */
static const struct vdpad_db_iface *
find_old_port(const struct vdpad_check_input *in)
{
    const struct vdpad_snapshot *db = in->world->db;
    const struct vdpad_observed *o = in->world->observed;
    const struct vdpad_link *links = VDPAD_OBSERVED_ROWS(o, VDPAD_LINK,
                                                         vdpad_link);

    for (size_t i = 0; i < db->n_ifaces; i++) {
        const struct vdpad_db_iface *iface = &db->ifaces[i];
        bool exists = false;

        if (iface == in->dev->iface || !is_port_of(iface, in->dev)) {
            continue;
        }
        for (size_t j = 0; j < VDPAD_OBSERVED_N(o, VDPAD_LINK); j++) {
            exists = exists || !strcmp(links[j].name, iface->name);
        }
        if (!exists) {
            return iface;
        }
    }
    return NULL;
}

static void
port_name(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_db_iface *old;
    char word[VDPAD_SHELL_SIZE], word2[VDPAD_SHELL_SIZE],
        word3[VDPAD_SHELL_SIZE];

    if (!in->world->db || !has_rep(in->dev, f) || !(old = find_old_port(in))) {
        vdpad_skip(f);
        return;
    }

    const char *port = vdpad_port_of(in->world, old)->name;
    const char *bridge = vdpad_bridge_of(in->world, old)->name;

    vdpad_found(f, FAIL,
                "port %s of bridge %s was made for this device, whose "
                "representor is called %s by now",
                old->name, bridge, in->dev->rep->name);
    if (in->dev->iface) {
        vdpad_remedy(f, "ovs-vsctl del-port %s", vdpad_shell_word(port, word));
    } else {
        vdpad_remedy(f, "ovs-vsctl del-port %s -- add-port %s %s",
                     vdpad_shell_word(port, word),
                     vdpad_shell_word(bridge, word2),
                     vdpad_shell_word(in->dev->rep->name, word3));
    }
}

static void
in_bridge(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;
    const char *wanted = wanted_bridge(in);
    char word[VDPAD_SHELL_SIZE], word2[VDPAD_SHELL_SIZE];

    if (!has_rep(dev, f)) {
        return;
    }
    if (!in->world->db) {
        vdpad_found(f, UNKNOWN, "the database was not read yet");
    } else if (!dev->iface && find_old_port(in)) {
        vdpad_skip(f); /* See port-name. */
    } else if (!dev->iface) {
        vdpad_found(f, FAIL, "%s is in no bridge", dev->rep->name);
        if (dev->attach_refused) {
            vdpad_remedy(f, "ovs-appctl -t ovs-vdpad config/show");
        } else if (dev->want_attach) {
            vdpad_remedy(f, "ovs-appctl -t ovs-vdpad plan");
        } else {
            vdpad_remedy(f, "ovs-vsctl add-port %s %s",
                         vdpad_shell_word(wanted, word),
                         vdpad_shell_word(dev->rep->name, word2));
        }
    } else {
        const char *is = vdpad_bridge_of(in->world, dev->iface)->name;

        /* Whoever attaches it by hand decides on the bridge. */
        bool ok = !dev->want_attach || !strcmp(is, wanted);
        vdpad_found(f, ok ? OK : FAIL, "%s is in bridge %s%s%s",
                    dev->rep->name, is, ok ? "" : " instead of ",
                    ok ? "" : wanted);
        if (!ok && !vdpad_find_bridge(in->world->db, wanted)) {
            /* It is better there than nowhere. */
            vdpad_remedy(f, "there is no bridge %s: see state above", wanted);
        } else if (!ok) {
            vdpad_remedy(
                f, "ovs-vsctl del-port %s",
                vdpad_shell_word(vdpad_port_of(in->world, dev->iface)->name,
                                 word));
        }
    }
}

/* Whether 'dev' has an Interface; if not, the check is skipped. */
static bool
has_iface(const struct vdpad_dev *dev, struct vdpad_finding *f)
{
    if (!dev->iface) {
        vdpad_skip(f);
    }
    return dev->iface != NULL;
}

static void
ofport(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_db_iface *iface = in->dev->iface;

    if (!has_iface(in->dev, f)) {
        return;
    }
    if (iface->error[0]) {
        vdpad_found(f, FAIL, "ovs-vswitchd says of %s: %s", iface->name,
                    iface->error);
    } else if (iface->ofport > 0) {
        vdpad_found(f, OK, "%s has ofport %" PRId64, iface->name,
                    iface->ofport);
        return;
    } else {
        vdpad_found(f, FAIL,
                    iface->ofport == VDPAD_OFPORT_NONE
                        ? "%s has no ofport yet"
                        : "%s was refused an ofport",
                    iface->name);
    }
    vdpad_remedy(f, "see that ovs-vswitchd runs, and its log");
}

/* Whether Open vSwitch tries TC for a port whose providers of offload are the
 * list 'names': the first one that takes the port, up to the word "none"
 * (dpif_offload_port_add(), lib/dpif-offload.c of 3.7). */
static bool
tries_tc(const char *names)
{
    for (;;) {
        size_t n = strcspn(names, ",");

        if (n == 2 && !strncmp(names, "tc", n)) {
            return true;
        }
        if (!names[n] || (n == 4 && !strncmp(names, "none", n))) {
            return false;
        }
        names += n + 1;
    }
}

static void
offload_priority(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_db_iface *iface = in->dev->iface;
    const char *value;
    char word[VDPAD_SHELL_SIZE];

    if (!has_iface(in->dev, f)) {
        return;
    }
    value = vdpad_map_get(&iface->other_config, "hw-offload-priority");
    vdpad_found(f, value && !tries_tc(value) ? FAIL : OK,
                "hw-offload-priority of %s is %s", iface->name,
                value ? value : "not set");
    if (f->result == FAIL) {
        vdpad_remedy(f,
                     "ovs-vsctl remove Interface %s other_config "
                     "hw-offload-priority, then del-port and add-port it",
                     vdpad_shell_word(iface->name, word));
    }
}

/* Open vSwitch makes an ingress qdisc on each port that it offloads: since 3.7
 * on those of the kernel's datapath only (supported_dpif_types of
 * lib/dpif-offload-tc.c). */
static void
ingress_qdisc(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;
    char word[VDPAD_SHELL_SIZE], word2[VDPAD_SHELL_SIZE];

    if (!has_rep(dev, f) || !vdpad_check_knows_now(in, VDPAD_QDISC, f)) {
        return;
    }

    const char *name = vdpad_shell_word(dev->rep->name, word);

    if (dev->qdisc && !dev->qdisc->clsact) {
        vdpad_found(f, OK, "%s has an ingress qdisc", dev->rep->name);
    } else if (dev->qdisc) {
        vdpad_found(f, FAIL,
                    "%s has a clsact qdisc in place of an ingress qdisc: "
                    "another program took it over",
                    dev->rep->name);
        vdpad_remedy(f,
                     "stop that program (a CNI?); tc qdisc del dev %s "
                     "clsact; then del-port %s and add-port it",
                     name, name);
    } else if (!dev->iface || dev->iface->ofport <= 0) {
        vdpad_found(f, UNKNOWN,
                    "%s has no ingress qdisc, which OVS makes "
                    "when the port is attached",
                    dev->rep->name);
    } else if (!strcmp(vdpad_bridge_of(in->world, dev->iface)->datapath_type,
                       "netdev")) {
        const char *bridge = vdpad_bridge_of(in->world, dev->iface)->name;

        vdpad_found(f, FAIL,
                    "%s has no ingress qdisc: bridge %s has datapath_type "
                    "netdev, whose flows OVS does not give to TC",
                    dev->rep->name, bridge);
        vdpad_remedy(f, "ovs-vsctl set Bridge %s datapath_type=system",
                     vdpad_shell_word(bridge, word2));
    } else {
        vdpad_found(f, FAIL,
                    "%s has no ingress qdisc although it is "
                    "attached: hw-offload is not in effect, or somebody "
                    "removed the qdisc",
                    dev->rep->name);
        vdpad_remedy(
            f,
            dev->want_attach
                ? "ovs-vsctl del-port %s: it is attached anew at once; if "
                  "that does not help, systemctl restart " VDPAD_OVS_UNIT
                : "ovs-vsctl del-port %s and add-port it; if that does not "
                  "help, systemctl restart " VDPAD_OVS_UNIT,
            vdpad_shell_word(vdpad_port_of(in->world, dev->iface)->name,
                             word2));
    }
}

/* Filters of others are looked at before or after those of Open vSwitch, as
 * their priority says, and change what these see.  Flower filters only: others
 * are not counted all the time. */
static void
foreign_filters(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;
    char word[VDPAD_SHELL_SIZE];

    if (!has_rep(dev, f) || !vdpad_check_knows_now(in, VDPAD_FLOW, f)) {
        return;
    }
    if (!dev->flow || !dev->flow->foreign_flows) {
        vdpad_found(f, OK, "no other program's flower filters are on %s",
                    dev->rep->name);
        return;
    }
    vdpad_found(f, FAIL,
                "%u of the %u flower filters on %s are not Open vSwitch's",
                dev->flow->foreign_flows,
                dev->flow->hw_flows + dev->flow->sw_flows, dev->rep->name);
    vdpad_remedy(f,
                 "tc filter show dev %s ingress; stop the program that "
                 "makes them, and tc filter del them",
                 vdpad_shell_word(dev->rep->name, word));
}

static void
mtu_chain(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;
    const struct vdpad_link *uplink = dev->pf ? dev->pf->uplink : NULL;
    uint32_t vdpa = dev->vdpa && dev->vdpa->has_mtu ? dev->vdpa->mtu : 0;
    char word[VDPAD_SHELL_SIZE];

    if (!has_rep(dev, f)) {
        return;
    }
    bool rep_small = vdpa > dev->rep->mtu;
    bool uplink_small = uplink
                        && (dev->rep->mtu > uplink->mtu || vdpa > uplink->mtu);
    char vdpa_text[16] = "unknown", uplink_text[16] = "unknown";
    if (vdpa) {
        snprintf(vdpa_text, sizeof vdpa_text, "%u", vdpa);
    }
    if (uplink) {
        snprintf(uplink_text, sizeof uplink_text, "%u", uplink->mtu);
    }
    vdpad_found(f, rep_small || uplink_small ? FAIL : OK,
                "MTU of the vDPA device %s, of the representor %u, of the "
                "uplink %s",
                vdpa_text, dev->rep->mtu, uplink_text);
    if (rep_small) {
        vdpad_remedy(f, "ip link set dev %s mtu %u",
                     vdpad_shell_word(dev->rep->name, word), vdpa);
    } else if (uplink_small) {
        vdpad_remedy(f, "ip link set dev %s mtu %u",
                     vdpad_shell_word(uplink->name, word), dev->rep->mtu);
    }
}

/* Port security drops everything from any other address. */
static void
mac(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;
    const char *attached = dev->iface
                               ? vdpad_map_get(&dev->iface->external_ids,
                                               "attached-mac")
                               : NULL;
    char text[18];

    if (!attached || !dev->vdpa || !dev->vdpa->has_mac) {
        vdpad_skip(f);
        return;
    }
    vdpad_mac_text(dev->vdpa->mac, text);
    bool ok = !strcasecmp(attached, text);
    vdpad_found(f, ok ? OK : FAIL,
                "the vDPA device has %s, attached-mac is "
                "%s",
                text, attached);
    if (!ok) {
        vdpad_remedy(f, "make the two equal: mac= in the port's key or its "
                        "policy, or the logical port's own address");
    }
}

static void
traffic(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;
    struct vdpad_offload o;
    char slow[80] = "its driver does not count the slow path";

    if (!has_rep(dev, f) || !vdpad_check_knows_now(in, VDPAD_FLOW, f)) {
        return;
    }
    vdpad_device_offload(in->world, dev, in->looks, &o);
    if (o.slow_path_known) {
        vdpad_text(slow, sizeof slow, "%" PRIu64 " took the slow path",
                   o.slow_path_packets);
    }
    vdpad_found(f,
                o.verdict == VDPAD_VERDICT_OFFLOADED ? OK
                : o.verdict == VDPAD_VERDICT_IDLE
                        || o.verdict == VDPAD_VERDICT_BLOCKED
                    ? UNKNOWN
                    : FAIL,
                "%s: %" PRIu64 " flows in hardware with %" PRIu64
                " packets, %" PRIu64 " in software with %" PRIu64 "; %s",
                vdpad_verdict_name(o.verdict), o.hw_flows, o.hw_packets,
                o.sw_flows, o.sw_packets, slow);
    if (f->result == FAIL) {
        vdpad_remedy(f, "if all else is ok, the flows need what hardware "
                        "cannot do: ovs-appctl dpctl/dump-flows -m");
    }
}

const struct vdpad_check vdpad_checks_port[] = {
    { "representor", representor, MASK(VDPAD_DLPORT) },
    { "representor-up", rep_up, 0 },
    { "representor-hw-tc-offload", rep_hw_tc, MASK(VDPAD_FEATURE) },
    { "port-name", port_name, 0 },
    { "bridge", in_bridge, 0 },
    { "ofport", ofport, 0 },
    { "hw-offload-priority", offload_priority, 0 },
    { "ingress-qdisc", ingress_qdisc, 0 },
    { "foreign-filters", foreign_filters, 0 },
    { "mtu", mtu_chain, MASK(VDPAD_VDPA) },
    { "mac", mac, MASK(VDPAD_VDPA) },
    { "traffic", traffic, 0 },
    { NULL, NULL, 0 },
};
