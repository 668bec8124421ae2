/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of `why`: what offload of a device needs, one small function
 * each, in the order in which one would look for a fault.  A new check is one
 * more function and one more line in a table. */
#ifndef VDPAD_CMD_WHY_H
#define VDPAD_CMD_WHY_H 1

#include <vdpad/flow-query.h>

#include "effective.h"
#include "offload.h"
#include "world.h"

/* Open vSwitch's unit, in remedies, at their end. */
#define VDPAD_OVS_UNIT "openvswitch-switch # RHEL, Fedora: openvswitch"

enum vdpad_check_result {
    VDPAD_CHECK_OK,
    VDPAD_CHECK_FAIL,
    VDPAD_CHECK_UNKNOWN,
    VDPAD_CHECK_SKIP, /* Does not concern this device. */
};

struct vdpad_finding {
    enum vdpad_check_result result;
    char seen[VDPAD_REASON_SIZE];
    char remedy[VDPAD_REASON_SIZE]; /* To be pasted into a shell, or one
                                         * sentence; "": none needed. */
};

/* Flows that were asked for because some are not in hardware. */
struct vdpad_why_flows {
    int error; /* 0, or why there are none. */
    struct vdpad_error why;
    bool is_cut; /* There are others, of whatever netdev. */
    unsigned int n_pages;
    size_t n, capacity;
    struct vdpad_why_source {
        int32_t ifindex; /* Where they come in; 0: several. */
        uint32_t block;
        bool is_cut; /* There are others of this one. */
        size_t n;
        struct vdpad_flow_detail *worst; /* With most packets in software. */
    } * sources;
    /* What the driver says of some. */
    size_t n_probes;
    struct vdpad_why_probe {
        struct vdpad_flow_pos at;
        int error;
        char text[VDPAD_ERROR_TEXT];
    } probes[4];
};

struct vdpad_check_input {
    const struct vdpad_world *world;
    const struct vdpad_dev *dev; /* NULL in checks of the host. */
    const struct vdpad_looks *looks;
    const struct vdpad_effect_state *effect;
    /* In TC but in software; in the kernel datapath.  NULL: not asked for. */
    const struct vdpad_why_flows *tc, *datapath;
    bool is_early; /* Not all was observed anew before. */
};

struct vdpad_check {
    const char *name;
    void (*run)(const struct vdpad_check_input *, struct vdpad_finding *);
    unsigned int genl; /* Classes that it looks at and that come over generic
                        * netlink (bits 1u << class), which another program's
                        * act can stop for the whole host. */
};

/* All end at an entry without a name.  Checks of the host apply to all
 * devices, and are made first. */
extern const struct vdpad_check vdpad_checks_host[];
extern const struct vdpad_check vdpad_checks_guests[];   /* Of the host too */
extern const struct vdpad_check vdpad_checks_consumer[]; /* Likewise */
extern const struct vdpad_check vdpad_checks_consumer_port[];
extern const struct vdpad_check vdpad_checks_chain[];  /* PF to vDPA */
extern const struct vdpad_check vdpad_checks_uplink[]; /* Uplink, bond */
extern const struct vdpad_check vdpad_checks_port[];   /* Representor, OVS */

extern const struct vdpad_check vdpad_checks_flows[]; /* Single flows */

/* Takes a page into 'into', the answer to 'query'.  Returns true with 'query'
 * made the one for the next page; false when there is none or there were
 * enough.  vdpad_why_flows_clear() frees what was taken. */
bool vdpad_why_take_page(struct vdpad_why_flows *into,
                         struct vdpad_flow_query *query,
                         const struct vdpad_flow_detail *flows, size_t n,
                         bool more);
void vdpad_why_flows_clear(struct vdpad_why_flows *);

/* The flow of 'dev' that carries most packets in software; NULL: there is none
 * among those that were taken.  'n' becomes the number of these, 'is_cut'
 * whether there may be others. */
const struct vdpad_flow_detail *
vdpad_why_worst(const struct vdpad_why_flows *flows,
                const struct vdpad_dev *dev, size_t *n, bool *is_cut);

/* Whether 'flow' is a filter that whoever made it keeps out of hardware. */
bool vdpad_why_is_skip_hw(const struct vdpad_flow_detail *flow);

/* Whether the kernel datapath had flows of 'dev', which has a representor,
 * when they were counted. */
bool vdpad_why_has_kernel_flows(const struct vdpad_observed *,
                                const struct vdpad_dev *dev);

/* Says that the check does not concern the device. */
void vdpad_skip(struct vdpad_finding *);

/* Fill a finding; 'format' is what was seen.  vdpad_remedy() adds what to
 * do. */
void vdpad_found(struct vdpad_finding *, enum vdpad_check_result,
                 const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void vdpad_remedy(struct vdpad_finding *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Names from outside in a remedy that is pasted: 'word' as it is if a shell
 * takes it as one plain word, else quoted; cut names are never a different
 * word, since one that does not fit is left out as "NAME". */
#define VDPAD_SHELL_SIZE 160
const char *vdpad_shell_word(const char *word, char buf[VDPAD_SHELL_SIZE]);

/* Finds out whether all modules 'names' (NULL at the end) can be had.
 * 'remedy' says what to do about a missing one. */
void vdpad_check_modules(const struct vdpad_check_input *,
                         struct vdpad_finding *, const char *const *names,
                         const char *remedy);

/* The value of a fact of VDPAD_HOST, borrowed; NULL: not known. */
const char *vdpad_host_fact(const struct vdpad_world *, const char *name);

/* The check "chardev-label": what SELinux and AppArmor make of the char
 * device. */
void vdpad_check_chardev_label(const struct vdpad_check_input *,
                               struct vdpad_finding *);

/* Whether there is a picture of 'class_'.  If not, the finding says so. */
bool vdpad_check_knows(const struct vdpad_check_input *,
                       enum vdpad_class class_, struct vdpad_finding *);

/* Likewise, and whether it could be observed when that was last tried: what
 * can be made out no longer is not certain. */
bool vdpad_check_knows_now(const struct vdpad_check_input *,
                           enum vdpad_class class_, struct vdpad_finding *);

/* Whether the picture of 'class_' is none, or older than what is shown as if
 * it were new. */
bool vdpad_check_doubts(const struct vdpad_check_input *,
                        enum vdpad_class class_);

#endif
