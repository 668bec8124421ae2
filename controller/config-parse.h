/* SPDX-License-Identifier: Apache-2.0 */
/* What the files config*.c share: the text of one key cut into words, tables
 * of words, and the collection of refusals.  The commands use its text helpers
 * (near matches, printable text). */
#ifndef VDPAD_CONFIG_PARSE_H
#define VDPAD_CONFIG_PARSE_H 1

#include <stdarg.h>
#include <string.h>

#include <vdpad/config.h>
#include <vdpad/text.h>

#include "util.h"

/* Longest value of a key.  vdpa-suspended is exempt: refusing it would set up
 * again what someone has torn down. */
#define VDPAD_CONFIG_VALUE_MAX 4096
#define VDPAD_CONFIG_SUSPENDED_MAX 65536 /* What is read of it. */
#define VDPAD_CONFIG_NAME_MAX 63         /* Of a policy. */
#define VDPAD_CONFIG_ID_MAX 255          /* iface-id and its kin. */
#define VDPAD_CONFIG_PFS_MAX 16          /* pf= words in a policy. */
#define VDPAD_VF_INDEX_MAX 65534         /* TotalVFs has 16 bits. */
#define VDPAD_CONFIG_POLICIES_MAX 512
#define VDPAD_CONFIG_PORTS_MAX 4096
#define VDPAD_CONFIG_ERRORS_MAX 1024   /* In all, … */
#define VDPAD_CONFIG_KEY_ERRORS_MAX 16 /* … and of one key. */

/* Bytes that vdpad_printable() needs for 64 characters, the mark of the cut
 * and the NUL. */
#define VDPAD_WORD_TEXT (64 * 4 + 4)
#define VDPAD_KEY_TEXT (VDPAD_CONFIG_ID_MAX * 4 + 4)

/* The parsing of one key. */
struct vdpad_parse {
    struct vdpad_config *config;
    const char *only_key; /* Collect the errors of this key alone, and
                                 * let it lose every conflict; NULL: of
                                 * all. */
    const char *key;      /* Whole; borrowed. */
    const char *word;     /* The word under way, whole; borrowed. */
    size_t n_errors;      /* Of this key, also those not collected. */
    uint32_t seen;        /* Bit per word of the table. */
};

/* One word of a table.  'parse' stores 'value' (not empty) into 'object' and
 * returns true, or refuses it with vdpad_refuse(). */
struct vdpad_word {
    const char *name;
    const char *example; /* A valid value. */
    bool is_repeatable;
    bool (*parse)(struct vdpad_parse *, const char *value, void *object);
};

/* Adds a refusal of p->word (NULL: of the key as a whole).  Control characters
 * and invalid UTF-8 in the result become '?'.  Returns false. */
bool vdpad_refuse(struct vdpad_parse *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Refuses p->word because its value is no number in the given range. */
bool vdpad_refuse_number(struct vdpad_parse *p, uint32_t min, uint32_t max,
                         const char *example);

/* Cuts 'value' into words and has each handled by the one of the 'n' 'words'
 * (at most 32) that it names.  Goes on after a refusal, so that one look shows
 * all mistakes.  Returns whether there was none. */
bool vdpad_parse_words(struct vdpad_parse *p, const char *value,
                       const struct vdpad_word *words, size_t n, void *object);

/* Takes the index into 'names' (NULL at the end) of the one that 'value' is to
 * '*ret_index', or refuses. */
bool vdpad_parse_choice(struct vdpad_parse *p, const char *value,
                        const char *const *names, int *ret_index);

/* A decimal number without sign from 'min' to 'max'. */
bool vdpad_parse_number(struct vdpad_parse *p, const char *value, uint32_t min,
                        uint32_t max, const char *example,
                        uint32_t *ret_number);

/* The address of one station: neither multicast nor zero. */
bool vdpad_parse_unicast(struct vdpad_parse *p, const char *value,
                         uint8_t mac[6]);

/* "mtu=": 68 to 65535. */
bool vdpad_parse_mtu(struct vdpad_parse *p, const char *value, int32_t *mtu);

/* Numbers and ranges of numbers ("0-3,6") up to 'max' into '*ret_ranges',
 * owned by the caller, sorted.  'what' names one of them for people. */
bool vdpad_parse_ranges(struct vdpad_parse *p, const char *text, uint32_t max,
                        const char *what, struct vdpad_range **ret_ranges,
                        size_t *ret_n);

/* Reads the digits at '*text' and steps over them.  Returns false if there are
 * none or the number exceeds 'max'. */
bool vdpad_scan_number(const char **text, uint32_t max, uint32_t *ret_number);

/* Reads 1 to 'max_digits' hexadecimal digits at '*text' and steps over them.
 * Returns false if there are none or more. */
bool vdpad_scan_hex(const char **text, int max_digits, uint32_t *ret_number);

/* The one of the 'n' names that 'text' was probably meant to be, or NULL.
 * 'name' of entry i is *(const char **) (names + i * stride). */
const char *vdpad_nearest(const char *text, const void *names, size_t n,
                          size_t stride);

/* Edits (insert, delete, replace, swap neighbours) that make 'b' of 'a'; only
 * the first 32 characters count. */
size_t vdpad_distance(const char *a, const char *b);

/* Whether 'text' can be the NAME of vdpa-policy-NAME: letters, digits, '.',
 * '_', '-', beginning with a letter or digit. */
bool vdpad_is_policy_name(const char *text);

/* Parses one policy or port to '*ret', whose strings the caller frees with
 * vdpad_policy_done() or vdpad_port_spec_done() in any case.  Returns whether
 * nothing was refused. */
bool vdpad_policy_parse(struct vdpad_parse *p, const char *name,
                        const char *value, struct vdpad_policy *ret);
bool vdpad_port_spec_parse(struct vdpad_parse *p, const char *iface_id,
                           const char *value, struct vdpad_port_spec *ret);
void vdpad_policy_done(struct vdpad_policy *policy);
void vdpad_port_spec_done(struct vdpad_port_spec *port);

/* Writes "VF 3", "VFs 3-5" or "all VFs". */
void vdpad_range_format(const struct vdpad_range *range, char *buf,
                        size_t size);

/* What makes it impossible that 'loser' stands beside 'winner' (of the same
 * priority), as a text for people in 'why' of 'size' bytes; returns whether
 * there is such a thing. */
bool vdpad_policies_conflict(const struct vdpad_policy *winner,
                             const struct vdpad_policy *loser, char *why,
                             size_t size);

/* Sort the policies and ports of p->config and refuse those that cannot stand
 * beside others. */
void vdpad_policies_settle(struct vdpad_parse *p);
void vdpad_ports_settle(struct vdpad_parse *p, const struct vdpad_map *ids);

/* Appends a copy of 'name'. */
void vdpad_names_add(char ***names, size_t *n, const char *name);

static inline bool
vdpad_has_prefix(const char *text, const char *prefix)
{
    return !strncmp(text, prefix, strlen(prefix));
}

/* As strndup(3); never NULL. */
char *vdpad_xstrndup(const char *text, size_t n);

#endif
