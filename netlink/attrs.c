/* SPDX-License-Identifier: Apache-2.0 */
#include "attrs.h"

#include <errno.h>
#include <limits.h>
#include <linux/genetlink.h>
#include <string.h>

/* NLA_HDRLEN and NLA_ALIGN() are signed. */
#define HEADER_SIZE sizeof(struct nlattr)

static size_t
align4(size_t n)
{
    return (n + 3) & ~(size_t) 3;
}

bool
vdpad_attrs_are_sound(const void *data, size_t len)
{
    const char *p = data;

    while (len) {
        struct nlattr attr;
        size_t step;

        if (len < HEADER_SIZE) {
            return false;
        }
        memcpy(&attr, p, sizeof attr);
        if (attr.nla_len < HEADER_SIZE || attr.nla_len > len) {
            return false;
        }
        /* The last attribute may lack its padding. */
        step = align4(attr.nla_len);
        step = step > len ? len : step;
        p += step;
        len -= step;
    }
    return true;
}

int
vdpad_attrs_parse(struct nlattr *tb[], int max, const void *data, size_t len,
                  const struct nla_policy *policy)
{
    if (len > INT_MAX || !vdpad_attrs_are_sound(data, len)) {
        return -EBADMSG;
    }
    /* Not written to: libnl lacks a const. */
    return nla_parse(tb, max, (struct nlattr *) (uintptr_t) data, (int) len,
                     policy)
               ? -EBADMSG
               : 0;
}

int
vdpad_attrs_parse_nested(struct nlattr *tb[], int max,
                         const struct nlattr *nest,
                         const struct nla_policy *policy)
{
    return vdpad_attrs_parse(tb, max, nla_data(nest), (size_t) nla_len(nest),
                             policy);
}

int
vdpad_attrs_parse_after(struct nlattr *tb[], int max, const void *payload,
                        size_t len, size_t header_size,
                        const struct nla_policy *policy)
{
    size_t start = align4(header_size);

    if (len < header_size) {
        return -EBADMSG;
    }
    if (len <= start) {
        memset(tb, 0, sizeof tb[0] * ((size_t) max + 1));
        return 0;
    }
    return vdpad_attrs_parse(tb, max, (const char *) payload + start,
                             len - start, policy);
}

int
vdpad_attrs_parse_genl(struct nlattr *tb[], int max, const void *payload,
                       size_t len, const struct nla_policy *policy,
                       uint8_t cmd)
{
    struct genlmsghdr header;
    int error = vdpad_attrs_parse_after(tb, max, payload, len, sizeof header,
                                        policy);

    if (error) {
        return error;
    }
    memcpy(&header, payload, sizeof header);
    return header.cmd == cmd ? 0 : VDPAD_CODEC_SKIP;
}

bool
vdpad_attr_text(const struct nlattr *attr, char *dst, size_t size)
{
    const char *src;
    size_t len;
    bool fits;

    memset(dst, 0, size);
    if (!attr) {
        return true;
    }
    src = nla_data(attr);
    len = strnlen(src, (size_t) nla_len(attr));
    fits = len < size;
    memcpy(dst, src, fits ? len : size - 1);
    return fits;
}

uint8_t
vdpad_attr_u8(const struct nlattr *attr, uint8_t absent)
{
    return attr ? nla_get_u8(attr) : absent;
}

uint16_t
vdpad_attr_u16(const struct nlattr *attr, uint16_t absent)
{
    return attr ? nla_get_u16(attr) : absent;
}

uint32_t
vdpad_attr_u32(const struct nlattr *attr, uint32_t absent)
{
    return attr ? nla_get_u32(attr) : absent;
}

uint64_t
vdpad_attr_u64(const struct nlattr *attr, uint64_t absent)
{
    return attr ? nla_get_u64(attr) : absent;
}

bool
vdpad_attr_mac(const struct nlattr *attr, uint8_t mac[6])
{
    if (!attr || nla_len(attr) != 6) {
        return false;
    }
    memcpy(mac, nla_data(attr), 6);
    return true;
}

bool
vdpad_text_copy(char *dst, size_t size, const char *src)
{
    size_t len = strlen(src);
    bool fits = len < size;

    memset(dst, 0, size);
    memcpy(dst, src, fits ? len : size - 1);
    return fits;
}
