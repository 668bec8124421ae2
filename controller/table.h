/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for terminals, made of the very rows that --json prints. */
#ifndef VDPAD_TABLE_H
#define VDPAD_TABLE_H 1

#include <stdio.h>

#include "json.h"

struct vdpad_column {
    const char *title;
    const char *path; /* Member of the row: "offload.verdict". */
};

/* Prints 'rows' (an array of objects) with one line of titles; "none" when
 * there are no rows.  Columns of numbers are aligned to the right. */
void vdpad_table_print(FILE *stream, const json_t *rows,
                       const struct vdpad_column *columns, size_t n_columns);

/* The same as text, which the caller frees. */
char *vdpad_table_text(const json_t *rows, const struct vdpad_column *columns,
                       size_t n_columns);

/* The same in pieces, for what is too much for one turn.  'columns' must
 * outlive the table.  Rows are added one after the other and not needed any
 * more then; lines are printed when all of them are there, from 0 to less than
 * vdpad_table_lines(). */
struct vdpad_table *vdpad_table_new(const struct vdpad_column *columns,
                                    size_t n_columns);
void vdpad_table_free(struct vdpad_table *); /* NULL is allowed. */
void vdpad_table_add(struct vdpad_table *, const json_t *row);
size_t vdpad_table_lines(const struct vdpad_table *);
void vdpad_table_print_line(const struct vdpad_table *, size_t line,
                            FILE *stream);

/* Prints the members of 'object', one a line, each line after 'indent'; those
 * of objects in it as "outer.inner". */
void vdpad_sheet_print(FILE *stream, json_t *object, const char *indent);

/* A stream whose text vdpad_text_close() returns; the caller frees that. */
struct vdpad_text_stream {
    FILE *stream;
    char *text;
    size_t size;
};
void vdpad_text_open(struct vdpad_text_stream *);
char *vdpad_text_close(struct vdpad_text_stream *);

#endif
