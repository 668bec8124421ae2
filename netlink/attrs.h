/* SPDX-License-Identifier: Apache-2.0 */
/* Netlink attributes, read strictly: libnl's parser with the lengths that it
 * lets pass refused.  Pure functions over bytes. */
#ifndef VDPAD_NETLINK_ATTRS_H
#define VDPAD_NETLINK_ATTRS_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netlink/attr.h>

/* Decoders return 0 for a message that made a row, this for one that does not
 * concern them, and -EBADMSG for one that cannot be understood. */
#define VDPAD_CODEC_SKIP 1

/* Policy entries.  libnl checks only the least length of a number: an
 * attribute that is longer than its type is not the one we think it is. */
#define VDPAD_POLICY_U8                          \
    {                                            \
        .type = NLA_U8, .minlen = 1, .maxlen = 1 \
    }
#define VDPAD_POLICY_U16                          \
    {                                             \
        .type = NLA_U16, .minlen = 2, .maxlen = 2 \
    }
#define VDPAD_POLICY_U32                          \
    {                                             \
        .type = NLA_U32, .minlen = 4, .maxlen = 4 \
    }
#define VDPAD_POLICY_U64                          \
    {                                             \
        .type = NLA_U64, .minlen = 8, .maxlen = 8 \
    }
#define VDPAD_POLICY_TEXT               \
    {                                   \
        .type = NLA_STRING, .minlen = 1 \
    }
#define VDPAD_POLICY_NEST  \
    {                      \
        .type = NLA_NESTED \
    }
#define VDPAD_POLICY_BYTES(MIN, MAX)                         \
    {                                                        \
        .type = NLA_UNSPEC, .minlen = (MIN), .maxlen = (MAX) \
    }

/* Whether the 'len' bytes at 'data' (aligned to 4) are attributes from end to
 * end, with nothing left over but padding. */
bool vdpad_attrs_are_sound(const void *data, size_t len);

/* Stores the attributes 1..'max' found in the 'len' bytes at 'data' (aligned
 * to 4) in 'tb', which has 'max' + 1 elements; those not there are NULL, the
 * last of several with one number wins, those above 'max' are ignored.
 * Returns 0, or -EBADMSG when the bytes are not sound or break 'policy'. */
int vdpad_attrs_parse(struct nlattr *tb[], int max, const void *data,
                      size_t len, const struct nla_policy *policy);

/* The same for what is nested in 'nest'. */
int vdpad_attrs_parse_nested(struct nlattr *tb[], int max,
                             const struct nlattr *nest,
                             const struct nla_policy *policy);

/* The attributes that follow a header of 'header_size' bytes in the 'len'
 * bytes at 'payload'.  Returns 0 or -EBADMSG. */
int vdpad_attrs_parse_after(struct nlattr *tb[], int max, const void *payload,
                            size_t len, size_t header_size,
                            const struct nla_policy *policy);

/* The attributes of a generic netlink message whose 'len' bytes at 'payload'
 * begin with its genlmsghdr.  Returns 0, VDPAD_CODEC_SKIP when the message is
 * of another command than 'cmd', or -EBADMSG. */
int vdpad_attrs_parse_genl(struct nlattr *tb[], int max, const void *payload,
                           size_t len, const struct nla_policy *policy,
                           uint8_t cmd);

/* Copies the text of 'attr' (NULL: "") to 'dst' of 'size' bytes, cut if
 * necessary.  Returns false if it was cut. */
bool vdpad_attr_text(const struct nlattr *attr, char *dst, size_t size);

/* Values of 'attr', or 'absent' when it is NULL. */
uint8_t vdpad_attr_u8(const struct nlattr *attr, uint8_t absent);
uint16_t vdpad_attr_u16(const struct nlattr *attr, uint16_t absent);
uint32_t vdpad_attr_u32(const struct nlattr *attr, uint32_t absent);
uint64_t vdpad_attr_u64(const struct nlattr *attr, uint64_t absent);

/* Copies a MAC address; returns false, and leaves 'mac', when 'attr' is NULL
 * or not 6 bytes long. */
bool vdpad_attr_mac(const struct nlattr *attr, uint8_t mac[6]);

/* Copies 'src' to 'dst' of 'size' bytes, cut if necessary, the rest of 'dst'
 * zero.  Returns false if it was cut. */
bool vdpad_text_copy(char *dst, size_t size, const char *src);

#endif
