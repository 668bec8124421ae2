/* SPDX-License-Identifier: Apache-2.0 */
/* Policies that claim the same VFs, or want one PF in two ways. */
#include "config-parse.h"

#include <stdio.h>
#include <string.h>

bool
vdpad_selectors_overlap(const struct vdpad_pf_selector *a,
                        const struct vdpad_pf_selector *b,
                        struct vdpad_range *ret_both)
{
    static const struct vdpad_range all = { 0, VDPAD_VF_INDEX_MAX };
    const struct vdpad_range *ar = a->n_ranges ? a->ranges : &all;
    const struct vdpad_range *br = b->n_ranges ? b->ranges : &all;
    size_t an = a->n_ranges ? a->n_ranges : 1;
    size_t bn = b->n_ranges ? b->n_ranges : 1;

    for (size_t i = 0, j = 0; i < an && j < bn;) {
        if (ar[i].last < br[j].first) {
            i++;
        } else if (br[j].last < ar[i].first) {
            j++;
        } else {
            ret_both->first = ar[i].first > br[j].first ? ar[i].first
                                                        : br[j].first;
            ret_both->last = ar[i].last < br[j].last ? ar[i].last : br[j].last;
            return true;
        }
    }
    return false;
}

void
vdpad_range_format(const struct vdpad_range *r, char *buf, size_t size)
{
    if (r->first == r->last) {
        snprintf(buf, size, "VF %u", r->first);
    } else if (!r->first && r->last == VDPAD_VF_INDEX_MAX) {
        snprintf(buf, size, "all VFs");
    } else {
        snprintf(buf, size, "VFs %u-%u", r->first, r->last);
    }
}

static bool
pfs_conflict(const struct vdpad_policy *winner,
             const struct vdpad_policy *loser,
             const struct vdpad_pf_selector *w,
             const struct vdpad_pf_selector *l, char *why, size_t size)
{
    struct vdpad_range both;
    char text[32];

    if (vdpad_selectors_overlap(w, l, &both)) {
        vdpad_range_format(&both, text, sizeof text);
        snprintf(why, size,
                 "%s of %s %s also in " VDPAD_KEY_POLICY "%s, of "
                 "the same priority %d; separate the ranges or give one of "
                 "the two a lower priority=",
                 text, l->name, both.first == both.last ? "is" : "are",
                 winner->name, winner->priority);
        return true;
    }
    if (winner->num_vfs >= 0 && loser->num_vfs >= 0
        && winner->num_vfs != loser->num_vfs) {
        snprintf(why, size,
                 "num-vfs=%d contradicts num-vfs=%d of " VDPAD_KEY_POLICY
                 "%s, which has %s too, of the same "
                 "priority %d; write the same number in both",
                 loser->num_vfs, winner->num_vfs, winner->name, l->name,
                 winner->priority);
        return true;
    }
    if (winner->eswitch_mode != VDPAD_ESWITCH_NONE
        && loser->eswitch_mode != VDPAD_ESWITCH_NONE
        && winner->eswitch_mode != loser->eswitch_mode) {
        snprintf(why, size,
                 "the e-switch of %s cannot be both switchdev and "
                 "legacy: " VDPAD_KEY_POLICY "%s, of the same priority %d, "
                 "wants it otherwise; write the same eswitch-mode in both",
                 l->name, winner->name, winner->priority);
        return true;
    }
    return false;
}

bool
vdpad_policies_conflict(const struct vdpad_policy *winner,
                        const struct vdpad_policy *loser, char *why,
                        size_t size)
{
    if (!winner->n_pfs && !loser->n_pfs && winner->vendor == loser->vendor
        && winner->device == loser->device) {
        snprintf(why, size,
                 "the same devices are also in " VDPAD_KEY_POLICY
                 "%s, of the same priority %d; give one of "
                 "the two a lower priority=",
                 winner->name, winner->priority);
        return true;
    }
    for (size_t i = 0; i < winner->n_pfs; i++) {
        for (size_t j = 0; j < loser->n_pfs; j++) {
            if (!strcmp(winner->pfs[i].name, loser->pfs[j].name)
                && pfs_conflict(winner, loser, &winner->pfs[i], &loser->pfs[j],
                                why, size)) {
                return true;
            }
        }
    }
    return false;
}
