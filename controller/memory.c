/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define SEC_NS INT64_C(1000000000)

/* A failing step is repeated at most this seldom: a person who mends the
 * cause has `reconcile`, and most mends are seen as a change anyway. */
#define BACKOFF_MAX_S 300

/* So often in a row without a pause. */
#define SUCCESSES 3
#define POSTPONEMENTS 8

struct vdpad_memory *
vdpad_memory_new(void)
{
    return vdpad_xcalloc(1, sizeof(struct vdpad_memory));
}

void
vdpad_memory_free(struct vdpad_memory *m)
{
    if (m) {
        free(m->entries);
        free(m->made);
        free(m->vfs);
        free(m->forced);
        free(m);
    }
}

void
vdpad_memory_key(char key[VDPAD_NAME_SIZE + 32], const char *action,
                 const char *object)
{
    vdpad_text(key, VDPAD_NAME_SIZE + 32, "%s %s", action, object);
}

static size_t
position(const struct vdpad_memory *m, const char *key, bool *found)
{
    return vdpad_position(m->entries, m->n, sizeof m->entries[0], key, found);
}

const struct vdpad_memory_entry *
vdpad_memory_find(const struct vdpad_memory *m, const char *key)
{
    bool found;
    size_t i = position(m, key, &found);

    return found ? &m->entries[i] : NULL;
}

static struct vdpad_memory_entry *
get(struct vdpad_memory *m, const char *key)
{
    bool found;
    size_t i = position(m, key, &found);

    if (!found) {
        m->entries = vdpad_grow(m->entries, m->n, &m->allocated,
                                sizeof *m->entries);
        memmove(&m->entries[i + 1], &m->entries[i],
                (m->n - i) * sizeof *m->entries);
        memset(&m->entries[i], 0, sizeof m->entries[i]);
        vdpad_copy(m->entries[i].key, sizeof m->entries[i].key, key);
        m->n++;
    }
    return &m->entries[i];
}

static void
delete_at(struct vdpad_memory *m, size_t i)
{
    memmove(&m->entries[i], &m->entries[i + 1],
            (m->n - i - 1) * sizeof *m->entries);
    m->n--;
}

void
vdpad_memory_started(struct vdpad_memory *m, const char *key)
{
    struct vdpad_memory_entry *e = get(m, key);

    e->in_flight = true;
    e->stuck = false;
}

bool
vdpad_memory_is_refusal(int error)
{
    return error == -EOPNOTSUPP || error == -EINVAL || error == -EBUSY;
}

/* When the next attempt is due after 'n' in a row, the first of which counts
 * as 0. */
static int64_t
backoff_ns(unsigned int n, int64_t now_ns)
{
    int64_t wait_s = INT64_C(1) << (n < 9 ? n : 9);

    return now_ns + SEC_NS * (wait_s < BACKOFF_MAX_S ? wait_s : BACKOFF_MAX_S);
}

/* The step ended and needs no pause, but for more than 'free' times in a
 * row. */
static void
repeat(struct vdpad_memory_entry *e, unsigned int free_, int64_t now_ns)
{
    e->next_ns = ++e->repeats <= free_
                     ? 0
                     : backoff_ns(e->repeats - free_ - 1, now_ns);
}

/* Keeps 'why' a step ended with 'error'. */
static void
set_error(struct vdpad_memory_entry *e, int error,
          const struct vdpad_error *why)
{
    if (why && why->text[0]) {
        e->error = *why;
    } else {
        vdpad_error_set(&e->error, error, "%s", strerror(-error));
    }
    e->error.code = error;
}

void
vdpad_memory_ended(struct vdpad_memory *m, const char *key, int error,
                   const struct vdpad_error *why, int64_t now_ns)
{
    struct vdpad_memory_entry *e = get(m, key);

    e->in_flight = false;
    e->stuck = false;
    if (!error) {
        e->failures = e->refusals = 0;
        repeat(e, SUCCESSES, now_ns);
        vdpad_error_set(&e->error, 0,
                        "%.150s: done %u times to no effect; does another "
                        "program undo it?",
                        e->key, e->repeats);
        return;
    }
    if (error == -ECANCELED || error == -ESTALE || error == -EAGAIN) {
        repeat(e, POSTPONEMENTS, now_ns);
        if (e->next_ns) {
            set_error(e, error, why);
        }
        return;
    }
    set_error(e, error, why);
    e->repeats = 0;
    e->refusals += vdpad_memory_is_refusal(error) && error != -EBUSY;
    if (error == -ETIMEDOUT || error == -ECOMM) {
        e->in_flight = true;
        e->stuck = true;
        return;
    }
    e->next_ns = backoff_ns(e->failures++, now_ns);
}

bool
vdpad_memory_any_stuck(const struct vdpad_memory *m)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->entries[i].stuck) {
            return true;
        }
    }
    return false;
}

/* The kernel port names requests as the keys are made. */
static bool
is_among(const struct vdpad_memory_entry *e, const struct vdpad_stuck *still,
         size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(e->key, still[i].what)) {
            return true;
        }
    }
    return false;
}

void
vdpad_memory_unstick(struct vdpad_memory *m, const struct vdpad_stuck *still,
                     size_t n)
{
    for (size_t i = m->n; i-- > 0;) {
        if (m->entries[i].stuck && !is_among(&m->entries[i], still, n)) {
            delete_at(m, i);
        }
    }
}

static void
forget_numbers(struct vdpad_memory *m)
{
    for (size_t i = 0; i < m->n_vfs; i++) {
        m->vfs[i].made = m->vfs[i].right = 0;
    }
}

void
vdpad_memory_former_ended(struct vdpad_memory *m)
{
    forget_numbers(m);
    m->n_made = 0;
}

void
vdpad_memory_retry_all(struct vdpad_memory *m)
{
    for (size_t i = 0; i < m->n; i++) {
        m->entries[i].next_ns = 0;
    }
    for (size_t i = 0; i < m->n_vfs; i++) {
        m->vfs[i].accepts = true;
    }
}

static struct vdpad_memory_vfs *
find_vfs(const struct vdpad_memory *m, const char *pf)
{
    for (size_t i = 0; i < m->n_vfs; i++) {
        if (!strcmp(m->vfs[i].pf, pf)) {
            return &m->vfs[i];
        }
    }
    return NULL;
}

static struct vdpad_memory_vfs *
get_vfs(struct vdpad_memory *m, const char *pf)
{
    struct vdpad_memory_vfs *vfs = find_vfs(m, pf);

    if (!vfs) {
        m->vfs = vdpad_grow(m->vfs, m->n_vfs, &m->allocated_vfs,
                            sizeof *m->vfs);
        vfs = &m->vfs[m->n_vfs++];
        memset(vfs, 0, sizeof *vfs);
        vdpad_copy(vfs->pf, sizeof vfs->pf, pf);
    }
    return vfs;
}

void
vdpad_memory_vfs_made(struct vdpad_memory *m, const char *pf, int32_t number)
{
    vdpad_memory_vfs_ours(m, pf, number > 0);
    if (number > 0) {
        get_vfs(m, pf)->made = number;
    }
}

void
vdpad_memory_vfs_recorded(struct vdpad_memory *m, const char *pf, int32_t made,
                          int32_t asked)
{
    if (made > 0) {
        get_vfs(m, pf)->made = made;
    }
    if (asked > 0) {
        get_vfs(m, pf)->right = asked;
    }
}

void
vdpad_memory_vfs_seen(struct vdpad_memory *m, const char *pf, int32_t number)
{
    struct vdpad_memory_vfs *vfs = find_vfs(m, pf);

    if (vfs && vfs->accepts) {
        vfs->accepts = false;
        vdpad_memory_vfs_right(m, pf, number);
    }
}

void
vdpad_memory_vfs_right(struct vdpad_memory *m, const char *pf, int32_t number)
{
    if (number > 0) {
        get_vfs(m, pf)->right = number;
    }
}

bool
vdpad_memory_vfs_changed(const struct vdpad_memory *m, const char *pf,
                         int32_t number)
{
    const struct vdpad_memory_vfs *vfs = find_vfs(m, pf);

    return vfs && !vfs->accepts && (vfs->made || vfs->right) && number > 0
           && number != vfs->made && number != vfs->right;
}

void
vdpad_memory_vfs_ours(struct vdpad_memory *m, const char *pf, bool ours)
{
    if (ours || find_vfs(m, pf)) {
        get_vfs(m, pf)->were_ours = ours;
    }
}

bool
vdpad_memory_vfs_were_ours(const struct vdpad_memory *m, const char *pf)
{
    const struct vdpad_memory_vfs *vfs = find_vfs(m, pf);

    return vfs && vfs->were_ours;
}

void
vdpad_memory_prune(struct vdpad_memory *m, vdpad_memory_wanted *wanted,
                   void *aux)
{
    for (size_t i = m->n; i-- > 0;) {
        if (!m->entries[i].in_flight && !wanted(&m->entries[i], aux)) {
            delete_at(m, i);
        }
    }
}

static struct vdpad_memory_made *
find_made(const struct vdpad_memory *m, const char *name)
{
    for (size_t i = 0; i < m->n_made; i++) {
        if (!strcmp(m->made[i].name, name)) {
            return &m->made[i];
        }
    }
    return NULL;
}

const struct vdpad_memory_made *
vdpad_memory_find_made(const struct vdpad_memory *m, const char *name)
{
    return find_made(m, name);
}

static struct vdpad_memory_made *
add_made(struct vdpad_memory *m, const char *name)
{
    struct vdpad_memory_made *made = find_made(m, name);

    if (!made) {
        m->made = vdpad_grow(m->made, m->n_made, &m->allocated_made,
                             sizeof *m->made);
        made = &m->made[m->n_made++];
        memset(made, 0, sizeof *made);
        vdpad_copy(made->name, sizeof made->name, name);
    }
    return made;
}

void
vdpad_memory_note(struct vdpad_memory *m, const struct vdpad_act *act)
{
    struct vdpad_memory_made *made = act->kind == VDPAD_ACT_VDPA_ADD
                                         ? add_made(m, act->object)
                                         : find_made(m, act->object);

    if (!made) {
        return;
    }
    if (act->kind == VDPAD_ACT_VDPA_DEL) {
        *made = m->made[--m->n_made];
    } else if (act->kind == VDPAD_ACT_VDPA_ADD
               || act->kind == VDPAD_ACT_VDPA_SET_MAC) {
        if (act->kind == VDPAD_ACT_VDPA_ADD) {
            made->mtu = act->mtu;
            made->max_vqp = act->max_vqp;
        }
        made->has_mac = act->has_mac;
        memcpy(made->mac, act->mac, sizeof made->mac);
    }
}

void
vdpad_memory_force(struct vdpad_memory *m, const char *policy, bool on)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n_forced; i++) {
        if (strcmp(m->forced[i], policy) != 0
            && (on || (strcmp(m->forced[i], "*") && strcmp(policy, "*")))) {
            memmove(m->forced[n++], m->forced[i], sizeof *m->forced);
        }
    }
    m->n_forced = n;
    if (on) {
        m->forced = vdpad_xrealloc(m->forced, m->n_forced + 1,
                                   sizeof *m->forced);
        vdpad_copy(m->forced[m->n_forced++], sizeof *m->forced, policy);
    }
}

bool
vdpad_memory_is_forced(const struct vdpad_memory *m, const char *policy)
{
    for (size_t i = 0; i < m->n_forced; i++) {
        if (!strcmp(m->forced[i], "*") || !strcmp(m->forced[i], policy)) {
            return true;
        }
    }
    return false;
}
