/* SPDX-License-Identifier: Apache-2.0 */
/* Whose the VFs of a physical function are: those that there are, and those
 * that may come. */
#include "plan-internal.h"

bool
vdpad_vfs_may_return(const struct vdpad_planner *p, const struct vdpad_pf *pf)
{
    return pf->record && pf->record->numvfs == 0 && pf->pci->numvfs == 0
           && pf->pci->driver[0] && !pf->external
           && vdpad_memory_vfs_were_ours(p->memory, pf->pci->bdf);
}

bool
vdpad_number_is_in_doubt(const struct vdpad_pf *pf, int32_t want)
{
    const struct vdpad_record_pf *r = pf->record;

    return r && r->vfs_in_doubt && r->vfs_asked > 0 && r->vfs_asked != want;
}

const char *
vdpad_vfs_unproven(const struct vdpad_pf *pf)
{
    const struct vdpad_record_pf *r = pf->record;

    if (pf->pci->numvfs == 0 || !r || r->numvfs != 0
        || vdpad_record_has_vfs(r)) {
        return NULL;
    }
    return r->vfs_in_doubt ? VDPAD_FORMER_REASON
                           : "whose VFs these are is being observed";
}

void
vdpad_prove_vfs(struct vdpad_planner *p, const struct vdpad_pf *pf)
{
    const struct vdpad_record_pf *r = pf->record;
    int32_t have = pf->pci->numvfs;
    char text[VDPAD_REASON_SIZE];
    enum vdpad_ask outcome;

    if (!r || r->numvfs != 0 || r->vfs_in_doubt || have == 0
        || have == r->vfs_made
        || vdpad_is_in_flight(p, VDPAD_ACT_NUMVFS, pf->pci->bdf)
        || !vdpad_ask_pictures(p, 1u << VDPAD_PCI, &outcome, text)) {
        return;
    }
    if (have == r->vfs_asked
        || (have == pf->want_numvfs && vdpad_record_has_vfs(r))) {
        vdpad_ask_rec(p, VDPAD_REC_VFS_MADE, pf->pci->bdf, "", "", have);
    } else if (!vdpad_record_has_vfs(r)) {
        vdpad_pf_let_go(p, pf, VDPAD_REC_PF_NUMVFS);
    }
}
