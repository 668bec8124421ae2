/* SPDX-License-Identifier: Apache-2.0 */
#include "lookup.h"

#include <stdlib.h>
#include <string.h>

/* Pictures and snapshots are sorted by their keys: binary search where the
 * key is what is looked for. */
typedef int compare_fn(const void *key, const void *row);

static const void *
search(const struct vdpad_observed *o, enum vdpad_class class_,
       const void *key, compare_fn *compare)
{
    const struct vdpad_picture *p = &o->class_[class_].picture;

    return p->n ? bsearch(key, p->rows, p->n, p->row_size, compare) : NULL;
}

/* Rows whose key is a text at their beginning. */
static int
compare_text(const void *key, const void *row)
{
    return strcmp(key, row);
}

/* Rows whose key is an int32_t at their beginning. */
static int
compare_ifindex(const void *key, const void *row)
{
    int32_t a = *(const int32_t *) key;
    int32_t b;

    memcpy(&b, row, sizeof b);
    return a < b ? -1 : a > b;
}

static int
compare_eswitch(const void *key, const void *row)
{
    const struct vdpad_eswitch *e = row;
    int cmp = strcmp("pci", e->bus);

    return cmp ? cmp : strcmp(key, e->dev);
}

static int
compare_mgmtdev(const void *key, const void *row)
{
    const struct vdpad_mgmtdev *m = row;
    int cmp = strcmp("pci", m->bus);

    return cmp ? cmp : strcmp(key, m->dev);
}

const struct vdpad_pci *
vdpad_find_pci(const struct vdpad_observed *o, const char *bdf)
{
    return search(o, VDPAD_PCI, bdf, compare_text);
}

const struct vdpad_link *
vdpad_find_link(const struct vdpad_observed *o, int32_t ifindex)
{
    return ifindex > 0 ? search(o, VDPAD_LINK, &ifindex, compare_ifindex)
                       : NULL;
}

const struct vdpad_feature *
vdpad_find_feature(const struct vdpad_observed *o, int32_t ifindex)
{
    return search(o, VDPAD_FEATURE, &ifindex, compare_ifindex);
}

const struct vdpad_flow *
vdpad_find_flow(const struct vdpad_observed *o, int32_t ifindex)
{
    return search(o, VDPAD_FLOW, &ifindex, compare_ifindex);
}

const struct vdpad_kflow *
vdpad_find_kflow(const struct vdpad_observed *o, int32_t ifindex)
{
    return search(o, VDPAD_KFLOW, &ifindex, compare_ifindex);
}

const struct vdpad_qdisc *
vdpad_find_qdisc(const struct vdpad_observed *o, int32_t ifindex)
{
    return search(o, VDPAD_QDISC, &ifindex, compare_ifindex);
}

const struct vdpad_module *
vdpad_find_module(const struct vdpad_observed *o, const char *name)
{
    return search(o, VDPAD_MODULE, name, compare_text);
}

const struct vdpad_eswitch *
vdpad_find_eswitch(const struct vdpad_observed *o, const char *bdf)
{
    return search(o, VDPAD_ESWITCH, bdf, compare_eswitch);
}

const struct vdpad_mgmtdev *
vdpad_find_mgmtdev(const struct vdpad_observed *o, const char *bdf)
{
    return search(o, VDPAD_MGMTDEV, bdf, compare_mgmtdev);
}

const struct vdpad_vdpa *
vdpad_find_vdpa_of(const struct vdpad_observed *o, const char *bdf)
{
    const struct vdpad_vdpa *rows = VDPAD_OBSERVED_ROWS(o, VDPAD_VDPA,
                                                        vdpad_vdpa);

    for (size_t i = 0; i < VDPAD_OBSERVED_N(o, VDPAD_VDPA); i++) {
        if (!strcmp(rows[i].dev, bdf) && !strcmp(rows[i].bus, "pci")) {
            return &rows[i];
        }
    }
    return NULL;
}

const struct vdpad_vbus *
vdpad_find_vbus_of(const struct vdpad_observed *o, const char *bdf)
{
    const struct vdpad_vbus *rows = VDPAD_OBSERVED_ROWS(o, VDPAD_VBUS,
                                                        vdpad_vbus);

    for (size_t i = 0; i < VDPAD_OBSERVED_N(o, VDPAD_VBUS); i++) {
        if (!strcmp(rows[i].parent, bdf)) {
            return &rows[i];
        }
    }
    return NULL;
}

const struct vdpad_vdpa *
vdpad_find_vdpa(const struct vdpad_observed *o, const char *name)
{
    return search(o, VDPAD_VDPA, name, compare_text);
}

const struct vdpad_vbus *
vdpad_find_vbus(const struct vdpad_observed *o, const char *name)
{
    return search(o, VDPAD_VBUS, name, compare_text);
}

const struct vdpad_holder *
vdpad_find_holders(const struct vdpad_observed *o, const char *chardev,
                   size_t *ret_n)
{
    const struct vdpad_holder *rows = VDPAD_OBSERVED_ROWS(o, VDPAD_HOLDER,
                                                          vdpad_holder);
    const struct vdpad_holder *first = NULL;

    *ret_n = 0;
    if (!chardev[0]) {
        return NULL;
    }
    for (size_t i = 0; i < VDPAD_OBSERVED_N(o, VDPAD_HOLDER); i++) {
        if (!strcmp(rows[i].chardev, chardev)) {
            first = first ? first : &rows[i];
            ++*ret_n;
        }
    }
    return first;
}

static bool
is_shown(const struct vdpad_observed *o, const char *chardev)
{
    const struct vdpad_vbus *rows = VDPAD_OBSERVED_ROWS(o, VDPAD_VBUS,
                                                        vdpad_vbus);

    for (size_t i = 0; i < VDPAD_OBSERVED_N(o, VDPAD_VBUS); i++) {
        if (!strcmp(rows[i].chardev, chardev)) {
            return true;
        }
    }
    return false;
}

const struct vdpad_holder *
vdpad_find_late_holders(const struct vdpad_observed *o, size_t *ret_n)
{
    const struct vdpad_holder *rows = VDPAD_OBSERVED_ROWS(o, VDPAD_HOLDER,
                                                          vdpad_holder);

    for (size_t i = 0; i < VDPAD_OBSERVED_N(o, VDPAD_HOLDER); i++) {
        if ((i == 0 || strcmp(rows[i].chardev, rows[i - 1].chardev) != 0)
            && !is_shown(o, rows[i].chardev)) {
            return vdpad_find_holders(o, rows[i].chardev, ret_n);
        }
    }
    *ret_n = 0;
    return NULL;
}

/* A netdev made by PF 'bdf' itself. */
static bool
is_of_pf(const struct vdpad_link *link, const char *bdf)
{
    return !strcmp(link->parent_dev, bdf) && !strcmp(link->parent_bus, "pci");
}

/* Whether 'name' is the phys_port_name of an uplink: empty in legacy mode,
 * "p<N>" otherwise. */
static bool
is_uplink_name(const char *name)
{
    return !name[0]
           || (name[0] == 'p' && name[1]
               && strspn(name + 1, "0123456789") == strlen(name + 1));
}

/* The VF's index in a representor's phys_port_name: "pf<N>vf<M>", with
 * "c<C>" before it for external controllers (not ours), or the bare digits
 * of old mlx5 drivers.  -1: none of these. */
static int32_t
representor_index(const char *name)
{
    const char *p = name;
    size_t n;

    if (!strncmp(p, "pf", 2)) {
        p += 2;
        n = strspn(p, "0123456789");
        if (!n || strncmp(p + n, "vf", 2)) {
            return -1;
        }
        p += n + 2;
    }
    n = strspn(p, "0123456789");
    if (!n || n > 5 || p[n]) {
        return -1;
    }

    int32_t index = 0;

    for (; *p; p++) {
        index = index * 10 + (*p - '0');
    }
    return index;
}

const struct vdpad_link *
vdpad_find_uplink(const struct vdpad_observed *o, const char *bdf)
{
    const struct vdpad_dlport *ports = VDPAD_OBSERVED_ROWS(o, VDPAD_DLPORT,
                                                           vdpad_dlport);
    const struct vdpad_link *links = VDPAD_OBSERVED_ROWS(o, VDPAD_LINK,
                                                         vdpad_link);

    for (size_t i = 0; i < VDPAD_OBSERVED_N(o, VDPAD_DLPORT); i++) {
        if (ports[i].flavour == VDPAD_FLAVOUR_PHYSICAL
            && !strcmp(ports[i].dev, bdf) && !strcmp(ports[i].bus, "pci")) {
            const struct vdpad_link *link = vdpad_find_link(o,
                                                            ports[i].ifindex);

            if (link) {
                return link;
            }
        }
    }
    for (size_t i = 0; i < VDPAD_OBSERVED_N(o, VDPAD_LINK); i++) {
        if (is_of_pf(&links[i], bdf) && is_uplink_name(links[i].port_name)) {
            return &links[i];
        }
    }
    return NULL;
}

const struct vdpad_link *
vdpad_find_representor(const struct vdpad_observed *o, const char *bdf,
                       int32_t vf_index, const struct vdpad_dlport **ret_port)
{
    const struct vdpad_dlport *ports = VDPAD_OBSERVED_ROWS(o, VDPAD_DLPORT,
                                                           vdpad_dlport);
    const struct vdpad_link *links = VDPAD_OBSERVED_ROWS(o, VDPAD_LINK,
                                                         vdpad_link);

    *ret_port = NULL;
    for (size_t i = 0; i < VDPAD_OBSERVED_N(o, VDPAD_DLPORT); i++) {
        const struct vdpad_dlport *p = &ports[i];

        if (p->flavour == VDPAD_FLAVOUR_PCI_VF && p->vf == vf_index
            && !p->external && p->controller <= 0 && !strcmp(p->dev, bdf)
            && !strcmp(p->bus, "pci")) {
            *ret_port = p;
            return vdpad_find_link(o, p->ifindex);
        }
    }
    for (size_t i = 0; i < VDPAD_OBSERVED_N(o, VDPAD_LINK); i++) {
        if (is_of_pf(&links[i], bdf) && links[i].switch_id_len
            && representor_index(links[i].port_name) == vf_index) {
            return &links[i];
        }
    }
    return NULL;
}

const struct vdpad_link *
vdpad_find_rival(const struct vdpad_observed *o, const char *bridge)
{
    const struct vdpad_link *links = VDPAD_OBSERVED_ROWS(o, VDPAD_LINK,
                                                         vdpad_link);

    for (size_t i = 0; i < VDPAD_OBSERVED_N(o, VDPAD_LINK); i++) {
        if (!strcmp(links[i].name, bridge)) {
            return strcmp(links[i].kind, "openvswitch") ? &links[i] : NULL;
        }
    }
    return NULL;
}

static int
compare_iface(const void *key, const void *row)
{
    return strcmp(key, ((const struct vdpad_db_iface *) row)->name);
}

static int
compare_bridge(const void *key, const void *row)
{
    return strcmp(key, ((const struct vdpad_db_bridge *) row)->name);
}

bool
vdpad_iface_is_tunnel(const struct vdpad_db_iface *iface)
{
    static const char *const types[] = {
        "vxlan",   "geneve", "gre",  "ip6gre", "erspan", "ip6erspan",
        "bareudp", "gtpu",   "srv6", "lisp",   "stt",
    };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (!strcmp(iface->type, types[i])) {
            return true;
        }
    }
    return false;
}

bool
vdpad_iface_has_netdev(const struct vdpad_db_iface *iface)
{
    return strcmp(iface->type, "patch") != 0 && !vdpad_iface_is_tunnel(iface);
}

const struct vdpad_db_iface *
vdpad_find_iface(const struct vdpad_snapshot *db, const char *name)
{
    return db && db->n_ifaces ? bsearch(name, db->ifaces, db->n_ifaces,
                                        sizeof *db->ifaces, compare_iface)
                              : NULL;
}

const char *
vdpad_refused_declaration(const struct vdpad_config *config,
                          const struct vdpad_db_iface *iface)
{
    const char *was = vdpad_map_get(&iface->external_ids, "vdpa-iface-id");

    for (size_t i = 0; was && i < config->n_refused_ports; i++) {
        if (!strcmp(config->refused_ports[i], was)) {
            return was;
        }
    }
    return NULL;
}

const struct vdpad_db_bridge *
vdpad_find_bridge(const struct vdpad_snapshot *db, const char *name)
{
    return db && db->n_bridges ? bsearch(name, db->bridges, db->n_bridges,
                                         sizeof *db->bridges, compare_bridge)
                               : NULL;
}

bool
vdpad_iface_is_ours(const struct vdpad_db_iface *iface)
{
    const char *mark = vdpad_map_get(&iface->external_ids, VDPAD_OWNER_KEY);

    return mark && !strcmp(mark, VDPAD_OWNER_VALUE)
           && !vdpad_map_get(&iface->external_ids, VDPAD_OVN_PLUGGED_KEY);
}
