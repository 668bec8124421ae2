/* SPDX-License-Identifier: Apache-2.0 */
/* Planning: from the joined world to the steps that bring it closer to what
 * is wanted, with a reason for each, and to the state of each device with one
 * reason.  Pure. */
#ifndef VDPAD_PLAN_H
#define VDPAD_PLAN_H 1

#include <vdpad/action.h>
#include <vdpad/store.h>

#include "memory.h"
#include "world.h"

enum vdpad_step_kind {
    VDPAD_STEP_KERNEL, /* 'act'. */
    VDPAD_STEP_DB,     /* 'op'. */
    VDPAD_STEP_RECORD, /* 'rec': our own record only, no outside
                             * effect; not printed by `plan`. */
};

enum vdpad_rec_kind {
    VDPAD_REC_PF_NUMVFS,
    VDPAD_REC_PF_MODE,
    VDPAD_REC_PF_AUTOPROBE,
    VDPAD_REC_PF_MTU,
    VDPAD_REC_PF_TC,     /* Remember 'number' of PF 'object',
                                         * unless something is remembered; -1:
                                         * forget that. */
    VDPAD_REC_VFS_ASKED, /* 'number' of VFs is asked for on PF
                                         * 'object'. */
    VDPAD_REC_VFS_MADE,  /* So many are ours there; -1: none. */
    VDPAD_REC_PF_DEL,    /* Forget PF 'object'. */
    VDPAD_REC_DEV,       /* VF 'object' is under policy
                                         * 'word'; 'name' is its device that
                                         * we make ("" when adopted). */
    VDPAD_REC_DEV_DEL,   /* Forget VF 'object'. */
    VDPAD_REC_PORT,      /* The device on VF 'object' is given
                                         * to port 'word' ("": to none). */
    VDPAD_REC_VF,        /* VF 'object' is given to vfio-pci. */
    VDPAD_REC_VF_DEL,    /* Forget that. */
    VDPAD_REC_POLICY,    /* Policy 'object' is applied, of
                                         * database 'word'. */
    VDPAD_REC_POLICY_DEL,
};

struct vdpad_rec {
    enum vdpad_rec_kind kind;
    char object[VDPAD_NAME_SIZE];
    char word[VDPAD_IFACE_ID_SIZE];
    char name[VDPAD_NAME_SIZE];
    int32_t number;
};

/* One step.  Strings in 'op' belong to the plan. */
struct vdpad_step {
    enum vdpad_step_kind kind;
    struct vdpad_act act;
    struct vdpad_dbop op;
    struct vdpad_rec rec;
    uint32_t lane;  /* Kernel steps of one lane go in one batch, in
                             * order; lanes are independent. */
    bool deferred;  /* Failed before; not due yet. */
    bool is_joined; /* All such steps go into one transaction. */
    bool in_flight; /* Under way already. */
    char reason[VDPAD_REASON_SIZE];
};

/* What is known of the users of devices decides nothing once it is older. */
#define VDPAD_USE_AGE_NS INT64_C(2000000000)

struct vdpad_plan {
    size_t n;
    struct vdpad_step *steps; /* In order of execution. */
    size_t n_due;             /* Kernel and database steps that are
                                     * neither deferred nor in flight. */
    int64_t next_ns;          /* When the first deferred one is due;
                                     * INT64_MAX: none. */
    bool wants_holders;       /* Something would be taken away if nobody
                                     * uses it, and who does is to be looked
                                     * at first. */
    void *arena;              /* Owns the strings. */
};

/* Plans.  Sets state and reason of the world's PFs and devices.  'memory'
 * tells what failed when and what is under way, 'now_ns' is monotonic.
 * Returns a plan owned by the caller. */
struct vdpad_plan *vdpad_plan_new(struct vdpad_world *world,
                                  const struct vdpad_memory *memory,
                                  int64_t now_ns);
void vdpad_plan_free(struct vdpad_plan *plan);

/* What `plan` prints of 'step': the action's name ("numvfs", "port-add") and
 * its object. */
const char *vdpad_step_action(const struct vdpad_step *step);
const char *vdpad_step_object(const struct vdpad_step *step);

#endif
