/* SPDX-License-Identifier: Apache-2.0 */
/* Hash index of small numbers: finds by hash the numbers ("ids") of things
 * that are kept elsewhere.  Open addressing with linear probing; a slot is 32
 * bits, 20 for the id and 12 of its hash, so that those of others are passed
 * over without a look at them. */
#ifndef VDPAD_NETLINK_TRACK_INDEX_H
#define VDPAD_NETLINK_TRACK_INDEX_H 1

#include <stddef.h>
#include <stdint.h>

/* Ids are smaller. */
#define VDPAD_INDEX_MAX ((1u << 20) - 1)
#define VDPAD_INDEX_NONE UINT32_MAX

struct vdpad_index {
    uint32_t *slots; /* 0: free. */
    uint32_t n_slots, used;
};

/* The hash of a thing whose id is in the index. */
typedef uint32_t vdpad_index_hash_fn(const void *aux, uint32_t id);

/* Adds 'id', which must not be there. */
void vdpad_index_add(struct vdpad_index *index, uint32_t hash, uint32_t id,
                     vdpad_index_hash_fn *hash_of, const void *aux);

/* Removes 'id', which must be there under 'hash'. */
void vdpad_index_remove(struct vdpad_index *index, uint32_t hash, uint32_t id,
                        vdpad_index_hash_fn *hash_of, const void *aux);

/* Makes the slot of 'id', which must be there under 'hash', hold 'new_id'. */
void vdpad_index_rename(struct vdpad_index *index, uint32_t hash, uint32_t id,
                        uint32_t new_id);

void vdpad_index_clear(struct vdpad_index *index);

/* Ids that may have 'hash', one after the other, VDPAD_INDEX_NONE at the end.
 * '*position' is to be VDPAD_INDEX_NONE first. */
static inline uint32_t
vdpad_index_probe(const struct vdpad_index *index, uint32_t hash,
                  uint32_t *position)
{
    uint32_t mask = index->n_slots - 1;

    if (!index->n_slots) {
        return VDPAD_INDEX_NONE;
    }
    *position = *position == VDPAD_INDEX_NONE ? hash & mask
                                              : (*position + 1) & mask;
    for (;;) {
        uint32_t slot = index->slots[*position];

        if (!slot) {
            return VDPAD_INDEX_NONE;
        }
        if (slot >> 20 == hash >> 20) {
            return (slot & VDPAD_INDEX_MAX) - 1;
        }
        *position = (*position + 1) & mask;
    }
}

/* Mixes two numbers to a hash. */
static inline uint32_t
vdpad_index_hash(uint32_t a, uint32_t b)
{
    uint64_t x = ((uint64_t) a << 32 | b) + UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t) (x ^ x >> 31);
}

#endif
