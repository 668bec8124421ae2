/* SPDX-License-Identifier: Apache-2.0 */
/* One table of fields per class of <vdpad/model.h>, from which everything that
 * must know the members of a row is derived: equality, differences, text,
 * JSON.  A new member is one line here. */
#ifndef VDPAD_FIELDS_H
#define VDPAD_FIELDS_H 1

#include <vdpad/model.h>

#include "json.h"

enum vdpad_field_type {
    VDPAD_FIELD_TEXT,
    VDPAD_FIELD_BOOL,
    VDPAD_FIELD_INT,   /* Signed, of 'size' bytes. */
    VDPAD_FIELD_UINT,  /* Unsigned, of 'size' bytes. */
    VDPAD_FIELD_HEX,   /* The same, bits or an id. */
    VDPAD_FIELD_NAMED, /* int32_t with a name for each value. */
    VDPAD_FIELD_MAC,
    VDPAD_FIELD_BYTES, /* As many as the uint8_t before it says. */
};

#define VDPAD_FIELD_KEY (1u << 0) /* Part of the row's key, in order. */
#define VDPAD_FIELD_VOLATILE \
    (1u << 1)                          /* Changes without any event: not
                                         * compared. */
#define VDPAD_FIELD_OPTIONAL (1u << 2) /* -1: absent. */

struct vdpad_field {
    const char *name;
    enum vdpad_field_type type;
    unsigned int flags;
    size_t offset, size;
    const char *(*value_name)(int32_t value); /* Of NAMED. */
};

/* The fields of a row of 'class_' in the order of the structure. */
const struct vdpad_field *vdpad_fields(enum vdpad_class class_, size_t *ret_n);

/* Order of the keys: below, equal or above 0.  That of
 * vdpad_picture_sort(). */
int vdpad_row_order(enum vdpad_class class_, const void *a, const void *b);

/* Whether all fields but the volatile ones are equal. */
bool vdpad_row_is_equal(enum vdpad_class class_, const void *a, const void *b);

/* Writes what differs from 'a' to 'b': "mtu 1500 -> 9000, flags 0x3 -> 0x2";
 * "" when vdpad_row_is_equal().  Control characters are replaced here and
 * below. */
void vdpad_row_diff(enum vdpad_class class_, const void *a, const void *b,
                    char *text, size_t size);

/* Writes the key: "pci/0000:65:00.0/1". */
void vdpad_row_key(enum vdpad_class class_, const void *row, char *text,
                   size_t size);

/* Writes all fields that are not absent: "ifindex 4 name p0 mtu 1500 …". */
void vdpad_row_text(enum vdpad_class class_, const void *row, char *text,
                    size_t size);

/* Returns a new object of all fields, volatile ones too. */
json_t *vdpad_row_json(enum vdpad_class class_, const void *row);

/* One difference between two pictures of a class.  'old' is NULL when the row
 * is in the newer one only, 'new_' when in the older one only. */
typedef void vdpad_difference_cb(void *aux, const void *old, const void *new_);

/* Calls 'cb' for each difference between 'old' and 'new_', pictures of one
 * class, in the order of keys.  Returns how many there are. */
size_t vdpad_picture_compare(const struct vdpad_picture *old,
                             const struct vdpad_picture *new_,
                             vdpad_difference_cb *cb, void *aux);

/* "legacy", "switchdev", …; "unknown" for others. */
const char *vdpad_eswitch_mode_name(int32_t mode);

/* "missing", "loadable", "loaded". */
const char *vdpad_module_state_name(int32_t state);

/* Of enum devlink_port_flavour (linux/devlink.h): "pcivf", "physical", … */
const char *vdpad_flavour_name(int32_t flavour);


#endif
