/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

/* Characters of 'text', which is valid UTF-8. */
static size_t
width_of(const char *text)
{
    size_t width = 0;

    for (; *text; text++) {
        width += ((unsigned char) *text & 0xc0) != 0x80;
    }
    return width;
}

static void
print_padding(FILE *stream, size_t n)
{
    static const char blanks[] = "                                ";

    while (n) {
        size_t some = n < sizeof blanks - 1 ? n : sizeof blanks - 1;

        (void) fwrite(blanks, 1, some, stream);
        n -= some;
    }
}

struct vdpad_table {
    const struct vdpad_column *columns;
    size_t n_columns, n_lines;
    size_t allocated; /* Of 'cells'. */
    char **cells;     /* Line by line, the first one of titles. */
    size_t *widths;
    bool *has_number; /* There is a number in the column, */
    bool *has_other;  /* or something that is none. */
};

/* Takes over 'text' as the cell of the last line in column 'c'. */
static void
set_cell(struct vdpad_table *table, size_t c, char *text)
{
    size_t i = (table->n_lines - 1) * table->n_columns + c;
    size_t width = width_of(text);

    table->cells = vdpad_grow(table->cells, i, &table->allocated,
                              sizeof *table->cells);
    table->cells[i] = text;
    if (width > table->widths[c]) {
        table->widths[c] = width;
    }
}

struct vdpad_table *
vdpad_table_new(const struct vdpad_column *columns, size_t n_columns)
{
    struct vdpad_table *table = vdpad_xcalloc(1, sizeof *table);

    table->columns = columns;
    table->n_columns = n_columns;
    table->widths = vdpad_xcalloc(n_columns, sizeof *table->widths);
    table->has_number = vdpad_xcalloc(n_columns, sizeof *table->has_number);
    table->has_other = vdpad_xcalloc(n_columns, sizeof *table->has_other);
    table->n_lines = 1;
    for (size_t c = 0; c < n_columns; c++) {
        set_cell(table, c, vdpad_xstrdup(columns[c].title));
    }
    return table;
}

void
vdpad_table_free(struct vdpad_table *table)
{
    if (!table) {
        return;
    }
    for (size_t i = 0; i < table->n_lines * table->n_columns; i++) {
        free(table->cells[i]);
    }
    free(table->cells);
    free(table->widths);
    free(table->has_number);
    free(table->has_other);
    free(table);
}

void
vdpad_table_add(struct vdpad_table *table, const json_t *row)
{
    table->n_lines++;
    for (size_t c = 0; c < table->n_columns; c++) {
        json_t *cell = vdpad_json_at(row, table->columns[c].path);

        if (cell && !json_is_null(cell)) {
            table->has_number[c] |= json_is_integer(cell);
            table->has_other[c] |= !json_is_integer(cell);
        }
        set_cell(table, c, vdpad_json_human(cell));
    }
}

size_t
vdpad_table_lines(const struct vdpad_table *table)
{
    return table->n_lines + (table->n_lines == 1);
}

void
vdpad_table_print_line(const struct vdpad_table *table, size_t line,
                       FILE *stream)
{
    char **cells = &table->cells[line * table->n_columns];
    size_t pending = 0; /* Blanks due before the next cell. */

    if (line >= table->n_lines) {
        fputs("none\n", stream);
        return;
    }
    for (size_t c = 0; c < table->n_columns; c++) {
        bool is_numeric = table->has_number[c] && !table->has_other[c];
        size_t padding = table->widths[c] - width_of(cells[c]);

        print_padding(stream, pending + (is_numeric ? padding : 0));
        fputs(cells[c], stream);
        /* The last cell is not padded. */
        pending = 2 + (is_numeric ? 0 : padding);
    }
    putc('\n', stream);
}

void
vdpad_table_print(FILE *stream, const json_t *rows,
                  const struct vdpad_column *columns, size_t n_columns)
{
    struct vdpad_table *table = vdpad_table_new(columns, n_columns);

    for (size_t i = 0; i < json_array_size(rows); i++) {
        vdpad_table_add(table, json_array_get(rows, i));
    }
    for (size_t i = 0; i < vdpad_table_lines(table); i++) {
        vdpad_table_print_line(table, i, stream);
    }
    vdpad_table_free(table);
}

char *
vdpad_table_text(const json_t *rows, const struct vdpad_column *columns,
                 size_t n_columns)
{
    struct vdpad_text_stream out;

    vdpad_text_open(&out);
    vdpad_table_print(out.stream, rows, columns, n_columns);
    return vdpad_text_close(&out);
}

/* Width of the widest name that sheet_lines() will print. */
static size_t
sheet_width(json_t *object, size_t prefix)
{
    size_t width = 0;
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value) {
        size_t own = prefix + strlen(key);

        if (json_is_object(value)) {
            own = sheet_width(value, own + 1);
        }
        if (own > width) {
            width = own;
        }
    }
    return width;
}

static void
sheet_lines(FILE *stream, json_t *object, const char *indent,
            const char *prefix, size_t width)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value) {
        if (json_is_object(value)) {
            char inner[128];

            snprintf(inner, sizeof inner, "%s%s.", prefix, key);
            sheet_lines(stream, value, indent, inner, width);
        } else {
            char *text = vdpad_json_human(value);

            fprintf(stream, "%s%s%s", indent, prefix, key);
            print_padding(stream, width + 2 - strlen(prefix) - strlen(key));
            fprintf(stream, "%s\n", text);
            free(text);
        }
    }
}

void
vdpad_sheet_print(FILE *stream, json_t *object, const char *indent)
{
    sheet_lines(stream, object, indent, "", sheet_width(object, 0));
}

void
vdpad_text_open(struct vdpad_text_stream *out)
{
    out->text = NULL;
    out->size = 0;
    out->stream = open_memstream(&out->text, &out->size);
    if (!out->stream) {
        abort();
    }
}

char *
vdpad_text_close(struct vdpad_text_stream *out)
{
    if (fclose(out->stream) || !out->text) {
        abort();
    }
    return out->text;
}
