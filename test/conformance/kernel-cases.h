/* SPDX-License-Identifier: Apache-2.0 */
/* What an implementation of <vdpad/kernel.h> must do, as cases that are
 * written once and run on the fake kernel and on the real one.  What the cases
 * need to arrange, and what they are judged by, comes from a 'struct kc_env':
 * the fake's own state, or the commands vdpa, devlink, ip, tc and ethtool and
 * sysfs. */
#ifndef TEST_KERNEL_CASES_H
#define TEST_KERNEL_CASES_H 1

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <vdpad/kernel.h>

/* A vDPA device as others see it. */
struct kc_vdpa {
    char vf[VDPAD_BDF_SIZE];
    char driver[VDPAD_WORD_SIZE]; /* "" when unbound. */
    char mac[18];                 /* "" when not told. */
    int mtu, max_vqp;             /* 0 when not told. */
};

struct kc_link {
    int ifindex, mtu;
    bool up;
};

struct kc_env {
    struct vdpad_kernel *kernel; /* Fresh for each case. */
    const char *pf;              /* BDF: no VFs, legacy mode, autoprobe
                                     * on; vDPA's modules are loaded. */
    const char *uplink;          /* Netdev of 'pf'. */
    const char *vf_driver;       /* That claims VFs by itself. */
    const char *missing_module;  /* One of ours that this kernel lacks. */
    int totalvfs;
    int64_t step_deadline_ns; /* Of quick steps; small. */
    const struct kc_ops *ops;
};

/* None of them returns when something is wrong: they fail the test. */
struct kc_ops {
    /* Makes env->kernel over a clean host; ends it. */
    void (*begin)(struct kc_env *);
    void (*end)(struct kc_env *);

    /* Lets env->kernel run until 'is_done' or a generous limit, after which
     * it returns false. */
    bool (*pump)(struct kc_env *, bool (*is_done)(void *aux), void *aux);

    /* Others act. */
    void (*set_numvfs)(struct kc_env *, int n);
    void (*set_switchdev)(struct kc_env *, bool on);
    /* The PF begins to reset itself: its VFs are gone by the return, and come
     * back a second later. */
    void (*reset)(struct kc_env *);
    void (*add_vdpa)(struct kc_env *, const char *name, const char *vf);
    void (*del_vdpa)(struct kc_env *, const char *name);
    void (*add_qdisc)(struct kc_env *, const char *ifname);
    /* Makes 'n' flower filters that only software does the only ones under
     * the qdisc of 'ifname'. */
    void (*set_filters)(struct kc_env *, const char *ifname, int n);
    /* Two flower filters with Open vSwitch's cookie at its ingress, priority
     * 2, and perhaps one without. */
    void (*add_filters)(struct kc_env *, const char *ifname, bool foreign);
    void (*rename)(struct kc_env *, const char *ifname, const char *to);
    /* A process opens the char device of 'vdpa'; returns its pid. */
    int (*hold)(struct kc_env *, const char *vdpa);
    /* The same, but it negotiates features, and then has the descriptor on
     * its way to another process, so that none is seen to have it open. */
    void (*hold_unseen)(struct kc_env *, const char *vdpa);
    /* It lets go. */
    void (*release)(struct kc_env *, const char *vdpa);

    /* What others see. */
    int (*numvfs)(struct kc_env *);
    bool (*is_switchdev)(struct kc_env *);
    void (*vf_bdf)(struct kc_env *, int index, char bdf[VDPAD_BDF_SIZE]);
    void (*vf_driver)(struct kc_env *, const char *bdf,
                      char driver[VDPAD_WORD_SIZE]);
    bool (*vdpa)(struct kc_env *, const char *name, struct kc_vdpa *);
    bool (*link)(struct kc_env *, const char *ifname, struct kc_link *);
    bool (*has_qdisc)(struct kc_env *, const char *ifname);
    bool (*has_tc_offload)(struct kc_env *, const char *ifname);
    /* MAC of the function behind VF 'index', as devlink says. */
    void (*function_mac)(struct kc_env *, int index, char mac[18]);
};

/* Runs all cases whose name contains one of the 'n' words 'filters' (none:
 * all); returns how many failed. */
int kc_run(struct kc_env *env, int n, char *filters[]);

/* For the files kernel-cases*.c. */

#define KC_CASE(NAME)                            \
    {                                            \
#NAME, NAME, kc_setup, kc_teardown, NULL \
    }
int kc_setup(void **state);
int kc_teardown(void **state);
extern struct kc_env *kc_env;
extern const struct CMUnitTest kc_general_cases[];
extern const size_t kc_n_general_cases;
extern const struct CMUnitTest kc_pf_cases[];
extern const size_t kc_n_pf_cases;
extern const struct CMUnitTest kc_netdev_cases[];
extern const size_t kc_n_netdev_cases;
extern const struct CMUnitTest kc_vdpa_cases[];
extern const size_t kc_n_vdpa_cases;
extern const struct CMUnitTest kc_use_cases[];
extern const size_t kc_n_use_cases;
extern const struct CMUnitTest kc_flow_cases[];
extern const size_t kc_n_flow_cases;

/* Ends of steps, in the order they came. */
struct kc_done {
    size_t n;
    struct {
        struct vdpad_act act;
        int error;
        char text[VDPAD_ERROR_TEXT];
    } ends[16];
};

/* Invalidations since the last kc_forget(). */
extern unsigned int kc_invalidated;
extern bool kc_lost;
void kc_forget(void);
/* Waits until all of 'mask' have been invalidated. */
void kc_wait_invalidated(unsigned int mask);

/* Observes 'class_' now.  Returns the error; 0: '*picture' is the caller's to
 * clear. */
int kc_observe(enum vdpad_class class_, struct vdpad_picture *picture);

/* Likewise, but fails the test on an error, and repeats when asked to. */
void kc_picture(enum vdpad_class class_, struct vdpad_picture *picture);

/* Observes 'class_' until 'accept' likes the picture, each time after an
 * invalidation or a moment. */
void kc_until(enum vdpad_class class_,
              bool (*accept)(const struct vdpad_picture *, void *aux),
              void *aux);

/* Finds the row of 'p' whose text member at 'offset' is 'text'; NULL: none. */
const void *kc_find_row(const struct vdpad_picture *p, size_t offset,
                        const char *text);
#define KC_FIND(PICTURE, TYPE, MEMBER, TEXT)    \
    ((const struct TYPE *) kc_find_row(PICTURE, \
                                       offsetof(struct TYPE, MEMBER), TEXT))

struct vdpad_act kc_act(int32_t kind, const char *object, const char *word,
                        int64_t number);
/* Submits one step and waits for its end; returns its error, with its text in
 * 'text' (NULL is allowed). */
int kc_step(struct vdpad_act act, char text[VDPAD_ERROR_TEXT]);
/* Likewise with the common members. */
int kc_do(int32_t kind, const char *object, const char *word, int64_t number);
/* Submits without waiting. */
void kc_submit(const struct vdpad_act *acts, size_t n, struct kc_done *done);
void kc_wait_done(struct kc_done *done, size_t n);

/* VFs 0…n-1 exist in switchdev mode, all representors are there, and no
 * change is under way. */
void kc_make_vfs(int n);
/* The representor of VF 'index': name and ifindex. */
void kc_representor(int index, struct vdpad_dlport *port);
/* Adds vDPA device 'name' on VF 'index' bound to 'driver'. */
void kc_make_vdpa(const char *name, int index, const char *driver);

#endif
