/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the way out: the PF's uplink, the bond that it may be in, and how
 * they are attached. */
#include <net/if.h>
#include <string.h>

#include "cmd-why.h"
#include "json-rows.h"
#include "lookup.h"
#include "util.h"

#define MASK(CLASS) (1u << (CLASS))
#define OK VDPAD_CHECK_OK
#define FAIL VDPAD_CHECK_FAIL
#define UNKNOWN VDPAD_CHECK_UNKNOWN

static void
uplink_up(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_pf *pf = in->dev->pf;
    const struct vdpad_link *uplink = pf ? pf->uplink : NULL;
    char word[VDPAD_SHELL_SIZE];

    if (!pf) {
        vdpad_skip(f);
    } else if (uplink) {
        bool up = uplink->flags & IFF_UP;

        vdpad_found(f, up && uplink->carrier ? OK : FAIL, "uplink %s is %s%s",
                    uplink->name, up ? "up" : "down",
                    uplink->carrier ? "" : " and has no carrier");
        if (!up) {
            vdpad_remedy(f, "ip link set dev %s up",
                         vdpad_shell_word(uplink->name, word));
        } else if (!uplink->carrier) {
            vdpad_remedy(f, "check the cable and the far side");
        }
    } else if (vdpad_check_knows(in, VDPAD_LINK, f)) {
        vdpad_found(f, FAIL, "%s has no uplink netdev", pf->pci->bdf);
        vdpad_remedy(f, "see that its driver is bound: pf/list");
    }
}

static void
uplink_hw_tc(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_pf *pf = in->dev->pf;
    char word[VDPAD_SHELL_SIZE];

    if (!pf || !pf->uplink) {
        vdpad_skip(f);
    } else if (pf->uplink_feature) {
        vdpad_found(f, pf->uplink_feature->active ? OK : FAIL,
                    "hw-tc-offload of uplink %s is %s", pf->uplink->name,
                    pf->uplink_feature->active ? "on" : "off");
        if (!pf->uplink_feature->active) {
            vdpad_remedy(f, "ethtool -K %s hw-tc-offload on",
                         vdpad_shell_word(pf->uplink->name, word));
        }
    } else if (vdpad_check_knows(in, VDPAD_FEATURE, f)) {
        vdpad_found(f, FAIL, "uplink %s has no hw-tc-offload",
                    pf->uplink->name);
        vdpad_remedy(f, "boot a kernel whose driver for it can offload "
                        "flower (for mlx5: CONFIG_MLX5_CLS_ACT)");
    }
}

/* The bond that the uplink of the device's PF is in; NULL: none. */
static const struct vdpad_link *
find_bond(const struct vdpad_check_input *in)
{
    const struct vdpad_pf *pf = in->dev->pf;
    const struct vdpad_link *master;

    if (!pf || !pf->uplink || !pf->uplink->master) {
        return NULL;
    }
    master = vdpad_find_link(in->world->observed, pf->uplink->master);
    return master
                   && (!strcmp(master->kind, "bond")
                       || !strcmp(master->kind, "team"))
               ? master
               : NULL;
}

/* The next port of 'bond' behind the '*i'th link; NULL: no more. */
static const struct vdpad_link *
next_slave(const struct vdpad_world *world, const struct vdpad_link *bond,
           size_t *i)
{
    const struct vdpad_link *rows = VDPAD_OBSERVED_ROWS(world->observed,
                                                        VDPAD_LINK,
                                                        vdpad_link);
    size_t n = VDPAD_OBSERVED_N(world->observed, VDPAD_LINK);

    while (*i < n) {
        const struct vdpad_link *link = &rows[(*i)++];

        if (link->master == bond->ifindex) {
            return link;
        }
    }
    return NULL;
}

static const char *
mode_name(int32_t mode)
{
    static const char *const names[] = {
        "balance-rr", "active-backup", "balance-xor", "broadcast",
        "802.3ad",    "balance-tlb",   "balance-alb",
    };

    return mode >= 0 && (size_t) mode < sizeof names / sizeof names[0]
               ? names[mode]
               : "unknown";
}

/* mlx5 offloads to a bond of these modes only (mlx5_lag_check_prereq() and
 * mlx5_handle_changeupper_event(),
 * drivers/net/ethernet/mellanox/mlx5/core/lag/lag.c of 6.12). */
static void
bond_mode(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_link *bond = find_bond(in);
    char word[VDPAD_SHELL_SIZE];

    if (!bond) {
        vdpad_skip(f);
    } else if (strcmp(bond->kind, "bond") != 0) {
        vdpad_found(f, FAIL,
                    "%s is a %s device, which hardware does not "
                    "know",
                    bond->name, bond->kind);
        vdpad_remedy(f, "make a bond of mode active-backup, balance-xor or "
                        "802.3ad instead");
    } else {
        bool ok = bond->bond_mode == VDPAD_BOND_ACTIVE_BACKUP
                  || bond->bond_mode == VDPAD_BOND_BALANCE_XOR
                  || bond->bond_mode == VDPAD_BOND_8023AD;

        vdpad_found(f, ok ? OK : FAIL, "%s is of mode %s%s", bond->name,
                    mode_name(bond->bond_mode),
                    ok ? "" : ", which hardware does not do");
        if (!ok) {
            vdpad_remedy(f,
                         "take its ports out (ip link set PORT nomaster), ip "
                         "link set dev %s type bond mode active-backup (or "
                         "balance-xor, 802.3ad), put them in again",
                         vdpad_shell_word(bond->name, word));
        }
    }
}

/* Rules on a bond are rules on each of its ports. */
static void
bond_hw_tc(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_link *bond = find_bond(in);
    const struct vdpad_link *link = bond;
    size_t i = 0;

    if (!bond) {
        vdpad_skip(f);
        return;
    }
    if (!vdpad_check_knows(in, VDPAD_FEATURE, f)) {
        return;
    }
    for (; link; link = next_slave(in->world, bond, &i)) {
        const struct vdpad_feature *feature = vdpad_find_feature(
            in->world->observed, link->ifindex);
        char word[VDPAD_SHELL_SIZE];

        /* A bond without the feature has it in its ports. */
        if (link == bond ? feature && feature->supported && !feature->active
                         : !feature || !feature->active) {
            vdpad_found(f, FAIL, "hw-tc-offload of %s%s%s is off", link->name,
                        link == bond ? "" : ", a port of ",
                        link == bond ? "" : bond->name);
            vdpad_remedy(f, "ethtool -K %s hw-tc-offload on",
                         vdpad_shell_word(link->name, word));
            return;
        }
    }
    vdpad_found(f, OK, "hw-tc-offload of the ports of %s is on", bond->name);
}

static bool
is_same_switch(const struct vdpad_link *a, const struct vdpad_link *b)
{
    return a->switch_id_len && a->switch_id_len == b->switch_id_len
           && !memcmp(a->switch_id, b->switch_id, a->switch_id_len);
}

/* What the driver says of the LAG of the PF with uplink 'link'; NULL: nothing,
 * as only mlx5 does, in debugfs. */
static const char *
lag_state(const struct vdpad_world *world, const struct vdpad_link *link)
{
    char name[64];

    for (size_t i = 0; i < world->n_pfs; i++) {
        if (world->pfs[i].uplink == link) {
            vdpad_text(name, sizeof name, "lag/%s", world->pfs[i].pci->bdf);
            return vdpad_host_fact(world, name);
        }
    }
    return NULL;
}

/* Whether 'link' is known to be of a PF in another mode than switchdev.  Its
 * phys_switch_id does not tell: it may have one in legacy mode as well. */
static bool
is_legacy(const struct vdpad_world *world, const struct vdpad_link *link)
{
    const struct vdpad_eswitch *eswitch = vdpad_find_eswitch(world->observed,
                                                             link->parent_dev);

    return eswitch && eswitch->mode != VDPAD_ESWITCH_SWITCHDEV;
}

/* Filters on a bond are filters on each of its ports, by way of an ingress
 * block that they share.  Open vSwitch puts a port of a bond in there when it
 * hears of that port's link while the bond is a port of its own; one that has
 * been quiet since is left out (netdev_linux_update_lag(), lib/netdev-linux.c
 * of 3.1).  Returns false, with a finding, if that is so or not known. */
static bool
shares_block(const struct vdpad_check_input *in, const struct vdpad_link *bond,
             struct vdpad_finding *f)
{
    const struct vdpad_observed *observed = in->world->observed;
    const struct vdpad_qdisc *qdisc;
    const struct vdpad_link *link;
    const char *name;
    char word[VDPAD_SHELL_SIZE], word2[VDPAD_SHELL_SIZE];
    uint32_t block;
    size_t i = 0;

    if (in->effect->effect != VDPAD_EFFECT_YES || !in->world->db
        || !vdpad_find_iface(in->world->db, bond->name)) {
        return true;
    }
    if (!vdpad_check_knows_now(in, VDPAD_QDISC, f)) {
        return false;
    }
    qdisc = vdpad_find_qdisc(observed, bond->ifindex);
    block = qdisc ? qdisc->ingress_block : 0;
    while (block && (link = next_slave(in->world, bond, &i)) != NULL) {
        char seen[32] = "no ingress qdisc";

        qdisc = vdpad_find_qdisc(observed, link->ifindex);
        if (qdisc && qdisc->ingress_block == block) {
            continue;
        }
        if (qdisc && qdisc->ingress_block) {
            vdpad_text(seen, sizeof seen, "ingress block %u",
                       qdisc->ingress_block);
        } else if (qdisc) {
            vdpad_text(seen, sizeof seen, "no ingress block");
        }
        vdpad_found(f, FAIL,
                    "%s, a port of %s, has %s, but the filters of %s are in "
                    "block %u: what arrives on %s stays in software",
                    link->name, bond->name, seen, bond->name, block,
                    link->name);
        name = vdpad_shell_word(link->name, word);
        vdpad_remedy(f,
                     "ip link set dev %s nomaster && ip link set dev %s down "
                     "&& ip link set dev %s master %s",
                     name, name, name, vdpad_shell_word(bond->name, word2));
        return false;
    }
    return true;
}

/* Whether the card treats the ports of the bond as one. */
static void
lag(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_link *bond = find_bond(in), *link;
    const struct vdpad_link *uplink = bond ? in->dev->pf->uplink : NULL;
    char word[VDPAD_SHELL_SIZE];
    size_t i = 0, n = 0;

    if (!bond) {
        vdpad_skip(f);
        return;
    }
    while ((link = next_slave(in->world, bond, &i)) != NULL) {
        const char *state = lag_state(in->world, link);

        n++;
        if (!link->switch_id_len || is_legacy(in->world, link)) {
            vdpad_found(f, FAIL,
                        "%s, a port of %s, is no port of an e-switch in mode "
                        "switchdev",
                        link->name, bond->name);
            if (link->parent_dev[0]) {
                vdpad_remedy(f, "devlink dev eswitch set %s/%s mode switchdev",
                             link->parent_bus,
                             vdpad_shell_word(link->parent_dev, word));
            } else {
                vdpad_remedy(f, "ip link set dev %s nomaster",
                             vdpad_shell_word(link->name, word));
            }
            return;
        }
        if (!is_same_switch(uplink, link)) {
            vdpad_found(f, FAIL,
                        "%s and %s, both in %s, share no e-switch: traffic "
                        "of %s through %s stays in software",
                        uplink->name, link->name, bond->name, in->dev->name,
                        link->name);
            vdpad_remedy(f, "bond the two ports of one card only");
            return;
        }
        if (state && strcmp(state, "active") != 0) {
            vdpad_found(f, FAIL, "the LAG of %s is %s in hardware", link->name,
                        state);
            vdpad_remedy(f, "both PFs must be in switchdev with equal "
                            "numbers of VFs before they are bonded: take "
                            "them out of the bond and put them in again");
            return;
        }
    }
    if (!shares_block(in, bond, f)) {
        return;
    }
    vdpad_found(f, n > 1 ? OK : UNKNOWN, "%zu port%s of one e-switch in %s", n,
                n == 1 ? "" : "s", bond->name);
}

static const struct vdpad_db_iface *
find_tunnel(const struct vdpad_snapshot *db)
{
    for (size_t i = 0; i < db->n_ifaces; i++) {
        if (vdpad_iface_is_tunnel(&db->ifaces[i])) {
            return &db->ifaces[i];
        }
    }
    return NULL;
}

/* The uplink of another PF that is in a bridge. */
static const struct vdpad_link *
find_other_uplink(const struct vdpad_world *world, const struct vdpad_pf *pf)
{
    for (size_t i = 0; i < world->n_pfs; i++) {
        const struct vdpad_link *link = world->pfs[i].uplink;

        if (&world->pfs[i] != pf && link
            && vdpad_find_iface(world->db, link->name)) {
            return link;
        }
    }
    return NULL;
}

static const char *
address_of(const struct vdpad_world *world, const struct vdpad_link *link)
{
    char name[64];

    vdpad_text(name, sizeof name, "address/%s", link->name);
    return vdpad_host_fact(world, name);
}

/* Whether 'link' is a VLAN's device on 'lower', or on one on that, as deep as
 * the kernel nests them (MAX_NEST_DEV, include/linux/netdevice.h). */
static bool
is_vlan_on(const struct vdpad_world *world, const struct vdpad_link *link,
           const struct vdpad_link *lower)
{
    for (int i = 0; i < 8 && link && !strcmp(link->kind, "vlan"); i++) {
        if (link->lower == lower->ifindex) {
            return true;
        }
        link = link->lower ? vdpad_find_link(world->observed, link->lower)
                           : NULL;
    }
    return false;
}

/* What tunnels may end on that leave through 'out': itself, or a VLAN's device
 * on it that has an address.  NULL: nothing. */
static const struct vdpad_link *
find_end(const struct vdpad_world *world, const struct vdpad_link *out)
{
    const struct vdpad_link *rows = VDPAD_OBSERVED_ROWS(world->observed,
                                                        VDPAD_LINK,
                                                        vdpad_link);

    if (address_of(world, out)) {
        return out;
    }
    for (size_t i = 0; i < VDPAD_OBSERVED_N(world->observed, VDPAD_LINK);
         i++) {
        if (is_vlan_on(world, &rows[i], out) && address_of(world, &rows[i])) {
            return &rows[i];
        }
    }
    return NULL;
}

/* An uplink that is a port of a bridge. */
static void
check_uplink_port(const struct vdpad_check_input *in, struct vdpad_finding *f,
                  const struct vdpad_db_iface *iface,
                  const struct vdpad_link *bond)
{
    const struct vdpad_db_port *port = vdpad_port_of(in->world, iface);
    const char *bridge = vdpad_bridge_of(in->world, iface)->name;
    char word[VDPAD_SHELL_SIZE], word2[VDPAD_SHELL_SIZE];

    if (port->n_ifaces > 1) {
        vdpad_found(f, FAIL,
                    "%s is in %s, a bond of Open vSwitch: hardware only knows "
                    "those of the kernel",
                    iface->name, port->name);
        vdpad_remedy(f,
                     "ovs-vsctl del-port %s; make a bond by ip link, mode "
                     "active-backup, balance-xor or 802.3ad, and add-port %s "
                     "that",
                     vdpad_shell_word(port->name, word),
                     vdpad_shell_word(bridge, word2));
    } else if (bond && strcmp(iface->name, bond->name) != 0) {
        vdpad_found(f, FAIL, "%s, which is in %s, is in bridge %s itself",
                    iface->name, bond->name, bridge);
        vdpad_remedy(f, "ovs-vsctl del-port %s -- add-port %s BOND",
                     vdpad_shell_word(iface->name, word),
                     vdpad_shell_word(bridge, word2));
    } else {
        vdpad_found(f, OK, "%s is in bridge %s", iface->name, bridge);
    }
}

static void
uplink_port(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_world *world = in->world;
    const struct vdpad_pf *pf = in->dev->pf;
    const struct vdpad_link *bond = find_bond(in), *out, *other, *end;
    const struct vdpad_db_iface *iface, *tunnel;
    char word[VDPAD_SHELL_SIZE];

    if (!pf || !pf->uplink || !pf->uplink->switch_id_len) {
        vdpad_skip(f);
        return;
    }
    if (!world->db) {
        vdpad_found(f, UNKNOWN, "the database was not read yet");
        return;
    }
    out = bond ? bond : pf->uplink;
    iface = vdpad_find_iface(world->db, out->name);
    if (!iface && bond) {
        iface = vdpad_find_iface(world->db, pf->uplink->name);
    }
    if (iface) {
        check_uplink_port(in, f, iface, bond);
        return;
    }
    tunnel = find_tunnel(world->db);
    end = find_end(world, out);
    other = find_other_uplink(world, pf);
    if (tunnel && end) {
        vdpad_found(f, OK, "tunnel %s may leave through %s, which has %s",
                    tunnel->name, end->name, address_of(world, end));
        return;
    }
    if (tunnel) {
        /* Its address may be on the loopback, and routes lead here. */
        vdpad_found(f, UNKNOWN,
                    "uplink %s is in no bridge, and has no address, nor has a "
                    "VLAN's device on it: whether tunnel %s leaves through it "
                    "is not known",
                    out->name, tunnel->name);
        vdpad_remedy(f, "ip route get ADDRESS, the other end's, tells where "
                        "tunnels leave");
        return;
    }
    if (other) {
        vdpad_found(f, FAIL,
                    "uplink %s is in no bridge; %s is, which is another PF's "
                    "and %s",
                    out->name, other->name,
                    is_same_switch(out, other) ? "in no bond with it"
                                               : "shares no e-switch with it");
    } else {
        vdpad_found(f, FAIL,
                    "uplink %s is in no bridge, and there is no tunnel",
                    out->name);
    }
    vdpad_remedy(f,
                 "ovs-vsctl add-port BRIDGE %s, or give it the address "
                 "that tunnels use",
                 vdpad_shell_word(out->name, word));
}

const struct vdpad_check vdpad_checks_uplink[] = {
    { "uplink-up", uplink_up, 0 },
    { "uplink-hw-tc-offload", uplink_hw_tc, MASK(VDPAD_FEATURE) },
    { "bond-mode", bond_mode, 0 },
    { "bond-hw-tc-offload", bond_hw_tc, MASK(VDPAD_FEATURE) },
    { "lag", lag, MASK(VDPAD_ESWITCH) },
    { "uplink-port", uplink_port, 0 },
    { NULL, NULL, 0 },
};
