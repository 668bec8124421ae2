/* SPDX-License-Identifier: Apache-2.0 */
#include "tc-codec.h"

#include <errno.h>
#include <linux/gen_stats.h>
#include <string.h>

#include <netlink/msg.h>

#include "attrs.h"
#include "uapi.h"

static const struct nla_policy policy[TCA_MAX + 1] = {
    [TCA_KIND] = VDPAD_POLICY_TEXT,
    [TCA_OPTIONS] = { .type = NLA_UNSPEC },
    [TCA_INGRESS_BLOCK] = VDPAD_POLICY_U32,
    [TCA_EGRESS_BLOCK] = VDPAD_POLICY_U32,
};

static int
parse(struct nlattr *tb[], const void *payload, size_t len,
      struct tcmsg *header, char kind[VDPAD_WORD_SIZE])
{
    int error = vdpad_attrs_parse_after(tb, TCA_MAX, payload, len,
                                        sizeof *header, policy);

    if (!error) {
        memcpy(header, payload, sizeof *header);
        vdpad_attr_text(tb[TCA_KIND], kind, VDPAD_WORD_SIZE);
    }
    return error;
}

int
vdpad_tc_decode_qdisc(const void *payload, size_t len, struct vdpad_qdisc *row)
{
    struct nlattr *tb[TCA_MAX + 1];
    struct tcmsg header;
    char kind[VDPAD_WORD_SIZE];
    bool clsact;
    int error = parse(tb, payload, len, &header, kind);

    if (error) {
        return error;
    }
    clsact = !strcmp(kind, "clsact");
    if (!clsact && strcmp(kind, "ingress")) {
        return VDPAD_CODEC_SKIP;
    }
    if (header.tcm_ifindex <= 0) {
        return -EBADMSG;
    }
    memset(row, 0, sizeof *row);
    row->ifindex = header.tcm_ifindex;
    row->clsact = clsact;
    row->ingress_block = vdpad_attr_u32(tb[TCA_INGRESS_BLOCK], 0);
    row->egress_block = vdpad_attr_u32(tb[TCA_EGRESS_BLOCK], 0);
    return 0;
}

/* Attributes one after the other.  A tracker decodes a hundred thousand
 * filters at a time: what libnl's parser costs (two passes, and a table
 * cleared for each nest) is a good part of what the kernel's dump costs. */
struct cursor {
    const char *at;
    size_t left;
};

static struct cursor
cursor_of(const void *data, size_t len)
{
    return (struct cursor){ .at = data, .left = len };
}

/* Moves on to the next attribute: its type, and in 'value' what is in it.
 * Returns 1, 0 at the end, or -EBADMSG. */
static int
cursor_next(struct cursor *cursor, int *type, struct cursor *value)
{
    struct nlattr attr;
    size_t step;

    if (!cursor->left) {
        return 0;
    }
    if (cursor->left < sizeof attr) {
        return -EBADMSG;
    }
    memcpy(&attr, cursor->at, sizeof attr);
    if (attr.nla_len < sizeof attr || attr.nla_len > cursor->left) {
        return -EBADMSG;
    }
    *type = attr.nla_type & NLA_TYPE_MASK;
    *value = cursor_of(cursor->at + sizeof attr, attr.nla_len - sizeof attr);
    /* The last attribute may lack its padding. */
    step = (attr.nla_len + 3u) & ~(size_t) 3;
    step = step > cursor->left ? cursor->left : step;
    cursor->at += step;
    cursor->left -= step;
    return 1;
}

static int
take_u32(const struct cursor *value, uint32_t *number)
{
    if (value->left != sizeof *number) {
        return -EBADMSG;
    }
    memcpy(number, value->at, sizeof *number);
    return 0;
}

static void
counters_max(struct vdpad_tc_counters *into,
             const struct vdpad_tc_counters *from)
{
    if (from->packets > into->packets) {
        *into = *from;
    }
}

bool
vdpad_tc_is_shared(const void *kind, size_t len)
{
    static const char police[] = "police";

    return len == sizeof police && !memcmp(kind, police, sizeof police);
}

/* The order of attributes matters: 64-bit packet counts follow the group that
 * they belong to, both under one number (gnet_stats_copy_basic() and
 * gnet_stats_copy_basic_hw() of 5.5 to 6.12). */
int
vdpad_tc_take_stats(const void *data, size_t len, bool is_shared,
                    struct vdpad_tc_stats *stats)
{
    struct vdpad_tc_counters group[2] = { { 0, 0 }, { 0, 0 } };
    struct vdpad_tc_counters *current = NULL;
    struct cursor nest = cursor_of(data, len), value;
    int error, type;

    while ((error = cursor_next(&nest, &type, &value)) > 0) {
        if (type == TCA_STATS_BASIC || type == TCA_STATS_BASIC_HW) {
            struct gnet_stats_basic basic;
            size_t need = offsetof(struct gnet_stats_basic, packets)
                          + sizeof basic.packets;

            if (value.left < need) {
                return -EBADMSG;
            }
            memset(&basic, 0, sizeof basic);
            memcpy(&basic, value.at, need);
            current = &group[type == TCA_STATS_BASIC_HW];
            current->packets = basic.packets;
            current->bytes = basic.bytes;
        } else if (type == TCA_STATS_PKT64) {
            if (value.left != sizeof current->packets) {
                return -EBADMSG;
            }
            if (current) {
                memcpy(&current->packets, value.at, value.left);
            }
        }
    }
    if (!is_shared && !stats->is_own) {
        memset(stats, 0, sizeof *stats);
        stats->is_own = true;
    }
    if (!is_shared || !stats->is_own) {
        counters_max(&stats->all, &group[0]);
        counters_max(&stats->hw, &group[1]);
    }
    return error;
}

/* The kernel tells the kind before the counters (tcf_action_dump_terse() of
 * 5.8 to 6.12; before, tcf_action_dump_1()), but nothing depends on it. */
static int
decode_action(struct cursor nest, struct vdpad_filter *filter,
              struct vdpad_tc_stats *stats)
{
    struct cursor value, counters = { NULL, 0 };
    bool is_shared = false;
    int error, type;

    while ((error = cursor_next(&nest, &type, &value)) > 0) {
        if (type == TCA_ACT_KIND) {
            is_shared = vdpad_tc_is_shared(value.at, value.left);
        } else if (type == TCA_ACT_COOKIE) {
            filter->has_cookie |= value.left == VDPAD_OVS_COOKIE_SIZE;
        } else if (type == TCA_ACT_STATS) {
            counters = value;
        }
    }
    return error         ? error
           : counters.at ? vdpad_tc_take_stats(counters.at, counters.left,
                                               is_shared, stats)
                         : 0;
}

static int
decode_actions(struct cursor nest, struct vdpad_filter *filter)
{
    struct vdpad_tc_stats stats = { .is_own = false };
    struct cursor action;
    int error, type;

    while ((error = cursor_next(&nest, &type, &action)) > 0) {
        error = decode_action(action, filter, &stats);
        if (error) {
            return error;
        }
    }
    filter->packets = stats.all.packets;
    filter->bytes = stats.all.bytes;
    filter->hw_packets = stats.hw.packets;
    filter->hw_bytes = stats.hw.bytes;
    return error;
}

static int
decode_flower(struct cursor options, struct vdpad_filter *filter)
{
    struct cursor value;
    uint32_t flags = 0;
    int error, type;

    while ((error = cursor_next(&options, &type, &value)) > 0) {
        if (type == TCA_FLOWER_ACT) {
            error = decode_actions(value, filter);
        } else if (type == TCA_FLOWER_FLAGS) {
            error = take_u32(&value, &flags);
        } else {
            error = 0;
        }
        if (error) {
            return error;
        }
    }
    filter->in_hw = flags & TCA_CLS_FLAGS_IN_HW;
    return error;
}

static void
take_header(const struct tcmsg *header, struct vdpad_filter *filter)
{
    bool is_block = (uint32_t) header->tcm_ifindex == TCM_IFINDEX_MAGIC_BLOCK;

    memset(filter, 0, sizeof *filter);
    filter->ifindex = is_block ? 0 : header->tcm_ifindex;
    filter->parent = header->tcm_parent; /* Of a block tcm_block_index. */
    filter->handle = header->tcm_handle;
    filter->prio = (uint16_t) (TC_H_MAJ(header->tcm_info) >> 16);
    filter->protocol = (uint16_t) TC_H_MIN(header->tcm_info);
}

int
vdpad_tc_decode_event(const void *payload, size_t len,
                      struct vdpad_filter *filter)
{
    static const char flower[] = "flower";
    struct cursor cursor, value, options = { NULL, 0 };
    struct tcmsg header;
    bool has_options = false;
    int error, type;

    if (len < sizeof header) {
        return -EBADMSG;
    }
    memcpy(&header, payload, sizeof header);
    take_header(&header, filter);
    if (!filter->ifindex && !filter->parent) {
        return -EBADMSG;
    }
    cursor = cursor_of((const char *) payload + sizeof header,
                       len - sizeof header);
    while ((error = cursor_next(&cursor, &type, &value)) > 0) {
        error = 0;
        if (type == TCA_KIND) {
            filter->is_flower = value.left == sizeof flower
                                && !memcmp(value.at, flower, sizeof flower);
        } else if (type == TCA_CHAIN) {
            error = take_u32(&value, &filter->chain);
        } else if (type == TCA_OPTIONS) {
            has_options = true;
            options = value;
        }
        if (error) {
            return error;
        }
    }
    return !error && filter->is_flower && filter->handle && has_options
               ? decode_flower(options, filter)
               : error;
}

int
vdpad_tc_decode_filter(const void *payload, size_t len,
                       struct vdpad_filter *filter)
{
    int error = vdpad_tc_decode_event(payload, len, filter);

    /* A dump has a message for each classifier too, with no handle. */
    return error                                 ? error
           : filter->is_flower && filter->handle ? 0
                                                 : VDPAD_CODEC_SKIP;
}

static int
put_header(struct nl_msg *msg, const struct tcmsg *header)
{
    return nlmsg_append(msg, (void *) (uintptr_t) header, sizeof *header,
                        NLMSG_ALIGNTO)
               ? -EMSGSIZE
               : 0;
}

int
vdpad_tc_encode_qdisc_dump(struct nl_msg *msg)
{
    return put_header(msg, &(struct tcmsg){ .tcm_family = AF_UNSPEC });
}

int
vdpad_tc_encode_qdisc_del(struct nl_msg *msg, int32_t ifindex,
                          const char *kind)
{
    /* The kind makes the kernel refuse when it is another qdisc. */
    int error = put_header(msg, &(struct tcmsg){
                                    .tcm_family = AF_UNSPEC,
                                    .tcm_ifindex = ifindex,
                                    .tcm_parent = TC_H_INGRESS,
                                    .tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0),
                                });

    return error ? error : nla_put_string(msg, TCA_KIND, kind) ? -EMSGSIZE : 0;
}

int
vdpad_tc_encode_filter_dump(struct nl_msg *msg, int32_t ifindex,
                            uint32_t block, bool terse)
{
    struct nla_bitfield32 flags = {
        .value = TCA_DUMP_FLAGS_TERSE,
        .selector = TCA_DUMP_FLAGS_TERSE,
    };
    struct tcmsg header = { .tcm_family = AF_UNSPEC };
    int error;

    if (ifindex) {
        header.tcm_ifindex = ifindex;
        header.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
    } else {
        header.tcm_ifindex = (int) TCM_IFINDEX_MAGIC_BLOCK;
        header.tcm_block_index = block;
    }
    error = put_header(msg, &header);
    return error || !terse                                      ? error
           : nla_put(msg, TCA_DUMP_FLAGS, sizeof flags, &flags) ? -EMSGSIZE
                                                                : 0;
}
