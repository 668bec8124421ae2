/* SPDX-License-Identifier: Apache-2.0 */
#include "track-index.h"

#include <stdlib.h>

#include "rows.h"

#define FIRST_SIZE 64u

static uint32_t
make_slot(uint32_t hash, uint32_t id)
{
    return (hash >> 20) << 20 | (id + 1);
}

static uint32_t
slot_id(uint32_t slot)
{
    return (slot & VDPAD_INDEX_MAX) - 1;
}

static void
put(struct vdpad_index *index, uint32_t hash, uint32_t slot)
{
    uint32_t mask = index->n_slots - 1;
    uint32_t i = hash & mask;

    while (index->slots[i]) {
        i = (i + 1) & mask;
    }
    index->slots[i] = slot;
}

static void
resize(struct vdpad_index *index, uint32_t n_slots,
       vdpad_index_hash_fn *hash_of, const void *aux)
{
    struct vdpad_index old = *index;

    index->n_slots = n_slots;
    index->slots = vdpad_nl_calloc(n_slots, sizeof *index->slots);
    for (uint32_t i = 0; i < old.n_slots; i++) {
        if (old.slots[i]) {
            put(index, hash_of(aux, slot_id(old.slots[i])), old.slots[i]);
        }
    }
    free(old.slots);
}

void
vdpad_index_add(struct vdpad_index *index, uint32_t hash, uint32_t id,
                vdpad_index_hash_fn *hash_of, const void *aux)
{
    if (!index->n_slots) {
        resize(index, FIRST_SIZE, hash_of, aux);
    } else if (((uint64_t) index->used + 1) * 8
               > (uint64_t) index->n_slots * 7) {
        resize(index, index->n_slots * 2, hash_of, aux);
    }
    put(index, hash, make_slot(hash, id));
    index->used++;
}

static uint32_t
find(const struct vdpad_index *index, uint32_t hash, uint32_t id)
{
    uint32_t mask = index->n_slots - 1;
    uint32_t i = hash & mask;

    while (slot_id(index->slots[i]) != id
           || index->slots[i] >> 20 != hash >> 20) {
        if (!index->slots[i]) {
            abort();
        }
        i = (i + 1) & mask;
    }
    return i;
}

void
vdpad_index_remove(struct vdpad_index *index, uint32_t hash, uint32_t id,
                   vdpad_index_hash_fn *hash_of, const void *aux)
{
    uint32_t mask = index->n_slots - 1;
    uint32_t hole = find(index, hash, id);

    /* What follows moves up, unless it is before its place then. */
    for (uint32_t i = (hole + 1) & mask; index->slots[i]; i = (i + 1) & mask) {
        uint32_t home = hash_of(aux, slot_id(index->slots[i])) & mask;

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            index->slots[hole] = index->slots[i];
            hole = i;
        }
    }
    index->slots[hole] = 0;
    index->used--;
    if (index->n_slots > FIRST_SIZE && index->used < index->n_slots / 8) {
        resize(index, index->n_slots / 2, hash_of, aux);
    }
}

void
vdpad_index_rename(struct vdpad_index *index, uint32_t hash, uint32_t id,
                   uint32_t new_id)
{
    index->slots[find(index, hash, id)] = make_slot(hash, new_id);
}

void
vdpad_index_clear(struct vdpad_index *index)
{
    free(index->slots);
    *index = (struct vdpad_index){ .slots = NULL };
}
