/* SPDX-License-Identifier: Apache-2.0 */
/* Which device each declared port has. */
#include <stdlib.h>
#include <string.h>

#include "lookup.h"
#include "util.h"
#include "world-internal.h"

/* The port of 'dev' whose key is refused, and which it keeps until that key is
 * mended or taken away; NULL: none. */
static const char *
refused_port(const struct vdpad_world *w, const struct vdpad_dev *dev)
{
    return dev->iface && vdpad_iface_is_ours(dev->iface)
               ? vdpad_refused_declaration(w->config, dev->iface)
               : NULL;
}

/* Gives 'spec' to 'dev', unless another one has it. */
static void
assign(struct vdpad_world *w, const struct vdpad_port_spec *spec,
       struct vdpad_dev *dev)
{
    const char *refused = refused_port(w, dev);
    char key[VDPAD_KEY_SIZE];

    vdpad_text(key, sizeof key, VDPAD_KEY_PORT "%s", spec->iface_id);
    if (refused) {
        vdpad_world_problem(w, key, spec->vf ? spec->vf : dev->name,
                            "device %s belongs to " VDPAD_KEY_PORT
                            "%s, which is refused and keeps what it has: mend "
                            "or remove that key, or name another device",
                            dev->name, refused);
    } else if (dev->port_spec) {
        vdpad_world_problem(w, key, spec->vf ? spec->vf : dev->name,
                            "device %s already belongs to " VDPAD_KEY_PORT
                            "%s; name another one",
                            dev->name, dev->port_spec->iface_id);
    } else if (dev->intent == VDPAD_INTENT_FREEZE) {
        vdpad_world_problem(w, key, spec->vf ? spec->vf : dev->name,
                            "device %s is kept as it is: policy %s %s",
                            dev->name, dev->policy_name, dev->frozen_by);
    } else if (dev->intent != VDPAD_INTENT_APPLY) {
        vdpad_world_problem(w, key, spec->vf ? spec->vf : dev->name,
                            "device %s is in no policy; a port needs a device "
                            "that a " VDPAD_KEY_POLICY "* key covers",
                            dev->name);
    } else {
        dev->port_spec = spec;
    }
}

/* Whether 'dev' can have a port: one whose policy is not known at present
 * keeps the one that it has, and gets no other. */
static bool
may_have_port(const struct vdpad_dev *dev)
{
    return dev->intent == VDPAD_INTENT_APPLY
           || dev->intent == VDPAD_INTENT_FREEZE;
}

/* Whether 'dev' is what 'spec' may be given. */
static bool
is_meant(const struct vdpad_port_spec *spec, const struct vdpad_dev *dev)
{
    if (spec->device) {
        return !strcmp(dev->name, spec->device);
    }
    if (spec->vf) {
        return dev->vf && !strcmp(dev->vf->bdf, spec->vf);
    }
    return may_have_port(dev) && vdpad_streq(dev->policy_name, spec->policy);
}

/* Whether somebody else has put a logical port on 'dev', or a refused key of
 * ours has: its Interface's, or that which it was given to. */
static bool
is_anothers(const struct vdpad_world *w, const struct vdpad_dev *dev)
{
    const struct vdpad_map *ids = dev->iface ? &dev->iface->external_ids
                                             : NULL;
    const char *given = dev->record ? dev->record->port : "";

    return refused_port(w, dev)
           || (given[0] && vdpad_config_refuses_port(w->config, given))
           || (ids && vdpad_map_get(ids, "iface-id")
               && !vdpad_map_get(ids, "vdpa-iface-id"));
}

/* An Interface that says which VF it is of, by its logical port. */
struct row {
    const char *port, *vf;
    const struct vdpad_db_iface *iface;
};

/* What is asked of each port; sorted, so that thousands of ports do not look
 * at all Interfaces each. */
struct rows {
    size_t n_present, n_away;
    struct row *present; /* By iface-id. */
    struct row *away;    /* Ours, by vdpa-iface-id; their VFs are away. */
    bool *taken;         /* Of each device: is_taken(). */

    const char *policy, *trouble; /* The last find_trouble(). */
};

static int
compare_rows(const void *a_, const void *b_)
{
    const struct row *a = a_, *b = b_;
    int cmp = strcmp(a->port, b->port);

    /* Of one port in the order of the database. */
    return cmp ? cmp : (a->iface > b->iface) - (a->iface < b->iface);
}

/* The first of the 'n' 'rows' of 'port', or where it would be. */
static size_t
find_row(const struct row *rows, size_t n, const char *port)
{
    size_t low = 0;

    while (low < n) {
        size_t middle = low + (n - low) / 2;

        if (strcmp(rows[middle].port, port) < 0) {
            low = middle + 1;
        } else {
            n = middle;
        }
    }
    return low;
}

/* The device that has the Interface of 'spec' already. */
static struct vdpad_dev *
present_choice(struct vdpad_world *w, const struct rows *r,
               const struct vdpad_port_spec *spec)
{
    for (size_t i = find_row(r->present, r->n_present, spec->iface_id);
         i < r->n_present && !strcmp(r->present[i].port, spec->iface_id);
         i++) {
        for (size_t d = 0; d < w->n_devs; d++) {
            struct vdpad_dev *dev = &w->devs[d];

            if (dev->vf && !strcmp(dev->vf->bdf, r->present[i].vf)
                && !dev->port_spec && may_have_port(dev)
                && is_meant(spec, dev)) {
                return dev;
            }
        }
    }
    return NULL;
}

/* Whether 'dev' is another's, or used without a port: by a VM, say, whose port
 * went before it.  Who has the port next would get that one's packets, and not
 * the device. */
static bool
is_taken(const struct vdpad_world *w, const struct vdpad_dev *dev)
{
    char use[VDPAD_REASON_SIZE];

    return vdpad_dev_in_use(dev, use) || is_anothers(w, dev);
}

/* Gives devices to those ports that were given them before: their Interfaces
 * may be gone, but not the guests behind them. */
static void
choose_again(struct vdpad_world *w, bool *chosen)
{
    const struct vdpad_config *c = w->config;

    for (size_t d = 0; d < w->n_devs; d++) {
        struct vdpad_dev *dev = &w->devs[d];
        const struct vdpad_port_spec *spec =
            dev->record && dev->record->port[0]
                ? vdpad_config_port(c, dev->record->port)
                : NULL;

        if (spec && spec->policy && !chosen[spec - c->ports] && !dev->port_spec
            && may_have_port(dev) && is_meant(spec, dev)
            && !is_anothers(w, dev)) {
            dev->port_spec = spec;
            chosen[spec - c->ports] = true;
        }
    }
}

static void
collect_rows(const struct vdpad_world *w, struct rows *r)
{
    size_t n = w->db ? w->db->n_ifaces : 0;

    r->present = vdpad_xcalloc(n, sizeof *r->present);
    r->away = vdpad_xcalloc(n, sizeof *r->away);
    for (size_t i = 0; i < n; i++) {
        const struct vdpad_db_iface *iface = &w->db->ifaces[i];
        const struct vdpad_map *ids = &iface->external_ids;
        const char *vf = vdpad_map_get(ids, "vdpa-vf");
        const char *port = vf ? vdpad_map_get(ids, "iface-id") : NULL;
        const char *ours = vf ? vdpad_map_get(ids, "vdpa-iface-id") : NULL;

        if (port) {
            r->present[r->n_present++] = (struct row){ port, vf, iface };
        }
        if (ours && vdpad_iface_is_ours(iface)
            && !vdpad_find_pci(w->observed, vf)) {
            r->away[r->n_away++] = (struct row){ ours, vf, iface };
        }
    }
    if (r->n_present) {
        qsort(r->present, r->n_present, sizeof *r->present, compare_rows);
    }
    if (r->n_away) {
        qsort(r->away, r->n_away, sizeof *r->away, compare_rows);
    }
    r->taken = vdpad_xcalloc(w->n_devs, sizeof *r->taken);
    for (size_t d = 0; d < w->n_devs; d++) {
        r->taken[d] = is_taken(w, &w->devs[d]);
    }
}

static void
free_rows(struct rows *r)
{
    free(r->present);
    free(r->away);
    free(r->taken);
}

/* The VF of the Interface that 'spec' has already, if that VF is away at
 * present; NULL: no such thing.  The row goes when nobody will bring the VF
 * back. */
static const char *
find_away(const struct rows *r, const struct vdpad_port_spec *spec)
{
    size_t i = find_row(r->away, r->n_away, spec->iface_id);

    return i < r->n_away && !strcmp(r->away[i].port, spec->iface_id)
               ? r->away[i].vf
               : NULL;
}

/* What is wrong with the policy called 'name', which is why it has no free
 * device; NULL: that there are too few. */
static const char *
find_trouble(const struct vdpad_world *w, const char *name)
{
    const struct vdpad_config *c = w->config;
    char key[VDPAD_KEY_SIZE];

    if (vdpad_config_is_suspended(c, name)) {
        return "is suspended (" VDPAD_KEY_SUSPENDED ")";
    }
    for (size_t i = 0; i < w->n_devs; i++) {
        if (w->devs[i].intent == VDPAD_INTENT_FREEZE
            && !strcmp(w->devs[i].policy_name, name)) {
            return w->devs[i].frozen_by;
        }
    }
    vdpad_text(key, sizeof key, VDPAD_KEY_POLICY "%s", name);
    for (size_t i = 0; i < w->n_problems; i++) {
        if (w->problems[i].is_refusal && !strcmp(w->problems[i].key, key)) {
            return "is refused (config/show)";
        }
    }
    for (size_t i = 0; i < c->n_refused_policies; i++) {
        if (!strcmp(c->refused_policies[i], name)) {
            return "is refused (config/show)";
        }
    }
    for (size_t i = 0; i < c->n_policies; i++) {
        if (!strcmp(c->policies[i].name, name)
            && c->policies[i].type == VDPAD_TYPE_NONE) {
            return "makes no vDPA devices: it has no vdpa-type=";
        }
    }
    return NULL;
}

/* The same: most ports that wait are of one policy. */
static const char *
get_trouble(const struct vdpad_world *w, struct rows *r, const char *name)
{
    if (!vdpad_streq(r->policy, name)) {
        r->policy = name;
        r->trouble = find_trouble(w, name);
    }
    return r->trouble;
}

static void
choose(struct vdpad_world *w, struct rows *r,
       const struct vdpad_port_spec *spec)
{
    const char *away = spec->policy ? find_away(r, spec) : NULL;
    char key[VDPAD_KEY_SIZE];

    vdpad_text(key, sizeof key, VDPAD_KEY_PORT "%s", spec->iface_id);
    if (away) {
        vdpad_world_problem(w, key, spec->policy,
                            "its VF %s is away; it "
                            "waits for that one",
                            away);
        return;
    }

    for (size_t d = 0; d < w->n_devs; d++) {
        struct vdpad_dev *dev = &w->devs[d];

        if (spec->policy
            && (dev->port_spec || dev->intent != VDPAD_INTENT_APPLY
                || r->taken[d])) {
            continue;
        }
        if (is_meant(spec, dev)) {
            if (spec->policy) {
                dev->port_spec = spec;
            } else {
                assign(w, spec, dev);
            }
            return;
        }
    }

    const char *trouble = spec->policy ? get_trouble(w, r, spec->policy)
                                       : NULL;

    if (trouble) {
        vdpad_world_problem(w, key, spec->policy, "policy %s %s", spec->policy,
                            trouble);
    } else if (spec->policy) {
        vdpad_world_problem(w, key, spec->policy,
                            "policy %s has no free device (without a port "
                            "and not in use); raise its num-vfs or ranges",
                            spec->policy);
    } else {
        vdpad_world_problem(w, key, spec->device ? spec->device : spec->vf,
                            "there is no such device; `device/list` shows "
                            "those there are");
    }
}

void
vdpad_resolve_ports(struct vdpad_world *w)
{
    const struct vdpad_config *c = w->config;
    bool *chosen = vdpad_xcalloc(c->n_ports, sizeof *chosen);
    struct rows rows = { .n_present = 0 };

    if (c->n_ports) {
        collect_rows(w, &rows);
    }

    /* What stands first, then explicit names, then free choices: so a choice
     * never moves because of another port. */
    for (size_t i = 0; i < c->n_ports; i++) {
        struct vdpad_dev *dev = present_choice(w, &rows, &c->ports[i]);

        if (dev) {
            dev->port_spec = &c->ports[i];
            chosen[i] = true;
        }
    }
    choose_again(w, chosen);
    for (size_t i = 0; i < c->n_ports; i++) {
        if (!chosen[i] && !c->ports[i].policy) {
            choose(w, &rows, &c->ports[i]);
            chosen[i] = true;
        }
    }
    for (size_t i = 0; i < c->n_ports; i++) {
        if (!chosen[i]) {
            choose(w, &rows, &c->ports[i]);
        }
    }
    free_rows(&rows);
    free(chosen);
}
