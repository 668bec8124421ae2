/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel that exists in this process only, as an implementation of
 * <vdpad/kernel.h>: the simulated host of fake-sim.h behind helper processes,
 * deadlines and events that can be slow, fail and lie as the real ones can.
 *
 * Faults are knobs: members of 'struct fake_knobs' or functions below.  All of
 * them can be turned at any time. */
#ifndef TEST_FAKE_KERNEL_H
#define TEST_FAKE_KERNEL_H 1

#include <stdio.h>

#include <vdpad/kernel.h>

#include "test/fake/fake-sim.h"

struct vdpad_loop;

struct fake_knobs {
    int64_t read_deadline_ns, step_deadline_ns, slow_deadline_ns;
    int64_t observe_delay_ns[VDPAD_N_CLASSES];
    int64_t step_delay_ns[VDPAD_ACT_N];
    int64_t query_delay_ns;
    int64_t event_delay_ns;   /* Between a change and its event. */
    int64_t repeat_delay_ns;  /* And again after that; 0: not. */
    unsigned int drop_events; /* So many of the next ones are lost. */
    bool is_reversed;         /* Completions come when all steps under
                                     * way have ended, last one first. */
};

/* Makes a kernel.  'loop' is woken for deadlines; NULL: the caller looks at
 * fake_kernel_next_ns().  'state' names a file that holds the simulated host
 * and is continued if it exists; NULL: in memory, from scratch.  Returns NULL
 * when 'state' cannot be used. */
struct vdpad_kernel *fake_kernel_new(struct vdpad_loop *loop,
                                     const char *state);

/* The host behind 'kernel'; after changes by hand call fake_kernel_poke(). */
struct sim *fake_kernel_sim(struct vdpad_kernel *kernel);
struct fake_knobs *fake_kernel_knobs(struct vdpad_kernel *kernel);
void fake_kernel_poke(struct vdpad_kernel *kernel);

/* Replaces the clock (CLOCK_MONOTONIC by default). */
void fake_kernel_set_clock(struct vdpad_kernel *kernel,
                           int64_t (*now_ns)(void *aux), void *aux);

/* When run() has something to do; INT64_MAX: never; in the past: now. */
int64_t fake_kernel_next_ns(struct vdpad_kernel *kernel);

enum fake_fault {
    FAKE_FAIL,  /* The step fails with errno and text. */
    FAKE_DELAY, /* It takes as long, once. */
    FAKE_LOSE,  /* It is done, but nobody ever hears of it: its
                         * deadline passes. */
};

/* The 'nth' (1: next) step of 'kind' whose object is 'object' (NULL: any)
 * and 'times' - 1 further ones have 'fault'.  Returns 0 or -ENOSPC. */
int fake_kernel_fault(struct vdpad_kernel *kernel, enum fake_fault fault,
                      int32_t kind, const char *object, unsigned int nth,
                      unsigned int times, int error, const char *text,
                      int64_t delay_ns);

/* The next 'times' observations of 'class_' end with 'error'. */
void fake_kernel_fail_observe(struct vdpad_kernel *kernel,
                              enum vdpad_class class_, int error,
                              unsigned int times);

/* As when the event sockets overflow: their events are gone. */
void fake_kernel_lose_events(struct vdpad_kernel *kernel);

/* How many steps of 'kind' were begun. */
unsigned int fake_kernel_n_steps(const struct vdpad_kernel *kernel,
                                 int32_t kind);

/* Everything as a JSON text; the caller frees it. */
char *fake_kernel_dump(struct vdpad_kernel *kernel);

/* The names that fake_kernel_command() knows. */
extern const char *const fake_kernel_commands[];
extern const size_t fake_kernel_n_commands;

/* One knob as text: 'argv[0]' is its name.  Returns 0 and perhaps a text in
 * '*ret_reply' that the caller frees, or a negative errno.  "help" lists
 * them. */
int fake_kernel_command(struct vdpad_kernel *kernel, int argc,
                        const char *argv[], char **ret_reply);

/* Runs the commands of 'script', separated by semicolons or newlines.
 * Returns 0, or the first failure's errno with 'why'. */
int fake_kernel_script(struct vdpad_kernel *kernel, const char *script,
                       struct vdpad_error *why);

#endif
