/* SPDX-License-Identifier: Apache-2.0 */
/* A picture that is being built. */
#ifndef VDPAD_NETLINK_ROWS_H
#define VDPAD_NETLINK_ROWS_H 1

#include <vdpad/model.h>

struct vdpad_rows {
    struct vdpad_picture picture;
    size_t capacity;
};

/* Makes 'rows' empty for 'class_'; nothing is allocated. */
void vdpad_rows_init(struct vdpad_rows *rows, enum vdpad_class class_);

/* Frees what 'rows' holds and leaves it empty. */
void vdpad_rows_clear(struct vdpad_rows *rows);

/* Appends a row of zeros and returns it: borrowed until the next call. */
void *vdpad_rows_add(struct vdpad_rows *rows);

/* Removes the last row. */
void vdpad_rows_drop(struct vdpad_rows *rows);

/* realloc() and calloc() that abort when there is no memory: a process that
 * has none for a few kilobytes cannot do anything useful about it. */
void *vdpad_nl_realloc(void *p, size_t n, size_t size);
void *vdpad_nl_calloc(size_t n, size_t size);

#endif
