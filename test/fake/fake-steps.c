/* SPDX-License-Identifier: Apache-2.0 */
/* Steps: which of them somebody's use refuses or blocks, and what does them.
 * Where the kernel's rules about them come from is said in
 * docs/kernel-behaviours.md; test/conformance proves each on the kernel itself
 * as well. */
#include "fake-steps.h"

#include <errno.h>
#include <string.h>

#define BIT(CLASS) (1u << (CLASS))

static bool
is_genl_act(int32_t kind)
{
    return kind == VDPAD_ACT_ESWITCH_MODE || kind == VDPAD_ACT_FEATURE
           || kind == VDPAD_ACT_VDPA_ADD || kind == VDPAD_ACT_VDPA_DEL
           || kind == VDPAD_ACT_VDPA_SET_MAC || kind == VDPAD_ACT_PORT_HW_ADDR
           || kind == VDPAD_ACT_VPORT_DEL;
}

bool
sim_is_frozen(const struct sim *sim)
{
    for (int i = 0; i < SIM_BLOCKS; i++) {
        if (sim->blocks[i].used && !sim->blocks[i].done
            && sim->blocks[i].freezes) {
            return true;
        }
    }
    return false;
}

bool
sim_must_wait(struct sim *sim, const struct vdpad_act *act)
{
    const struct sim_pf *pf = sim_find_pf(sim, act->object);
    bool counts_vfs = act->kind == VDPAD_ACT_NUMVFS
                      || (act->kind == VDPAD_ACT_AUTOPROBE && !act->number);

    return (is_genl_act(act->kind) && sim_is_frozen(sim))
           || (counts_vfs && pf && pf->reset_ns);
}

/* Whether 'act' takes 'vdpa' away from its bus driver. */
static bool
disturbs(struct sim *sim, const struct vdpad_act *act,
         const struct sim_vdpa *vdpa)
{
    struct sim_pf *pf = NULL;

    switch ((enum vdpad_act_kind) act->kind) {
    case VDPAD_ACT_VDPA_DEL:
        return !strcmp(vdpa->name, act->object)
               && sim_is_where_expected(act, vdpa);
    case VDPAD_ACT_VDPA_UNBIND:
        return !strcmp(vdpa->name, act->object);
    case VDPAD_ACT_VDPA_BIND:
        return !strcmp(vdpa->name, act->object)
               && strcmp(vdpa->driver, act->word);
    case VDPAD_ACT_VF_UNBIND:
        return !strcmp(vdpa->dev, act->object);
    case VDPAD_ACT_VF_PROBE:
        return !strcmp(vdpa->dev, act->object)
               && sim_is_unbound_first(act,
                                       sim_find_vf(sim, act->object, &pf));
    case VDPAD_ACT_NUMVFS:
    case VDPAD_ACT_ESWITCH_MODE:
        if (!sim_find_vf(sim, vdpa->dev, &pf)
            || strcmp(pf->bdf, act->object)) {
            return false;
        }
        /* What a driver refuses takes nothing away. */
        return act->kind == VDPAD_ACT_NUMVFS
                   ? !act->number
                   : act->number != pf->mode
                         && sim->order != SIM_ORDER_MODE_FIRST;
    case VDPAD_ACT_MODULE_LOAD:
    case VDPAD_ACT_AUTOPROBE:
    case VDPAD_ACT_FEATURE:
    case VDPAD_ACT_VDPA_ADD:
    case VDPAD_ACT_VDPA_SET_MAC:
    case VDPAD_ACT_LINK_UP:
    case VDPAD_ACT_LINK_MTU:
    case VDPAD_ACT_QDISC_DEL:
    case VDPAD_ACT_FILTER_DEL:
    case VDPAD_ACT_PORT_HW_ADDR:
    case VDPAD_ACT_VPORT_DEL:
    case VDPAD_ACT_N:
    default:
        return false;
    }
}

static bool
is_away(const struct sim *sim, const struct sim_vdpa *vdpa)
{
    return vdpa->netdev >= 0 && sim->netdevs[vdpa->netdev].away;
}

/* The first device that 'act' would take away from a holder, or, with
 * 'also_away', from another namespace; NULL: none. */
static struct sim_vdpa *
find_held(struct sim *sim, const struct vdpad_act *act, bool also_away)
{
    for (int i = 0; i < SIM_VDPAS; i++) {
        struct sim_vdpa *vdpa = &sim->vdpas[i];

        if (vdpa->used
            && (sim_find_holder(sim, vdpa)
                || (also_away && is_away(sim, vdpa)))
            && disturbs(sim, act, vdpa)) {
            return vdpa;
        }
    }
    return NULL;
}

/* The VF that 'act' would take away from who has its VFIO device open; NULL:
 * none. */
static const struct sim_vf *
find_vfio_held(struct sim *sim, const struct vdpad_act *act)
{
    const struct sim_pf *pf = sim_find_pf(sim, act->object);
    const struct sim_vf *vf = sim_find_vf(sim, act->object, NULL);

    if (act->kind == VDPAD_ACT_VF_UNBIND
        || (act->kind == VDPAD_ACT_VF_PROBE
            && sim_is_unbound_first(act, vf))) {
        return vf && vf->vfio_pid ? vf : NULL;
    }
    if (!pf
        || !((act->kind == VDPAD_ACT_NUMVFS && !act->number)
             || (act->kind == VDPAD_ACT_ESWITCH_MODE
                 && act->number != pf->mode))) {
        return NULL;
    }
    for (vf = pf->vfs; vf < pf->vfs + pf->totalvfs; vf++) {
        if (vf->vfio_pid) {
            return vf;
        }
    }
    return NULL;
}

/* Does 'act' now, whoever holds what. */
static int
do_act(struct sim *sim, const struct vdpad_act *act, struct vdpad_error *why)
{
    struct sim_pf *pf = sim_find_pf(sim, act->object);
    int error;

    switch ((enum vdpad_act_kind) act->kind) {
    case VDPAD_ACT_MODULE_LOAD:
        error = sim_load_module(sim, act->object, why);
        break;
    case VDPAD_ACT_AUTOPROBE:
    case VDPAD_ACT_NUMVFS:
    case VDPAD_ACT_ESWITCH_MODE:
    case VDPAD_ACT_PORT_HW_ADDR:
        if (!pf) {
            error = vdpad_error_set(why, -ENODEV, "%s: no such device",
                                    act->object);
        } else if (act->kind == VDPAD_ACT_AUTOPROBE) {
            pf->autoprobe = act->number ? 1 : 0;
            error = 0;
        } else if (act->kind == VDPAD_ACT_NUMVFS) {
            error = sim_set_numvfs(sim, pf, act, why);
        } else if (act->kind == VDPAD_ACT_ESWITCH_MODE) {
            error = sim_set_mode(sim, pf, act, why);
        } else {
            error = sim_set_hw_addr(pf, act, why);
            sim_touch(sim, BIT(VDPAD_DLPORT));
        }
        break;
    case VDPAD_ACT_VF_PROBE:
        error = sim_probe_vf(sim, act, why);
        break;
    case VDPAD_ACT_VF_UNBIND:
        error = sim_unbind_vf(sim, act, why);
        break;
    case VDPAD_ACT_VDPA_ADD:
        error = sim_add_vdpa(sim, act, why);
        break;
    case VDPAD_ACT_VDPA_DEL:
    case VDPAD_ACT_VDPA_SET_MAC:
    case VDPAD_ACT_VDPA_BIND:
    case VDPAD_ACT_VDPA_UNBIND:
        error = sim_change_vdpa(sim, act, why);
        break;
    case VDPAD_ACT_FEATURE:
    case VDPAD_ACT_LINK_UP:
    case VDPAD_ACT_LINK_MTU:
    case VDPAD_ACT_QDISC_DEL:
    case VDPAD_ACT_VPORT_DEL:
    case VDPAD_ACT_FILTER_DEL:
        error = sim_change_netdev(sim, act, why);
        break;
    case VDPAD_ACT_N:
    default:
        error = vdpad_error_set(why, -EINVAL, "unknown step");
        break;
    }
    sim_settle(sim);
    return error;
}

static int
block(struct sim *sim, const struct vdpad_act *act, struct sim_vdpa *vdpa,
      int *ret_block, struct vdpad_error *why)
{
    for (int i = 0; i < SIM_BLOCKS; i++) {
        struct sim_block *b = &sim->blocks[i];

        if (!b->used) {
            memset(b, 0, sizeof *b);
            b->used = true;
            b->act = *act;
            /* Unbinding through sysfs holds the device's lock alone; the
             * rest runs under the vdpa core's. */
            b->freezes = act->kind != VDPAD_ACT_VDPA_UNBIND
                         && act->kind != VDPAD_ACT_VDPA_BIND;
            vdpa->dying = true;
            vdpa->is_unlinked = b->freezes;
            vdpa->driver[0] = '\0';
            sim_touch(sim, BIT(VDPAD_VBUS));
            *ret_block = i;
            return SIM_BLOCKED;
        }
    }
    return vdpad_error_set(why, -ENOMEM, "too many blocked steps");
}

int
sim_apply(struct sim *sim, const struct vdpad_act *act, bool guard,
          int *ret_block, struct vdpad_error *why)
{
    struct sim_vdpa *held = find_held(sim, act, guard && !act->force);
    const struct sim_vf *vf = find_vfio_held(sim, act);
    const struct sim_pf *pf = sim_find_pf(sim, act->object);

    if (guard && !act->number && pf && pf->numvfs
        && (act->kind == VDPAD_ACT_AUTOPROBE
            || (act->kind == VDPAD_ACT_NUMVFS && act->seen > 0
                && act->seen != pf->numvfs))) {
        return vdpad_error_set(why, -ESTALE, "%s: has %d VFs by now", pf->bdf,
                               pf->numvfs);
    }
    if (vf && guard && !act->force) {
        return vdpad_error_set(why, -EBUSY, "%s: in use by pid %d (qemu)",
                               vf->bdf, vf->vfio_pid);
    }

    if (held && guard && !act->force) {
        const struct sim_holder *h = sim_find_holder(sim, held);

        if (!h) {
            return vdpad_error_set(why, -EBUSY,
                                   "%s: in use: its netdev is "
                                   "in another network namespace",
                                   held->name);
        }
        if (!h->command[0]) {
            return vdpad_error_set(why, -EBUSY,
                                   "%s: in use: features are negotiated, "
                                   "though no process is seen to have it "
                                   "open",
                                   held->name);
        }
        return vdpad_error_set(why, -EBUSY, "%s: in use by pid %d (%s)",
                               held->name, h->pid, h->command);
    }
    return held ? block(sim, act, held, ret_block, why)
                : do_act(sim, act, why);
}

void
sim_run_blocks(struct sim *sim)
{
    for (int i = 0; i < SIM_BLOCKS; i++) {
        struct sim_block *b = &sim->blocks[i];

        if (b->used && !b->done && !find_held(sim, &b->act, false)) {
            b->error = do_act(sim, &b->act, &b->why);
            b->done = true;
            if (b->is_orphan) {
                memset(b, 0, sizeof *b);
            }
        }
    }
}

void
sim_orphan_blocks(struct sim *sim)
{
    for (int i = 0; i < SIM_BLOCKS; i++) {
        struct sim_block *b = &sim->blocks[i];

        b->is_orphan = b->used;
        if (b->done) {
            memset(b, 0, sizeof *b);
        }
    }
}

bool
sim_block_is_done(struct sim *sim, int i, int *ret_error,
                  struct vdpad_error *why)
{
    struct sim_block *b = &sim->blocks[i];

    if (!b->done) {
        return false;
    }
    *ret_error = b->error;
    if (b->error && why) {
        *why = b->why;
    }
    memset(b, 0, sizeof *b);
    return true;
}
