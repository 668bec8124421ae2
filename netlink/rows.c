/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include <stdlib.h>
#include <string.h>

void *
vdpad_nl_realloc(void *p, size_t n, size_t size)
{
    void *q = reallocarray(p, n, size);

    if (!q) {
        abort();
    }
    return q;
}

void *
vdpad_nl_calloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);

    if (!p) {
        abort();
    }
    return p;
}

void
vdpad_rows_init(struct vdpad_rows *rows, enum vdpad_class class_)
{
    *rows = (struct vdpad_rows){
        .picture = { .class_ = class_, .row_size = vdpad_row_size(class_) },
    };
}

void
vdpad_rows_clear(struct vdpad_rows *rows)
{
    vdpad_picture_clear(&rows->picture);
    rows->capacity = 0;
}

void *
vdpad_rows_add(struct vdpad_rows *rows)
{
    struct vdpad_picture *p = &rows->picture;
    char *row;

    if (p->n == rows->capacity) {
        rows->capacity = rows->capacity ? rows->capacity * 2 : 16;
        p->rows = vdpad_nl_realloc(p->rows, rows->capacity, p->row_size);
    }
    row = (char *) p->rows + p->n * p->row_size;
    memset(row, 0, p->row_size);
    p->n++;
    return row;
}

void
vdpad_rows_drop(struct vdpad_rows *rows)
{
    rows->picture.n--;
    if (!rows->picture.n) {
        vdpad_rows_clear(rows);
    }
}
