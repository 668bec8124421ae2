/* SPDX-License-Identifier: Apache-2.0 */
/* Between the parts of the planner. */
#ifndef VDPAD_PLAN_INTERNAL_H
#define VDPAD_PLAN_INTERNAL_H 1

#include "plan.h"

/* An Interface of ours and the VF that it says it is of. */
struct vdpad_own_iface {
    const char *vf;
    const struct vdpad_db_iface *iface;
};

struct vdpad_planner {
    struct vdpad_world *world;
    size_t n_own;
    struct vdpad_own_iface *own; /* Sorted by VF. */
    const struct vdpad_memory *memory;
    int64_t now_ns;
    struct vdpad_plan *plan;
    size_t allocated;

    /* Representors have got names that others had before them.  What becomes
     * of their rows must not be torn apart: the new content of one is the old
     * of another.  'joins': steps asked for at present are part of that. */
    bool has_exchange, joins;
};

/* What became of a step that was asked for. */
enum vdpad_ask {
    VDPAD_ASK_DUE,       /* It is in the plan. */
    VDPAD_ASK_IN_FLIGHT, /* In the plan, under way already. */
    VDPAD_ASK_STUCK,     /* Under way past its deadline. */
    VDPAD_ASK_DEFERRED,  /* In the plan, failed, due later. */
    VDPAD_ASK_OBSERVING, /* Not in the plan: the pictures that it depends
                             * on are being taken anew. */
    VDPAD_ASK_UNSURE,    /* Not in the plan: they cannot be had. */
};

/* Why an entry of the record that is in doubt is kept. */
#define VDPAD_FORMER_REASON                                         \
    "a helper process of an earlier daemon is still in the kernel " \
    "(pgrep vdpad-step), and may change it yet"

/* Lanes of kernel steps: batches that run side by side. */
#define VDPAD_LANE_MODULE 1u
#define VDPAD_LANE_LINK 2u
#define VDPAD_LANE_DEV 8u /* …+7, by the VF's index. */
#define VDPAD_LANE_PF 64u /* … by the PF's place. */
#define VDPAD_LANE_FORCED \
    4096u /* … by the device's place: steps that may
                                     * block get a batch of their own. */

/* Asks for a kernel step.  'act', which is copied, needs kind, object and its
 * values; 'reason' is why.  'text' becomes one line about what became of
 * it. */
enum vdpad_ask vdpad_ask_act(struct vdpad_planner *, uint32_t lane,
                             const struct vdpad_act *act,
                             char text[VDPAD_REASON_SIZE], const char *reason,
                             ...) __attribute__((format(printf, 5, 6)));

/* Likewise for a database step; strings of 'op' are copied. */
enum vdpad_ask vdpad_ask_db(struct vdpad_planner *,
                            const struct vdpad_dbop *op,
                            char text[VDPAD_REASON_SIZE], const char *reason,
                            ...) __attribute__((format(printf, 4, 5)));

/* Whether it is known by now who uses what.  If not, the plan asks for it: no
 * event tells when a device is opened, so that a picture of holders is worth
 * nothing for a decision once it has aged. */
bool vdpad_ask_holders(struct vdpad_planner *);

/* Whether what tells who uses what cannot be observed, so that
 * vdpad_ask_holders() may be false for long.  If so, 'text' says why. */
bool vdpad_are_holders_unseen(const struct vdpad_planner *,
                              char text[VDPAD_REASON_SIZE]);

/* Folds into a state that 'change' waits until it is known who uses what:
 * 'working' while that is looked at, WAITING when it cannot be seen. */
void vdpad_fold_holders(const struct vdpad_planner *, enum vdpad_state *state,
                        char reason[VDPAD_REASON_SIZE],
                        enum vdpad_state working, const char *change);

/* Whether all pictures in 'mask' (bits 1u << class) are fresh, so that what
 * they do not show is not there.  If not, 'text' says which one is not and
 * why, and the outcome is one that vdpad_fold() takes: OBSERVING or UNSURE. */
bool vdpad_ask_pictures(const struct vdpad_planner *, unsigned int mask,
                        enum vdpad_ask *ret_outcome,
                        char text[VDPAD_REASON_SIZE]);

/* vdpad_ask_act(), and its outcome folded into the state of 'dev'. */
enum vdpad_ask vdpad_ask_dev(struct vdpad_planner *, struct vdpad_dev *dev,
                             uint32_t lane, const struct vdpad_act *act,
                             const char *reason);

/* Whether a step of 'kind' (VDPAD_ACT_N: any) has to wait for another one that
 * is under way on 'pf'.  While the kernel removes VFs, say, they are out of
 * sight before they are gone. */
bool vdpad_pf_is_busy(const struct vdpad_planner *, const struct vdpad_pf *pf,
                      enum vdpad_act_kind kind);

/* Asks for a step on 'pf' itself, unless it must wait for another one under
 * way on it, and folds the outcome into its state. */
enum vdpad_ask vdpad_ask_pf(struct vdpad_planner *, struct vdpad_pf *pf,
                            enum vdpad_act_kind kind, int64_t number,
                            const char *reason);

/* Likewise for the database, and the port of 'dev' there. */
void vdpad_ask_port(struct vdpad_planner *, struct vdpad_dev *dev,
                    const struct vdpad_dbop *op, const char *reason);

/* The lane of the steps of 'dev'. */
uint32_t vdpad_dev_lane(const struct vdpad_dev *dev);

/* Whether the device is in the middle of a removal that waits for its user
 * ('text' says who): the kernel has taken its driver away already, or all of
 * it out of sysfs. */
bool vdpad_dev_is_late(const struct vdpad_dev *dev,
                       char text[VDPAD_REASON_SIZE]);

/* Adds a change of the record. */
void vdpad_ask_rec(struct vdpad_planner *, enum vdpad_rec_kind kind,
                   const char *object, const char *word, const char *name,
                   int32_t number);

/* This very step in the plan so far; NULL: none.  Devices share modules. */
const struct vdpad_step *vdpad_find_planned(const struct vdpad_planner *,
                                            enum vdpad_act_kind kind,
                                            const char *object);

/* What is remembered of step 'kind' on 'object': that it is under way, how it
 * ended last.  Borrowed; NULL: nothing. */
const struct vdpad_memory_entry *vdpad_ask_memory(const struct vdpad_planner *,
                                                  enum vdpad_act_kind kind,
                                                  const char *object);

/* Whether step 'kind' on 'object' is under way. */
bool vdpad_is_in_flight(const struct vdpad_planner *, enum vdpad_act_kind kind,
                        const char *object);

/* Folds into a state that step 'kind' on 'object', begun for another intent,
 * is still under way.  False when it is not: one that was never sent changes
 * nothing. */
bool vdpad_fold_begun(const struct vdpad_planner *, enum vdpad_state *state,
                      char reason[VDPAD_REASON_SIZE], enum vdpad_act_kind kind,
                      const char *object);

/* Folds the outcome of a step into a device's or PF's state: the first reason
 * of the gravest state stays.  'working' is the state while it is under way
 * (APPLYING or REMOVING). */
void vdpad_fold(enum vdpad_state *state, char reason[VDPAD_REASON_SIZE],
                enum vdpad_ask ask, enum vdpad_state working,
                const char *text);

/* Likewise without a step. */
void vdpad_fold_state(enum vdpad_state *state, char reason[VDPAD_REASON_SIZE],
                      enum vdpad_state new_state, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A string that lives as long as the plan. */
const char *vdpad_plan_strdup(struct vdpad_planner *, const char *);
void *vdpad_plan_alloc(struct vdpad_planner *, size_t n, size_t size);

/* The parts: PFs and VFs; vDPA devices, and their removal; ports; the rest of
 * the database. */
void vdpad_plan_pf(struct vdpad_planner *, struct vdpad_pf *pf);
void vdpad_plan_dev(struct vdpad_planner *, struct vdpad_dev *dev);
void vdpad_plan_removal(struct vdpad_planner *, struct vdpad_dev *dev);
void vdpad_plan_port(struct vdpad_planner *, struct vdpad_dev *dev);

/* Of a device that cannot be gone on with, or whose representor is away: the
 * row of its port waits for it, but another device may have its logical port
 * by now, or this one another's. */
void vdpad_plan_row(struct vdpad_planner *, struct vdpad_dev *dev);

/* Whether the VFs of 'pf' are gone but may be back in a moment, and are ours
 * then: they went without us.  A reset takes VFs away and brings them back,
 * and is told from another program by nothing.  Until we set their number: the
 * kernel answers when the reset is over (sriov_numvfs_show() and _store() of
 * drivers/pci/iov.c, 6.12, take the lock that drivers reset under). */
bool vdpad_vfs_may_return(const struct vdpad_planner *,
                          const struct vdpad_pf *pf);

/* Whether a helper process of an earlier daemon may still make VFs, and so
 * many that they would not be told from another program's once 'want' has been
 * recorded. */
bool vdpad_number_is_in_doubt(const struct vdpad_pf *pf, int32_t want);

/* Why it is not known whether the VFs that there are are those that were asked
 * for; it will be in a moment.  NULL: it is known. */
const char *vdpad_vfs_unproven(const struct vdpad_pf *pf);

/* Keeps what proves that the VFs there are ours, and gives up what does not:
 * of those that were asked for and did not come about, others may have made as
 * many as they liked. */
void vdpad_prove_vfs(struct vdpad_planner *, const struct vdpad_pf *pf);

/* Fills 'own': before any port is planned. */
void vdpad_plan_index(struct vdpad_planner *);
void vdpad_plan_db(struct vdpad_planner *);

/* Remembers the value 'present' of 'pf' before it is changed for the first
 * time: unless something is 'recorded' already (-1: nothing), or the step that
 * changes it is not about to be done: what others do meanwhile is not ours. */
void vdpad_pf_remember(struct vdpad_planner *, const struct vdpad_pf *pf,
                       enum vdpad_rec_kind kind, int32_t present,
                       int32_t recorded, enum vdpad_ask outcome);

/* The value is what it was before us, and whoever changes it now has his
 * reasons: it is no longer remembered.  Unless that is a step of ours which is
 * under way. */
void vdpad_pf_let_go(struct vdpad_planner *, const struct vdpad_pf *pf,
                     enum vdpad_rec_kind kind);

/* Whether step 'kind' (NUMVFS or ESWITCH_MODE) on 'pf' takes 'dev' away: the
 * VFs go with both, subfunctions with the mode alone. */
bool vdpad_step_takes(const struct vdpad_dev *dev, const struct vdpad_pf *pf,
                      enum vdpad_act_kind kind);

/* Whether there is a device that must not be taken away by step 'kind' on
 * 'pf': 'text' says why. */
bool vdpad_pf_is_needed(const struct vdpad_planner *,
                        const struct vdpad_pf *pf, enum vdpad_act_kind kind,
                        char text[VDPAD_REASON_SIZE]);

/* Whether a policy that cannot be read at present may have VFs of 'pf': those
 * that no driver has are nobody's. */
bool vdpad_pf_may_be_needed(const struct vdpad_planner *,
                            const struct vdpad_pf *pf);

/* Whether it is known by now who uses the devices of 'pf'; if not, that goes
 * into its state.  A device that is needed by the last picture is needed until
 * a newer one says otherwise (see ctl.c, HOLDER_POLL_NS). */
bool vdpad_pf_users_known(struct vdpad_planner *, struct vdpad_pf *pf,
                          enum vdpad_act_kind kind, enum vdpad_state working);

/* Whether what a policy no longer asks for may be given back now. */
bool vdpad_pf_may_give_back(const struct vdpad_planner *,
                            const struct vdpad_pf *pf);

/* Binds the VFs of 'pf': those that a policy covers as it says, the others to
 * what the kernel finds, as they would have been had we not held them back.
 * What keeps those from their driver that no device is to be on goes into
 * 'vf_state'. */
void vdpad_plan_vfs(struct vdpad_planner *, struct vdpad_pf *pf);

/* Whether a VF of 'pf' was given to vfio-pci for a policy. */
bool vdpad_has_given_vfs(const struct vdpad_planner *,
                         const struct vdpad_pf *pf);

/* Takes back what was given to vfio-pci of a PF that no policy needs; true
 * when nothing is left to do. */
bool vdpad_restore_vfs(struct vdpad_planner *, struct vdpad_pf *pf);

/* The uplink of 'pf' as its policies want it. */
void vdpad_plan_uplink(struct vdpad_planner *, struct vdpad_pf *pf);

/* Gives the uplink back as it was; true when nothing is left to do. */
bool vdpad_restore_uplink(struct vdpad_planner *, struct vdpad_pf *pf);

/* Asks to take the port of 'dev' out of the database if it is ours.  True
 * when there is (still) one, or may be. */
bool vdpad_plan_detach(struct vdpad_planner *, struct vdpad_dev *dev);

#endif
