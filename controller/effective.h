/* SPDX-License-Identifier: Apache-2.0 */
/* Whether hw-offload is in effect in the ovs-vswitchd that runs.
 *
 * The key is read when a process starts and, the first time that it is true,
 * while it runs; it is never switched off again before the process ends
 * (lib/netdev-offload.c of 2.17 to 3.6, lib/dpif-offload.c since 3.7).  So
 * what the database says and what is in effect can differ, and only the
 * process itself can tell:
 *
 *   dpif/offload/show         since 3.7: says so in its first line;
 *   upcall/show               before: has a line "offloaded flows" for a
 *                             datapath exactly when one of its ports was
 *                             handed to TC, which a process in which it is in
 *                             effect does with every port of the kernel's;
 *   dpctl/offload-stats-show  before, of a userspace datapath: fails with
 *                             EINVAL where it is not in effect.
 *
 * It is asked when another process runs, when the key changes, when the first
 * port comes, and, if its answer is older than 5 s, when a command shows it.
 * While it differs from the key it is asked again after 1, 2, 4 … 60 s. */
#ifndef VDPAD_EFFECTIVE_H
#define VDPAD_EFFECTIVE_H 1

#include <stdbool.h>
#include <stdint.h>

#include <vdpad/store.h>
#include <vdpad/vswitchd.h>

#include "history.h"

enum vdpad_effect {
    VDPAD_EFFECT_UNKNOWN,
    VDPAD_EFFECT_NO,
    VDPAD_EFFECT_YES,
};

struct vdpad_effect_state {
    enum vdpad_effect effect;
    int32_t pid;       /* Of the process; 0: none runs. */
    bool has_run;      /* One did, where it is looked for. */
    char told_by[160]; /* The command; if unknown, why. */
    /* What to do, since it differs from the key; "" when it does not.  Only
     * said once the process has been asked twice, and then until it answers
     * otherwise. */
    char remedy[200];
    int64_t differs_since_ms; /* Since the epoch; 0: it does not. */
};

struct vdpad_effective;

/* 'vswitchd' may be NULL: nothing is ever known then.  Both are borrowed. */
struct vdpad_effective *vdpad_effective_new(struct vdpad_vswitchd *vswitchd,
                                            struct vdpad_history *history);
/* Forgets a question under way: 'vswitchd' must not run afterwards. */
void vdpad_effective_free(struct vdpad_effective *);

/* The key of 'db' (NULL: not read yet), true as Open vSwitch understands
 * it. */
bool vdpad_hw_offload_configured(const struct vdpad_snapshot *db);

/* Asks if it is time to; 'db' may be NULL. */
void vdpad_effective_run(struct vdpad_effective *,
                         const struct vdpad_snapshot *db, int64_t now_ns);

/* When to run next (monotonic), INT64_MAX: when something changes. */
int64_t vdpad_effective_next_ns(const struct vdpad_effective *);

/* What is known, borrowed until the next run.  Has it asked again by the next
 * run if that is old. */
const struct vdpad_effect_state *vdpad_effective_get(struct vdpad_effective *);

#endif
