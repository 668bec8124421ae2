/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the fake kernel, for fake-*.c alone. */
#ifndef TEST_FAKE_PRIVATE_H
#define TEST_FAKE_PRIVATE_H 1

#include "fake-kernel.h"

#define FAKE_EVENTS 64
#define FAKE_FAULTS 32
#define FAKE_ALL_CLASSES ((1u << VDPAD_N_CLASSES) - 1)

struct fake_event {
    unsigned int mask; /* 0: free. */
    bool is_lost;
    int64_t when_ns;
};

struct fake_observe {
    vdpad_observed_cb *cb; /* NULL: none under way. */
    void *aux;
    int64_t begun_ns, due_ns;
    bool has_picture;
    struct vdpad_picture picture;
};

struct fake_fault_rule {
    enum fake_fault fault;
    int32_t kind;
    unsigned int nth, times; /* 0 times: free. */
    int error;
    int64_t delay_ns;
    char object[VDPAD_NAME_SIZE];
    char text[VDPAD_ERROR_TEXT];
};

/* A batch and its current step. */
struct fake_batch {
    struct fake_batch *next;
    vdpad_done_cb *cb;
    void *aux;
    size_t n, i;
    int64_t begun_ns, due_ns;
    bool is_begun, is_applied;
    bool is_lost, is_failing;
    bool is_stuck; /* Past its deadline; all is reported. */
    int block;     /* Of the sim; -1: none. */
    int error;
    struct vdpad_error why;
    struct vdpad_act acts[];
};

struct fake_completion {
    struct fake_completion *next;
    vdpad_done_cb *cb;
    void *aux;
    struct vdpad_act act;
    int error;
    struct vdpad_error why;
};

struct fake_query {
    struct fake_query *next;
    struct vdpad_flow_query query;
    vdpad_flow_query_cb *cb;
    void *aux;
    int64_t begun_ns;
};

struct fake_kernel {
    struct vdpad_kernel up;
    struct vdpad_loop *loop;
    struct sim *sim;
    struct fake_knobs knobs;
    int64_t (*clock)(void *aux);
    void *clock_aux;
    vdpad_invalidated_cb *invalidated;
    void *invalidated_aux;
    struct fake_event events[FAKE_EVENTS];
    struct fake_observe observes[VDPAD_N_CLASSES];
    struct {
        int error;
        unsigned int times;
    } observe_faults[VDPAD_N_CLASSES];
    struct fake_fault_rule faults[FAKE_FAULTS];
    struct fake_batch *batches;
    struct fake_completion *completions;
    struct fake_query *queries;
    struct vdpad_kernel_stats stats;
    unsigned int n_steps[VDPAD_ACT_N];
};

static inline struct fake_kernel *
fake_kernel_cast(const struct vdpad_kernel *kernel)
{
    return (struct fake_kernel *) (uintptr_t) kernel;
}

extern const struct vdpad_kernel_ops fake_kernel_ops;

int64_t fake_now_ns(const struct fake_kernel *k);

/* fake-query.c */
int fake_query(struct vdpad_kernel *kernel,
               const struct vdpad_flow_query *query, vdpad_flow_query_cb *cb,
               void *aux);
void fake_queries_run(struct fake_kernel *k, int64_t now);
int64_t fake_queries_next_ns(const struct fake_kernel *k);
void fake_queries_clear(struct fake_kernel *k);

/* Makes events of what has changed in the sim. */
void fake_collect_changes(struct fake_kernel *k);
void fake_schedule_event(struct fake_kernel *k, unsigned int mask,
                         bool is_lost, int64_t when_ns);

#endif
