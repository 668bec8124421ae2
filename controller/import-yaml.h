/* SPDX-License-Identifier: Apache-2.0 */
/* A YAML file as a tree: what the Kubernetes API makes of it, within limits.
 *
 * Aliases are refused, so that a tree is never larger than its text; so are
 * keys that repeat, keys that are no text, and NUL characters. */
#ifndef VDPAD_IMPORT_YAML_H
#define VDPAD_IMPORT_YAML_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VDPAD_YAML_SIZE_MAX (1024 * 1024) /* Bytes of text. */
#define VDPAD_YAML_NODES_MAX 100000
#define VDPAD_YAML_DEPTH_MAX 64
#define VDPAD_YAML_KEYS_MAX 1024 /* Of one map. */

enum vdpad_yaml_kind { VDPAD_YAML_SCALAR, VDPAD_YAML_LIST, VDPAD_YAML_MAP };

struct vdpad_yaml {
    enum vdpad_yaml_kind kind;
    size_t line;   /* From 1; of a map's member that of its key. */
    char *key;     /* Of a map's member, else NULL; valid UTF-8. */
    char *text;    /* Of a scalar; valid UTF-8. */
    bool is_plain; /* A scalar without quotes or tag. */
    struct vdpad_yaml *first, *next; /* Members; the next one beside it. */

    struct vdpad_yaml *last;   /* Of the members. */
    struct vdpad_yaml *chain;  /* All nodes of the tree. */
    struct vdpad_yaml *parent; /* NULL: the root. */
    size_t n;                  /* Members. */
};

struct vdpad_yaml_error {
    size_t line;
    char text[200]; /* Printable. */
};

/* Reads 'text' of 'len' bytes, which may be anything, to '*ret_root', the list
 * of the file's documents.  Returns 0; or with 'error' filled in -EINVAL, or
 * -E2BIG when a limit is passed.  The caller frees '*ret_root'. */
int vdpad_yaml_parse(const char *text, size_t len,
                     struct vdpad_yaml **ret_root,
                     struct vdpad_yaml_error *error);
void vdpad_yaml_free(struct vdpad_yaml *root);

/* The member 'key' of 'map', NULL when there is none. */
const struct vdpad_yaml *vdpad_yaml_member(const struct vdpad_yaml *map,
                                           const char *key);

/* What a scalar is to the API. */
enum vdpad_yaml_type {
    VDPAD_YAML_NULL,
    VDPAD_YAML_BOOL,
    VDPAD_YAML_NUMBER,
    VDPAD_YAML_STRING
};
enum vdpad_yaml_type vdpad_yaml_type(const struct vdpad_yaml *scalar);

/* "a list", "a number", …, of any node. */
const char *vdpad_yaml_what(const struct vdpad_yaml *node);

/* Whether 'node' is null (also as an empty value). */
bool vdpad_yaml_is_null(const struct vdpad_yaml *node);

/* Whether 'node' is "true" or "false", to '*ret'. */
bool vdpad_yaml_bool(const struct vdpad_yaml *node, bool *ret);

/* Whether 'node' is a decimal whole number without needless zeros and within
 * 63 bits, to '*ret'. */
bool vdpad_yaml_int(const struct vdpad_yaml *node, int64_t *ret);

#endif
