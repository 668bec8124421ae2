/* SPDX-License-Identifier: Apache-2.0 */
#include "import-yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "config-parse.h"
#include "util.h"

/* The reading of one file. */
struct reading {
    struct vdpad_yaml *root;
    struct vdpad_yaml *open; /* List or map that gets the next node. */
    char *key;               /* Of that node in a map; NULL: not read yet. */
    size_t key_line;
    size_t depth, n_nodes;
    struct vdpad_yaml_error *error;
};

static int __attribute__((format(printf, 4, 5)))
refuse(struct reading *r, int error, size_t line, const char *format, ...)
{
    char raw[sizeof r->error->text / 2];
    va_list args;

    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    vdpad_printable(raw, sizeof raw, r->error->text, sizeof r->error->text);
    r->error->line = line;
    return error;
}

static struct vdpad_yaml *
new_node(struct reading *r, enum vdpad_yaml_kind kind, size_t line)
{
    struct vdpad_yaml *node = vdpad_xcalloc(1, sizeof *node);

    node->kind = kind;
    node->line = line;
    if (r->root) {
        node->chain = r->root->chain;
        r->root->chain = node;
    }
    r->n_nodes++;
    return node;
}

const struct vdpad_yaml *
vdpad_yaml_member(const struct vdpad_yaml *map, const char *key)
{
    if (map && map->kind == VDPAD_YAML_MAP) {
        for (const struct vdpad_yaml *m = map->first; m; m = m->next) {
            if (!strcmp(m->key, key)) {
                return m;
            }
        }
    }
    return NULL;
}

/* Puts a new node where the next one belongs.  NULL: a limit is passed, and
 * the error says so. */
static struct vdpad_yaml *
add_node(struct reading *r, enum vdpad_yaml_kind kind, size_t line)
{
    struct vdpad_yaml *open = r->open;

    if (r->n_nodes >= VDPAD_YAML_NODES_MAX) {
        (void) refuse(r, -E2BIG, line, "more than %d values in one file",
                      VDPAD_YAML_NODES_MAX);
        return NULL;
    }
    if (open->kind == VDPAD_YAML_MAP && open->n >= VDPAD_YAML_KEYS_MAX) {
        (void) refuse(r, -E2BIG, line, "more than %d keys in one map",
                      VDPAD_YAML_KEYS_MAX);
        return NULL;
    }
    struct vdpad_yaml *node = new_node(r, kind, r->key ? r->key_line : line);
    node->parent = open;
    node->key = r->key;
    r->key = NULL;
    if (open->last) {
        open->last->next = node;
    } else {
        open->first = node;
    }
    open->last = node;
    open->n++;
    return node;
}

static int
take_key(struct reading *r, const char *text, size_t line)
{
    const struct vdpad_yaml *other = vdpad_yaml_member(r->open, text);
    char shown[VDPAD_WORD_TEXT];

    vdpad_printable(text, 32, shown, sizeof shown);
    if (other) {
        return refuse(r, -EINVAL, line,
                      "the key %s is given more than once (also in line "
                      "%zu); keep one",
                      shown, other->line);
    }
    r->key = vdpad_xstrdup(text);
    r->key_line = line;
    return 0;
}

static int
on_scalar(struct reading *r, const yaml_event_t *event, size_t line)
{
    const char *text = (const char *) event->data.scalar.value;
    if (strlen(text) != event->data.scalar.length) {
        return refuse(r, -EINVAL, line, "a text has a NUL character in it");
    }
    if (r->open->kind == VDPAD_YAML_MAP && !r->key) {
        return take_key(r, text, line);
    }
    struct vdpad_yaml *node = add_node(r, VDPAD_YAML_SCALAR, line);
    if (!node) {
        return -E2BIG;
    }
    node->text = vdpad_xstrdup(text);
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE
                     && !event->data.scalar.tag;
    return 0;
}

static int
on_start(struct reading *r, enum vdpad_yaml_kind kind, size_t line)
{
    if (r->open->kind == VDPAD_YAML_MAP && !r->key) {
        return refuse(r, -EINVAL, line, "a key has to be a text");
    }
    if (++r->depth > VDPAD_YAML_DEPTH_MAX) {
        return refuse(r, -E2BIG, line,
                      "more than %d lists and maps within "
                      "each other",
                      VDPAD_YAML_DEPTH_MAX);
    }
    struct vdpad_yaml *node = add_node(r, kind, line);
    if (!node) {
        return -E2BIG;
    }
    r->open = node;
    return 0;
}

/* Returns 0 to go on, 1 at the end of the file, or an error. */
static int
on_event(struct reading *r, const yaml_event_t *event)
{
    size_t line = event->start_mark.line + 1;

    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(r, event, line);

    case YAML_SEQUENCE_START_EVENT:
        return on_start(r, VDPAD_YAML_LIST, line);

    case YAML_MAPPING_START_EVENT:
        return on_start(r, VDPAD_YAML_MAP, line);

    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        r->depth--;
        r->open = r->open->parent;
        return 0;

    case YAML_ALIAS_EVENT:
        return refuse(r, -EINVAL, line,
                      "aliases are not read; write out what *%.32s stands "
                      "for",
                      (const char *) event->data.alias.anchor);

    case YAML_STREAM_END_EVENT:
    case YAML_NO_EVENT:
        return 1;

    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    default:
        return 0;
    }
}

/* The line of byte 'offset' of 'text'. */
static size_t
line_of(const char *text, size_t len, size_t offset)
{
    size_t line = 1;

    for (size_t i = 0; i < offset && i < len; i++) {
        line += text[i] == '\n';
    }
    return line;
}

static int
on_mistake(struct reading *r, const yaml_parser_t *parser, const char *text,
           size_t len)
{
    const char *problem = parser->problem ? parser->problem : "no memory";

    if (parser->error == YAML_READER_ERROR) {
        return refuse(r, -EINVAL, line_of(text, len, parser->problem_offset),
                      "no YAML: %s (byte %zu); the file has to be UTF-8 text",
                      problem, parser->problem_offset);
    }
    return refuse(r, -EINVAL, parser->problem_mark.line + 1, "no YAML: %s%s%s",
                  parser->context ? parser->context : "",
                  parser->context ? ": " : "", problem);
}

int
vdpad_yaml_parse(const char *text, size_t len, struct vdpad_yaml **ret_root,
                 struct vdpad_yaml_error *error)
{
    struct reading r = { .error = error };
    yaml_parser_t parser;
    int result = 0;

    *ret_root = NULL;
    if (len > VDPAD_YAML_SIZE_MAX) {
        return refuse(&r, -E2BIG, 1, "the file is larger than %d KiB",
                      VDPAD_YAML_SIZE_MAX / 1024);
    }
    if (!yaml_parser_initialize(&parser)) {
        abort();
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *) text, len);
    r.root = r.open = new_node(&r, VDPAD_YAML_LIST, 1);
    while (!result) {
        yaml_event_t event;

        if (!yaml_parser_parse(&parser, &event)) {
            result = on_mistake(&r, &parser, text, len);
            break;
        }
        result = on_event(&r, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    free(r.key);
    if (result < 0) {
        vdpad_yaml_free(r.root);
        return result;
    }
    *ret_root = r.root;
    return 0;
}

void
vdpad_yaml_free(struct vdpad_yaml *root)
{
    while (root) {
        struct vdpad_yaml *next = root->chain;

        free(root->key);
        free(root->text);
        free(root);
        root = next;
    }
}

static bool
is_one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(text, *words)) {
        words++;
    }
    return *words != NULL;
}

/* Whether 'text' is a number in one of the ways in which YAML writes them. */
static bool
is_number(const char *text)
{
    static const char digits[] = "0123456789_";
    const char *s = text + (text[0] == '-' || text[0] == '+');

    if (s[0] == '0' && s[1] && strchr("xob", s[1])) {
        return s[2]
               && strspn(s + 2, "0123456789abcdefABCDEF_") == strlen(s + 2);
    }
    if (!strcasecmp(s, ".inf") || !strcasecmp(s, ".nan")) {
        return true;
    }
    size_t n = strspn(s, digits);
    s += n;
    if (*s == '.') {
        size_t fraction = strspn(s + 1, digits);
        s += 1 + fraction;
        n += fraction;
    }
    if (n && (*s == 'e' || *s == 'E')) {
        s++;
        s += *s == '-' || *s == '+';
        n = strspn(s, digits);
        s += n;
    }
    return n && !*s;
}

/* The API reads YAML 1.1 by and large: "off" is a truth value, 0x10 and 1e3
 * are numbers. */
enum vdpad_yaml_type
vdpad_yaml_type(const struct vdpad_yaml *scalar)
{
    static const char *const nulls[] = {
        "", "~", "null", "Null", "NULL", NULL
    };
    static const char *const truths[] = {
        "true", "True", "TRUE",  "yes",   "Yes",   "YES", "on",
        "On",   "ON",   "false", "False", "FALSE", "no",  "No",
        "NO",   "off",  "Off",   "OFF",   NULL,
    };
    const char *text = scalar->text;

    if (!scalar->is_plain) {
        return VDPAD_YAML_STRING;
    }
    if (is_one_of(text, nulls)) {
        return VDPAD_YAML_NULL;
    }
    if (is_one_of(text, truths)) {
        return VDPAD_YAML_BOOL;
    }
    if (is_number(text)) {
        return VDPAD_YAML_NUMBER;
    }
    return VDPAD_YAML_STRING;
}

const char *
vdpad_yaml_what(const struct vdpad_yaml *node)
{
    switch (node->kind) {
    case VDPAD_YAML_LIST:
        return "a list";
    case VDPAD_YAML_MAP:
        return "a map";
    case VDPAD_YAML_SCALAR:
    default:
        break;
    }
    switch (vdpad_yaml_type(node)) {
    case VDPAD_YAML_NULL:
        return "empty";
    case VDPAD_YAML_BOOL:
        return "a truth value";
    case VDPAD_YAML_NUMBER:
        return "a number";
    case VDPAD_YAML_STRING:
    default:
        return "a text";
    }
}

bool
vdpad_yaml_is_null(const struct vdpad_yaml *node)
{
    return node->kind == VDPAD_YAML_SCALAR
           && vdpad_yaml_type(node) == VDPAD_YAML_NULL;
}

bool
vdpad_yaml_bool(const struct vdpad_yaml *node, bool *ret)
{
    if (node->kind != VDPAD_YAML_SCALAR
        || vdpad_yaml_type(node) != VDPAD_YAML_BOOL) {
        return false;
    }
    *ret = !strcasecmp(node->text, "true");
    return *ret || !strcasecmp(node->text, "false");
}

bool
vdpad_yaml_int(const struct vdpad_yaml *node, int64_t *ret)
{
    const char *text = node->text;

    if (node->kind != VDPAD_YAML_SCALAR || !node->is_plain) {
        return false;
    }
    bool negative = text[0] == '-';
    text += negative;
    size_t len = strlen(text);
    if (!len || len > 18 || strspn(text, "0123456789") != len
        || (text[0] == '0' && len > 1)) {
        return false;
    }
    int64_t value = 0;
    while (*text) {
        value = value * 10 + (*text++ - '0');
    }
    *ret = negative ? -value : value;
    return true;
}
