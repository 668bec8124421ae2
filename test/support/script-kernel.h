/* SPDX-License-Identifier: Apache-2.0 */

/* Ports of which a test writes every answer itself: a kernel and a database
 * that are as slow, as wrong and as disorderly as the test says. */

#ifndef TEST_SCRIPT_KERNEL_H
#define TEST_SCRIPT_KERNEL_H

#include <vdpad/kernel.h>
#include <vdpad/store.h>

#define SCRIPT_MAX 128

/* A step that was submitted and has not been answered. */
struct script_step {
    struct vdpad_act act;
    unsigned int batch; /* 1 is the first. */
    vdpad_done_cb *cb;
    void *aux;
};

struct script_kernel {
    struct vdpad_kernel up;
    struct {
        vdpad_observed_cb *cb; /* NULL: nothing is under way. */
        void *aux;
        unsigned int n_asked;
        int refusal; /* What observe() returns. */
    } classes[VDPAD_N_CLASSES];
    size_t n_steps;
    struct script_step steps[SCRIPT_MAX];
    unsigned int n_batches;
    int refusal; /* What submit() returns. */
};

void script_kernel_init(struct script_kernel *);

/* Answers what is asked of 'class_' by 'n' rows of MODULE-like keys: enough to
 * tell pictures apart. */
void script_answer(struct script_kernel *, enum vdpad_class class_, size_t n);

/* Likewise by an error. */
void script_fail(struct script_kernel *, enum vdpad_class class_, int error);

/* Answers all classes that are asked for. */
void script_answer_all(struct script_kernel *);

/* Ends the step 'i' of those under way. */
void script_end(struct script_kernel *, size_t i, int error);

struct script_store {
    struct vdpad_store up;
    vdpad_committed_cb *cb; /* NULL: no transaction is under way. */
    void *aux;
    unsigned int n_commits;
    size_t n_ops; /* Of the newest. */
    enum vdpad_dbop_kind kinds[SCRIPT_MAX];
    char key[128], value[256]; /* Of its first one; "(null)". */
    int refusal;               /* What commit() returns. */
};

void script_store_init(struct script_store *);
void script_commit_ends(struct script_store *, int error);

#endif
