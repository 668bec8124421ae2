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
    while (n--) {
        putc(' ', stream);
    }
}

/* Whether the cells of the column are numbers wherever there is something. */
static bool
is_numeric(const json_t *rows, const char *path)
{
    bool any = false;

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *cell = vdpad_json_at(json_array_get(rows, i), path);

        if (cell && !json_is_null(cell)) {
            if (!json_is_integer(cell)) {
                return false;
            }
            any = true;
        }
    }
    return any;
}

/* Prints one line of 'n' cells.  The last cell is not padded. */
static void
print_line(FILE *stream, char *const *cells, const size_t *widths,
           const bool *numeric, size_t n)
{
    size_t pending = 0; /* Blanks due before the next cell. */

    for (size_t i = 0; i < n; i++) {
        size_t padding = widths[i] - width_of(cells[i]);

        print_padding(stream, pending + (numeric[i] ? padding : 0));
        fputs(cells[i], stream);
        pending = 2 + (numeric[i] ? 0 : padding);
    }
    putc('\n', stream);
}

void
vdpad_table_print(FILE *stream, const json_t *rows,
                  const struct vdpad_column *columns, size_t n_columns)
{
    size_t n_rows = json_array_size(rows);
    size_t n_lines = n_rows + 1;
    char **cells = vdpad_xcalloc(n_lines * n_columns, sizeof *cells);
    size_t *widths = vdpad_xcalloc(n_columns, sizeof *widths);
    bool *numeric = vdpad_xcalloc(n_columns, sizeof *numeric);

    for (size_t c = 0; c < n_columns; c++) {
        numeric[c] = is_numeric(rows, columns[c].path);
        for (size_t r = 0; r < n_lines; r++) {
            char **cell = &cells[r * n_columns + c];

            *cell = r ? vdpad_json_human(vdpad_json_at(
                        json_array_get(rows, r - 1), columns[c].path))
                      : vdpad_xstrdup(columns[c].title);
            size_t width = width_of(*cell);
            if (width > widths[c]) {
                widths[c] = width;
            }
        }
    }
    for (size_t r = 0; r < n_lines; r++) {
        print_line(stream, &cells[r * n_columns], widths, numeric, n_columns);
    }
    if (!n_rows) {
        fputs("none\n", stream);
    }
    for (size_t i = 0; i < n_lines * n_columns; i++) {
        free(cells[i]);
    }
    free(cells);
    free(widths);
    free(numeric);
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
