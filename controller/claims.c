/* SPDX-License-Identifier: Apache-2.0 */
#include "claims.h"

void
vdpad_claim_vfs(const struct vdpad_record *record, struct vdpad_memory *memory)
{
    for (size_t i = 0; i < record->n_pfs; i++) {
        const struct vdpad_record_pf *pf = &record->pfs[i];

        vdpad_memory_vfs_ours(memory, pf->bdf, vdpad_record_has_vfs(pf));
        if (pf->numvfs == 0) {
            vdpad_memory_vfs_recorded(memory, pf->bdf, pf->vfs_made,
                                      pf->vfs_asked);
        }
    }
}

void
vdpad_note_vfs(const struct vdpad_world *world, struct vdpad_memory *memory)
{
    for (size_t i = 0; i < world->n_pfs; i++) {
        const struct vdpad_pf *pf = &world->pfs[i];
        bool recorded = pf->record && vdpad_record_has_vfs(pf->record);
        char key[VDPAD_NAME_SIZE + 32];
        const struct vdpad_memory_entry *e;

        vdpad_memory_key(key, vdpad_act_name(VDPAD_ACT_NUMVFS), pf->pci->bdf);
        e = vdpad_memory_find(memory, key);
        if (!recorded || (pf->pci->numvfs > 0 && !(e && e->in_flight))) {
            vdpad_memory_vfs_ours(
                memory, pf->pci->bdf,
                recorded
                    && !vdpad_memory_vfs_changed(memory, pf->pci->bdf,
                                                 pf->pci->numvfs));
        }
        if (world->observed->class_[VDPAD_PCI].fresh) {
            vdpad_memory_vfs_seen(memory, pf->pci->bdf, pf->pci->numvfs);
        }
        if (pf->want_numvfs == pf->pci->numvfs) {
            vdpad_memory_vfs_right(memory, pf->pci->bdf, pf->pci->numvfs);
        }
    }
}
