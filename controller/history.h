/* SPDX-License-Identifier: Apache-2.0 */
/* The last events, for event/list: a ring of fixed size. */
#ifndef VDPAD_HISTORY_H
#define VDPAD_HISTORY_H 1

#include <stddef.h>
#include <stdint.h>

#define VDPAD_HISTORY_SIZE 1024

struct vdpad_event {
    uint64_t serial;
    int64_t wall_ms;  /* Since the epoch. */
    char object[128]; /* Device, PF, "database", … */
    char what[32];    /* "state", "step", "database", … */
    char text[320];
};

struct vdpad_history;

struct vdpad_history *vdpad_history_new(void);
void vdpad_history_free(struct vdpad_history *);
void vdpad_history_add(struct vdpad_history *, const char *object,
                       const char *what, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* How many there are, and the 'i'th of them, oldest first. */
size_t vdpad_history_n(const struct vdpad_history *);
const struct vdpad_event *vdpad_history_get(const struct vdpad_history *,
                                            size_t i);

#endif
