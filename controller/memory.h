/* SPDX-License-Identifier: Apache-2.0 */
/* What must be remembered between two plans and is no observation: which
 * steps are under way, which failed and when they are due again, what an
 * operator has forced. */
#ifndef VDPAD_MEMORY_H
#define VDPAD_MEMORY_H 1

#include <vdpad/action.h>
#include <vdpad/error.h>
#include <vdpad/kernel.h>

struct vdpad_memory_entry {
    char key[VDPAD_NAME_SIZE + 32]; /* "vdpa-add vdpa:0000:65:00.2" */
    bool in_flight;
    bool stuck;               /* Past its deadline, still in the kernel. */
    unsigned int failures;    /* In a row. */
    unsigned int refusals;    /* Since the last success: failures that
                               * vdpad_memory_is_refusal(), but for EBUSY. */
    unsigned int repeats;     /* Ends in a row that were no failures. */
    int64_t next_ns;          /* Due again; 0: at once. */
    struct vdpad_error error; /* Of the last failure. */
};

/* The values that a vDPA device was last given by us; 0, false: none. */
struct vdpad_memory_made {
    char name[VDPAD_NAME_SIZE];
    int32_t mtu, max_vqp;
    bool has_mac;
    uint8_t mac[6];
};

/* Numbers of VFs that a PF had because of us. */
struct vdpad_memory_vfs {
    char pf[VDPAD_NAME_SIZE];
    int32_t made;  /* Last made by us; 0: none. */
    int32_t right; /* Last seen to be what the policy said; 0: none. */
    bool accepts;  /* The number that is seen next is as good as ours. */
    bool were_ours;
};

struct vdpad_memory {
    size_t n, allocated;
    struct vdpad_memory_entry *entries; /* Sorted by key. */
    int64_t grace_until_ns;             /* Stale ports are kept until then. */
    size_t n_made, allocated_made;
    struct vdpad_memory_made *made;
    size_t n_vfs, allocated_vfs;
    struct vdpad_memory_vfs *vfs;
    size_t n_forced;
    char (*forced)[VDPAD_NAME_SIZE]; /* Policies torn down by --force; "*":
                                         * all. */
};

struct vdpad_memory *vdpad_memory_new(void);
void vdpad_memory_free(struct vdpad_memory *);

/* The key of a step: its action's name and its object. */
void vdpad_memory_key(char key[VDPAD_NAME_SIZE + 32], const char *action,
                      const char *object);

/* The entry of 'key', or NULL. */
const struct vdpad_memory_entry *vdpad_memory_find(const struct vdpad_memory *,
                                                   const char *key);

/* Whether 'error' says "not now" or "not in this order" rather than that
 * something is broken. */
bool vdpad_memory_is_refusal(int error);

void vdpad_memory_started(struct vdpad_memory *, const char *key);

/* With an 'error' the next attempt is due after 1, 2, 4 … 300 s; -ETIMEDOUT
 * leaves it in flight and stuck, and so does -ECOMM (see vdpad_done_cb).
 * -ECANCELED, -ESTALE and -EAGAIN are no failures: due at once, unless that
 * goes on.  Likewise after a success (0), the entry of which goes with the
 * plan that no longer has the step: one that is planned again and again has no
 * effect. */
void vdpad_memory_ended(struct vdpad_memory *, const char *key, int error,
                        const struct vdpad_error *why, int64_t now_ns);

bool vdpad_memory_any_stuck(const struct vdpad_memory *);

/* Some stuck step has ended some way.  Forgets of all of them that they are in
 * flight, except of those named among the 'n' requests that are 'still' in the
 * kernel. */
void vdpad_memory_unstick(struct vdpad_memory *,
                          const struct vdpad_stuck *still, size_t n);

/* The last helper process of an earlier daemon has ended: numbers of VFs and
 * devices may be its work.  Forgets what is known of ours. */
void vdpad_memory_former_ended(struct vdpad_memory *);

/* Makes every failed step due now, and accepts all numbers of VFs that are
 * seen next: whatever there is now is to become what the policy says. */
void vdpad_memory_retry_all(struct vdpad_memory *);

/* Forgets entries that are not in flight and that 'wanted' does not
 * accept. */
typedef bool vdpad_memory_wanted(const struct vdpad_memory_entry *entry,
                                 void *aux);
void vdpad_memory_prune(struct vdpad_memory *, vdpad_memory_wanted *wanted,
                        void *aux);

/* What the device 'name' was made with; NULL: not made by us since our
 * start. */
const struct vdpad_memory_made *
vdpad_memory_find_made(const struct vdpad_memory *, const char *name);

/* 'act' has made, changed or deleted a vDPA device. */
void vdpad_memory_note(struct vdpad_memory *, const struct vdpad_act *act);

/* A step of ours has made the 'number' of VFs on 'pf', or removed all: 0. */
void vdpad_memory_vfs_made(struct vdpad_memory *, const char *pf,
                           int32_t number);

/* As vdpad_memory_vfs_made() of an earlier daemon, that had then 'asked' for
 * more or fewer, perhaps in vain; -1: never. */
void vdpad_memory_vfs_recorded(struct vdpad_memory *, const char *pf,
                               int32_t made, int32_t asked);

/* So many are seen on 'pf' now: accepted if that was asked for. */
void vdpad_memory_vfs_seen(struct vdpad_memory *, const char *pf,
                           int32_t number);

/* As many as its policy says were seen there; 0 is no number. */
void vdpad_memory_vfs_right(struct vdpad_memory *, const char *pf,
                            int32_t number);

/* VFs on 'pf' were seen to be ours, or not to be. */
void vdpad_memory_vfs_ours(struct vdpad_memory *, const char *pf, bool ours);

/* Whether VFs on 'pf' were ours before they went without us.  A reset brings
 * them back, and fails a step that would make them anew meanwhile. */
bool vdpad_memory_vfs_were_ours(const struct vdpad_memory *, const char *pf);

/* Whether the VFs of 'pf', 'number' of them, are so many because of somebody
 * else: it had another number by us since our start. */
bool vdpad_memory_vfs_changed(const struct vdpad_memory *, const char *pf,
                              int32_t number);

/* Switching off ends what was forced for all policies, too. */
void vdpad_memory_force(struct vdpad_memory *, const char *policy, bool on);
bool vdpad_memory_is_forced(const struct vdpad_memory *, const char *policy);

#endif
