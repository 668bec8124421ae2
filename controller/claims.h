/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps what is known of the VFs of each PF up to date: how many there were
 * because of us, and whether they are ours. */
#ifndef VDPAD_CLAIMS_H
#define VDPAD_CLAIMS_H 1

#include "memory.h"
#include "record.h"
#include "world.h"

/* VFs on record may be there without our having seen them yet: made by an
 * earlier daemon, or by its last helper process. */
void vdpad_claim_vfs(const struct vdpad_record *record,
                     struct vdpad_memory *memory);

/* Notes the numbers of VFs that are as they should be, and which are ours: not
 * of those that come while a step of ours is to make some. */
void vdpad_note_vfs(const struct vdpad_world *world,
                    struct vdpad_memory *memory);

#endif
