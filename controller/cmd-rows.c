/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd-rows.h"

#include <stdlib.h>
#include <string.h>

#include <vdpad/loop.h>

#include "util.h"

struct answer {
    struct vdpad_call *call;
    vdpad_next_rows_cb *next;
    vdpad_free_cb *free_aux;
    void *aux;
    bool is_complete;          /* All rows are made. */
    struct vdpad_table *table; /* NULL: JSON. */
    size_t line;               /* Next to be printed. */
    bool has_printed;
    struct vdpad_text_stream out;
};

/* As an element of the indented array that vdpad_json_dump() would print. */
static void
print_json(struct answer *answer, json_t *row)
{
    json_t *one = json_array();
    char *text;

    vdpad_json_add(one, json_incref(row));
    text = vdpad_json_dump(one);
    /* Without the brackets, each on a line of its own. */
    text[strlen(text) - strlen("\n]")] = '\0';
    fputs(answer->has_printed ? "," : "[", answer->out.stream);
    fputs(text + strlen("["), answer->out.stream);
    answer->has_printed = true;
    free(text);
}

static void
make_rows(struct answer *answer)
{
    json_t *rows = json_array();

    answer->is_complete = !answer->next(answer->call, answer->aux, rows);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);

        if (answer->table) {
            vdpad_table_add(answer->table, row);
        } else {
            print_json(answer, row);
        }
    }
    json_decref(rows);
}

static void
finish(struct answer *answer)
{
    struct vdpad_call *call = answer->call;
    char *text;

    if (!answer->table) {
        fputs(answer->has_printed ? "\n]" : "[]", answer->out.stream);
    }
    text = vdpad_text_close(&answer->out);
    vdpad_table_free(answer->table);
    answer->free_aux(answer->aux);
    free(answer);
    vdpad_call_reply_text(call, text);
}

static void
make_slice(void *answer_)
{
    struct answer *answer = answer_;
    int64_t end = vdpad_loop_clock_ns() + VDPAD_SLICE_NS;
    size_t n_lines;

    while (!answer->is_complete && vdpad_loop_clock_ns() < end) {
        make_rows(answer);
    }
    n_lines = answer->table ? vdpad_table_lines(answer->table) : 0;
    while (answer->is_complete && answer->line < n_lines
           && vdpad_loop_clock_ns() < end) {
        vdpad_table_print_line(answer->table, answer->line++,
                               answer->out.stream);
    }
    if (answer->is_complete && answer->line == n_lines) {
        finish(answer);
    } else {
        vdpad_call_later(make_slice, answer);
    }
}

void
vdpad_call_reply_rows(struct vdpad_call *call,
                      const struct vdpad_column *columns, size_t n_columns,
                      vdpad_next_rows_cb *next, vdpad_free_cb *free_aux,
                      void *aux)
{
    struct answer *answer = vdpad_xcalloc(1, sizeof *answer);

    answer->call = call;
    answer->next = next;
    answer->free_aux = free_aux;
    answer->aux = aux;
    answer->table = call->json ? NULL : vdpad_table_new(columns, n_columns);
    vdpad_text_open(&answer->out);
    make_slice(answer);
}
