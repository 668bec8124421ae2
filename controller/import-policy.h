/* SPDX-License-Identifier: Apache-2.0 */
/* What the files import*.c share: policies as they are read, and what is said
 * of them. */
#ifndef VDPAD_IMPORT_POLICY_H
#define VDPAD_IMPORT_POLICY_H 1

#include "import-yaml.h"
#include "table.h"

/* Enough for "items[12345].spec.…" and an unknown key of the file. */
#define VDPAD_FIELD_SIZE 400

struct vdpad_import_policy {
    char *key;       /* "vdpa-policy-NAME". */
    char *words;     /* Its value. */
    char prefix[32]; /* Of its fields: "", "items[3]". */
    const struct vdpad_yaml *object;
};

struct vdpad_import {
    const char *file;
    struct vdpad_text_stream errors, notes;
    size_t n_errors;
    size_t n, allocated;
    struct vdpad_import_policy *policies;
};

/* One policy while it is read.  Text and nodes are the tree's. */
struct vdpad_import_reading {
    struct vdpad_import *im;
    const char *prefix;
    const struct vdpad_yaml *object, *spec;

    const char *name, *resource;
    const struct vdpad_yaml *roots, *pf_names; /* Lists; NULL: none. */
    const char *vendor, *device;
    const char *eswitch_mode, *device_type, *vdpa_type;
    bool has_num_vfs, has_mtu, is_external;
    int64_t num_vfs, mtu, priority;
};

/* Says that 'field' (NULL: the object or file as a whole) in 'line' cannot be
 * as it is, and what to do. */
void vdpad_import_refuse(struct vdpad_import *im, size_t line,
                         const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Says what is not carried over from 'field', or how it was understood. */
void vdpad_import_note(struct vdpad_import *im, size_t line, const char *field,
                       const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Writes "PARENT.NAME", printable, to 'buf' and returns it. */
const char *vdpad_import_field(char buf[VDPAD_FIELD_SIZE], const char *parent,
                               const char *name);

/* Reads the fields of r->object (a map) to 'r', of which the first three
 * members are given.  Returns false when it has said what is wrong with
 * them. */
bool vdpad_import_read(struct vdpad_import_reading *r);

/* Adds the policy that 'object' (a map) is, or says what is wrong with it.
 * 'prefix' goes before the names of its fields. */
void vdpad_import_policy(struct vdpad_import *im,
                         const struct vdpad_yaml *object, const char *prefix);

#endif
