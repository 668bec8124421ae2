/* SPDX-License-Identifier: Apache-2.0 */

/* The kernel and the database of the world builder: they do what a step says,
 * at once, with the kernel's own rules. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world-builder.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/exec.h"
#include "controller/util.h"

static struct vdpad_pci *
find_vf(const struct wb *b, const char *pf, int32_t index)
{
    const struct vdpad_picture *p = &b->observed.class_[VDPAD_PCI].picture;
    struct vdpad_pci *rows = p->rows;

    for (size_t i = 0; i < p->n; i++) {
        if (rows[i].vf_index == index && !strcmp(rows[i].pf, pf)) {
            return &rows[i];
        }
    }
    return NULL;
}

static void
copy_bdf(char bdf[VDPAD_BDF_SIZE], const struct vdpad_pci *pci)
{
    vdpad_copy(bdf, VDPAD_BDF_SIZE, pci->bdf);
}

static bool
is_held(const struct wb *b, const char *name)
{
    const struct vdpad_vbus *vbus = wb_find_text(b, VDPAD_VBUS, name);

    return vbus
           && (vbus->netdev_away
               || (vbus->chardev[0]
                   && wb_find_text(b, VDPAD_HOLDER, vbus->chardev)));
}

/* Whether a device on a VF of 'pf' is held: then the kernel would sleep. */
static bool
is_pf_held(const struct wb *b, const char *pf)
{
    const struct vdpad_picture *p = &b->observed.class_[VDPAD_VBUS].picture;
    const struct vdpad_vbus *rows = p->rows;

    for (size_t i = 0; i < p->n; i++) {
        const struct vdpad_pci *vf = wb_find_text(b, VDPAD_PCI,
                                                  rows[i].parent);

        if (vf && !strcmp(vf->pf, pf) && is_held(b, rows[i].name)) {
            return true;
        }
    }
    return false;
}

static void
appear(struct wb *b, const char *pf, int32_t index)
{
    const struct vdpad_pci *pci = wb_find_text(b, VDPAD_PCI, pf);
    const struct vdpad_eswitch *e = wb_find_eswitch(b, pf);
    bool probed = pci->autoprobe == 1;
    char driver[VDPAD_WORD_SIZE];
    char bdf[VDPAD_BDF_SIZE];

    vdpad_copy(driver, sizeof driver, pci->driver);

    struct vdpad_pci *vf = wb_new_vf(b, pf, index);

    copy_bdf(bdf, vf);
    if (e && e->mode == VDPAD_ESWITCH_SWITCHDEV) {
        (void) wb_new_representor(b, vf);
    }
    if (probed) {
        wb_set_vf_driver(b, bdf, driver);
    }
}

void
wb_appear(struct wb *b, int32_t n)
{
    const struct vdpad_picture *p = &b->observed.class_[VDPAD_PCI].picture;

    for (size_t i = 0; i < p->n; i++) {
        const struct vdpad_pci *pf = &((struct vdpad_pci *) p->rows)[i];
        int32_t left = n;

        if (pf->vf_index >= 0) {
            continue;
        }

        int32_t numvfs = pf->numvfs;
        char bdf[VDPAD_BDF_SIZE];

        copy_bdf(bdf, pf);
        for (int32_t vf = 0; vf < numvfs && left > 0; vf++) {
            if (!find_vf(b, bdf, vf)) {
                appear(b, bdf, vf);
                left--;
            }
        }
    }
}

static int
set_numvfs(struct wb *b, const char *bdf, int32_t n)
{
    struct vdpad_pci *pf = wb_find_text(b, VDPAD_PCI, bdf);
    int32_t had;

    if (!pf) {
        return -ENODEV;
    }
    if (n > pf->totalvfs) {
        return -ERANGE;
    }
    if (n && pf->numvfs) {
        return -EBUSY;
    }
    if (!n && is_pf_held(b, bdf)) {
        fail_msg("numvfs 0 of %s while a device is held", bdf);
    }
    had = pf->numvfs;
    pf->numvfs = n;
    for (int32_t i = 0; i < had; i++) {
        const struct vdpad_pci *vf = find_vf(b, bdf, i);
        char vf_bdf[VDPAD_BDF_SIZE];

        if (vf) {
            copy_bdf(vf_bdf, vf);
            wb_del_vf(b, vf_bdf);
        }
    }
    if (!n && b->order == WB_VFS_FIRST && wb_find_eswitch(b, bdf)) {
        wb_find_eswitch(b, bdf)->mode = VDPAD_ESWITCH_LEGACY;
    } else if (b->order == WB_ONLY_WITH_VFS && wb_find_eswitch(b, bdf)) {
        /* As mlx5_core of 5.15 does (mlx5_eswitch_enable() and
         * mlx5_eswitch_disable(), eswitch.c). */
        wb_find_eswitch(b, bdf)->mode = n ? VDPAD_ESWITCH_LEGACY
                                          : VDPAD_ESWITCH_NONE;
    }
    if (!b->is_late) {
        wb_appear(b, n);
    }
    return 0;
}

static int
set_mode(struct wb *b, const char *bdf, int32_t mode)
{
    struct vdpad_pci *pf = wb_find_text(b, VDPAD_PCI, bdf);
    struct vdpad_eswitch *e = wb_find_eswitch(b, bdf);
    int32_t numvfs;

    if (!pf || !e) {
        return -ENODEV;
    }
    if (b->order == WB_NO_MODE || (b->order == WB_VFS_FIRST && !pf->numvfs)
        || (b->order == WB_ONLY_WITH_VFS && !pf->numvfs)
        || (b->order == WB_MODE_FIRST && pf->numvfs)) {
        return -EOPNOTSUPP;
    }
    if (is_pf_held(b, bdf)) {
        fail_msg("mode of %s changed while a device is held", bdf);
    }
    e->mode = mode;
    numvfs = pf->numvfs;
    for (int32_t i = 0; i < numvfs; i++) {
        struct vdpad_pci *vf = find_vf(b, bdf, i);
        struct vdpad_pci copy;
        char driver[VDPAD_WORD_SIZE];

        if (!vf) {
            continue;
        }

        /* The management devices are registered anew, their devices and the
         * representors are gone; the functions stay bound. */
        copy = *vf;
        vdpad_copy(driver, sizeof driver, vf->driver);
        wb_del_vf(b, copy.bdf);
        vf = wb_new_vf(b, bdf, i);
        if (mode == VDPAD_ESWITCH_SWITCHDEV) {
            (void) wb_new_representor(b, vf);
        }
        wb_set_vf_driver(b, copy.bdf, driver);
    }
    return 0;
}

static int
probe_vf(struct wb *b, const struct vdpad_act *act)
{
    const struct vdpad_pci *vf = wb_find_text(b, VDPAD_PCI, act->object);
    const struct vdpad_pci *pf;
    char driver[VDPAD_WORD_SIZE];

    if (!vf) {
        return -ENODEV;
    }
    pf = wb_find_text(b, VDPAD_PCI, vf->pf);
    vdpad_copy(driver, sizeof driver, act->word[0] ? act->word : pf->driver);
    if (strcmp(vf->driver, driver)) {
        wb_set_vf_driver(b, act->object, driver);
    }
    return 0;
}

static int
add_vdpa(struct wb *b, const struct vdpad_act *act)
{
    const char *vf = act->word + strlen("pci/");
    const struct vdpad_mgmtdev *mgmtdev = wb_find_mgmtdev(b, vf);
    const struct vdpad_picture *p = &b->observed.class_[VDPAD_VBUS].picture;
    const struct vdpad_vbus *rows = p->rows;

    if (!mgmtdev) {
        return -ENODEV;
    }
    if (act->max_vqp > (mgmtdev->max_vqs - 1) / 2) {
        return -EINVAL;
    }
    for (size_t i = 0; i < p->n; i++) {
        if (!strcmp(rows[i].name, act->object)) {
            return -EEXIST;
        }
        if (!strcmp(rows[i].parent, vf)) {
            return -ENOSPC;
        }
    }
    wb_new_vdpa(b, vf, act->object);

    struct vdpad_vdpa *vdpa = wb_find_text(b, VDPAD_VDPA, act->object);

    vdpa->has_mac = act->has_mac;
    memcpy(vdpa->mac, act->mac, sizeof vdpa->mac);
    if (act->mtu && !b->ignores_mtu) {
        vdpa->mtu = act->mtu;
    }
    vdpa->has_max_vqp = act->max_vqp > 1;
    vdpa->max_vqp = act->max_vqp;
    if (b->binds_others) {
        wb_bind_vdpa(b, act->object, "virtio_vdpa");
    }
    return 0;
}

static int
change_vdpa(struct wb *b, const struct vdpad_act *act)
{
    struct vdpad_vdpa *vdpa = wb_find_text(b, VDPAD_VDPA, act->object);
    const struct vdpad_vbus *vbus = wb_find_text(b, VDPAD_VBUS, act->object);

    if (!vdpa || !vbus) {
        return -ENODEV;
    }
    if (is_held(b, act->object) && !act->force) {
        fail_msg("%s %s while it is held",
                 vdpad_act_name((enum vdpad_act_kind) act->kind), act->object);
    }
    if (act->kind == VDPAD_ACT_VDPA_DEL) {
        if (strncmp(act->word, "pci/", 4) != 0
            || strcmp(act->word + 4, vbus->parent) != 0) {
            fail_msg("%s is on %s, not on %s", act->object, vbus->parent,
                     act->word);
        }
        wb_del_vdpa(b, act->object);
    } else if (act->kind == VDPAD_ACT_VDPA_SET_MAC) {
        vdpa->has_mac = true;
        memcpy(vdpa->mac, act->mac, sizeof vdpa->mac);
    } else if (strcmp(vbus->driver, act->word)) {
        wb_bind_vdpa(b, act->object, act->word);
    }
    return 0;
}

static int
change_link(struct wb *b, const struct vdpad_act *act)
{
    struct vdpad_link *link = wb_find_link(b, act->object);
    struct vdpad_feature *feature = wb_find_feature(b, act->object);
    const struct vdpad_picture *p = &b->observed.class_[VDPAD_QDISC].picture;
    const struct vdpad_qdisc *qdiscs = p->rows;

    if (!link || link->ifindex != act->ifindex) {
        return -ESTALE;
    }
    if (act->kind == VDPAD_ACT_LINK_UP) {
        link->flags = act->number ? link->flags | IFF_UP
                                  : link->flags & ~(uint32_t) IFF_UP;
    } else if (act->kind == VDPAD_ACT_LINK_MTU) {
        link->mtu = (uint32_t) act->number;
    } else if (act->kind == VDPAD_ACT_VPORT_DEL) {
        link->master = 0;
    } else if (act->kind == VDPAD_ACT_FEATURE) {
        if (!feature) {
            return -EOPNOTSUPP;
        }
        feature->active = act->number != 0;
    }
    for (size_t i = p->n; act->kind == VDPAD_ACT_QDISC_DEL && i-- > 0;) {
        if (qdiscs[i].ifindex == act->ifindex) {
            wb_del_row(b, VDPAD_QDISC, &qdiscs[i]);
        }
    }
    return 0;
}

static int
apply_act(struct wb *b, const struct vdpad_act *act)
{
    struct vdpad_module *module;
    struct vdpad_pci *pci;

    switch ((enum vdpad_act_kind) act->kind) {
    case VDPAD_ACT_MODULE_LOAD:
        module = wb_find_text(b, VDPAD_MODULE, act->object);
        if (module->state == VDPAD_MODULE_MISSING) {
            return -ENOENT;
        }
        module->state = VDPAD_MODULE_LOADED;
        return 0;
    case VDPAD_ACT_AUTOPROBE:
        pci = wb_find_text(b, VDPAD_PCI, act->object);
        pci->autoprobe = (int32_t) act->number;
        return 0;
    case VDPAD_ACT_NUMVFS:
        return set_numvfs(b, act->object, (int32_t) act->number);
    case VDPAD_ACT_ESWITCH_MODE:
        return set_mode(b, act->object, (int32_t) act->number);
    case VDPAD_ACT_VF_PROBE:
        return probe_vf(b, act);
    case VDPAD_ACT_VDPA_ADD:
        return add_vdpa(b, act);
    case VDPAD_ACT_VDPA_DEL:
    case VDPAD_ACT_VDPA_SET_MAC:
    case VDPAD_ACT_VDPA_BIND:
        return change_vdpa(b, act);
    case VDPAD_ACT_FEATURE:
    case VDPAD_ACT_LINK_UP:
    case VDPAD_ACT_LINK_MTU:
    case VDPAD_ACT_QDISC_DEL:
    case VDPAD_ACT_VPORT_DEL:
        return change_link(b, act);
    case VDPAD_ACT_VF_UNBIND:
    case VDPAD_ACT_VDPA_UNBIND:
    case VDPAD_ACT_FILTER_DEL:
    case VDPAD_ACT_PORT_HW_ADDR:
    case VDPAD_ACT_N:
        break;
    }
    fail_msg("the planner does not use %s",
             vdpad_act_name((enum vdpad_act_kind) act->kind));
    return -EINVAL;
}

static int
add_port(struct wb *b, const struct vdpad_dbop *op)
{
    struct wb_port *port;

    if (wb_find_port(b, op->port)) {
        fail_msg("port %s twice", op->port);
    }
    port = wb_new_port(b, op->port, op->bridge);
    port->tag = op->tag;
    port->n_trunks = op->n_trunks;
    for (size_t i = 0; i < op->n_trunks; i++) {
        port->trunks[i] = op->trunks[i];
    }
    for (size_t i = 0; i < op->ids.n; i++) {
        wb_set(&port->ids, op->ids.kv[i].key, op->ids.kv[i].value);
    }
    wb_set(&port->ids, VDPAD_OWNER_KEY, VDPAD_OWNER_VALUE);
    return 0;
}

static int
change_port(struct wb *b, const struct vdpad_dbop *op, struct wb_port *port)
{
    if (!vdpad_streq(wb_get(&port->ids, VDPAD_OWNER_KEY), VDPAD_OWNER_VALUE)) {
        fail_msg("change of foreign port %s", op->port);
    }
    if (op->kind == VDPAD_DBOP_PORT_DEL) {
        assert_string_equal(op->uuid, port->uuid);
        assert_string_equal(op->bridge, port->bridge);
        wb_del_port(b, op->port);
    } else if (op->kind == VDPAD_DBOP_IFACE_EXTERNAL_ID) {
        wb_set(&port->ids, op->key, op->value);
    } else {
        port->tag = op->tag;
        port->n_trunks = op->n_trunks;
        for (size_t i = 0; i < op->n_trunks; i++) {
            port->trunks[i] = op->trunks[i];
        }
    }
    return 0;
}

static int
apply_op(struct wb *b, const struct vdpad_dbop *op)
{
    struct wb_port *port;

    switch (op->kind) {
    case VDPAD_DBOP_OVS_OTHER_CONFIG:
        wb_set(&b->other_config, op->key, op->value);
        return 0;
    case VDPAD_DBOP_BRIDGE_ADD:
        wb_new_bridge(b, op->bridge);
        return 0;
    case VDPAD_DBOP_PORT_ADD:
        return add_port(b, op);
    case VDPAD_DBOP_PORT_DEL:
    case VDPAD_DBOP_IFACE_EXTERNAL_ID:
    case VDPAD_DBOP_PORT_VLAN:
        port = wb_find_port(b, op->port);
        if (!port) {
            fail_msg("no port %s", op->port);
            return -ENOENT;
        }
        return change_port(b, op, port);
    case VDPAD_DBOP_OVS_EXTERNAL_ID:
    case VDPAD_DBOP_IFACE_MTU:
        break;
    }
    fail_msg("the planner does not use this operation");
    return -EINVAL;
}

int
wb_apply(struct wb *b, const struct vdpad_step *step)
{
    if (step->kind == VDPAD_STEP_KERNEL) {
        return apply_act(b, &step->act);
    }
    if (step->kind == VDPAD_STEP_DB) {
        return apply_op(b, &step->op);
    }
    vdpad_exec_remember(b->record, &step->rec);
    return 0;
}

size_t
wb_apply_plan(struct wb *b)
{
    char last[VDPAD_NAME_SIZE + 32] = "";
    size_t n = 0;

    /* Removed rows of one transaction are gone before others are added. */
    for (int pass = 0; pass < 3; pass++) {
        for (size_t i = 0; i < b->plan->n; i++) {
            const struct vdpad_step *s = &b->plan->steps[i];
            char key[VDPAD_NAME_SIZE + 32];
            bool is_del = s->kind == VDPAD_STEP_DB
                          && s->op.kind == VDPAD_DBOP_PORT_DEL;
            int when = s->kind == VDPAD_STEP_RECORD ? 0 : is_del ? 1 : 2;

            if (when != pass || s->deferred || s->in_flight) {
                continue;
            }
            n += s->kind != VDPAD_STEP_RECORD;

            int error = b->fault && s->kind != VDPAD_STEP_RECORD ? b->fault(s)
                                                                 : 0;
            struct vdpad_error why;

            error = error ? error : wb_apply(b, s);

            if (s->kind != VDPAD_STEP_RECORD) {
                vdpad_error_set(&why, error ? error : -EIO, "%s",
                                strerror(-error));
                vdpad_memory_key(key, vdpad_step_action(s),
                                 vdpad_step_object(s));
                if (strcmp(last, key) != 0) {
                    vdpad_memory_ended(b->memory, key, error, &why, b->now_ns);
                    vdpad_copy(last, sizeof last, key);
                }
                if (!error && s->kind == VDPAD_STEP_KERNEL) {
                    vdpad_memory_note(b->memory, &s->act);
                }
            }
        }
    }
    return n;
}

static bool
is_planned(const struct vdpad_memory_entry *entry, void *plan_)
{
    const struct vdpad_plan *plan = plan_;
    char other[VDPAD_NAME_SIZE + 32];

    if (entry->failures
        && !strncmp(entry->key, "eswitch-mode ", strlen("eswitch-mode "))) {
        return true;
    }
    for (size_t i = 0; i < plan->n; i++) {
        vdpad_memory_key(other, vdpad_step_action(&plan->steps[i]),
                         vdpad_step_object(&plan->steps[i]));
        if (!strcmp(entry->key, other)) {
            return true;
        }
    }
    return false;
}

unsigned int
wb_converge(struct wb *b, unsigned int rounds)
{
    for (unsigned int i = 0; i < rounds; i++) {
        wb_plan(b);
        vdpad_memory_prune(b->memory, is_planned, b->plan);
        if (!b->plan->n) {
            return i;
        }
        if (!wb_apply_plan(b) && b->plan->next_ns != INT64_MAX) {
            b->now_ns = b->plan->next_ns;
        }
    }

    char *text = wb_plan_text(b);
    char *dump = wb_dump(b);

    print_error("--- still planned\n%s--- host\n%s", text, dump);
    free(text);
    free(dump);
    fail_msg("not done after %u rounds", rounds);
    return rounds;
}
