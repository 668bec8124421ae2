/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of so many rows that they are made and printed over several turns of
 * the loop. */
#ifndef VDPAD_CMD_ROWS_H
#define VDPAD_CMD_ROWS_H 1

#include "cmd-call.h"

/* Adds the next few rows to 'rows', an empty array: what takes well under a
 * millisecond.  Between two calls a turn may pass, in which the world is made
 * anew.  Returns false when these are the last. */
typedef bool vdpad_next_rows_cb(struct vdpad_call *call, void *aux,
                                json_t *rows);
typedef void vdpad_free_cb(void *aux);

/* Answers 'call', which is freed, with all rows that 'next' makes: the same as
 * vdpad_call_reply_table() says of them.  What is made of them in a turn takes
 * VDPAD_SLICE_NS; the first slice is made at once.  'columns' must last;
 * 'free_aux' ends 'aux'. */
void vdpad_call_reply_rows(struct vdpad_call *call,
                           const struct vdpad_column *columns,
                           size_t n_columns, vdpad_next_rows_cb *next,
                           vdpad_free_cb *free_aux, void *aux);

#endif
