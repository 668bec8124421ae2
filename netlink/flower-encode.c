/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about flower filters. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <netlink/msg.h>

#include "attrs.h"
#include "flower-codec.h"
#include "uapi.h"

static int
put_header(struct nl_msg *msg, const struct vdpad_flow_pos *pos,
           uint32_t handle, uint32_t info)
{
    struct tcmsg header = {
        .tcm_family = AF_UNSPEC,
        .tcm_handle = handle,
        .tcm_info = info,
    };

    if (pos->block) {
        header.tcm_ifindex = (int) TCM_IFINDEX_MAGIC_BLOCK;
        header.tcm_block_index = pos->block;
    } else {
        header.tcm_ifindex = pos->ifindex;
        header.tcm_parent = pos->parent;
    }
    return nlmsg_append(msg, &header, sizeof header, NLMSG_ALIGNTO) ? -EMSGSIZE
                                                                    : 0;
}

static uint32_t
info_of(uint16_t prio, uint16_t protocol)
{
    return (uint32_t) prio << 16 | htons(protocol);
}

int
vdpad_flower_encode_dump(struct nl_msg *msg,
                         const struct vdpad_flow_pos *scope)
{
    return put_header(msg, scope, 0, 0);
}

int
vdpad_flower_encode_id(struct nl_msg *msg, const struct vdpad_flow_pos *pos)
{
    int error = put_header(msg, pos, pos->handle,
                           info_of(pos->prio, pos->protocol));

    return error                                     ? error
           : nla_put_string(msg, TCA_KIND, "flower") ? -EMSGSIZE
           : nla_put_u32(msg, TCA_CHAIN, pos->chain) ? -EMSGSIZE
                                                     : 0;
}

/* Attributes that tell of what became of an action, rather than what it is:
 * the times in each kind's options. */
static bool
is_time(const char *kind, int type)
{
    if (!strcmp(kind, "police")) {
        return type == TCA_POLICE_TM || type == TCA_POLICE_RESULT;
    }
    return type == (!strcmp(kind, "ct") || !strcmp(kind, "csum") ? 2 : 1);
}

/* The structure that every kind has, which begins with the index. */
static bool
is_parms(const char *kind, int type)
{
    if (!strcmp(kind, "police")) {
        return false;
    }
    return type == (!strcmp(kind, "ct") || !strcmp(kind, "csum") ? 1 : 2)
           || (!strcmp(kind, "pedit") && type == 4);
}

static int
put_options(struct nl_msg *msg, const char *kind, const struct nlattr *options)
{
    struct nlattr *nest = nla_nest_start(msg, TCA_ACT_OPTIONS);
    const struct nlattr *attr;
    int left;

    if (!nest) {
        return -EMSGSIZE;
    }
    nla_for_each_nested(attr, options, left)
    {
        int type = nla_type(attr);
        struct nlattr *copy;

        if (is_time(kind, type)) {
            continue;
        }
        copy = nla_reserve(msg, (int) attr->nla_type, nla_len(attr));
        if (!copy) {
            return -EMSGSIZE;
        }
        memcpy(nla_data(copy), nla_data(attr), (size_t) nla_len(attr));
        if (is_parms(kind, type) && nla_len(attr) >= 4) {
            /* The index: a new one. */
            memset(nla_data(copy), 0, 4);
        }
    }
    nla_nest_end(msg, nest);
    return 0;
}

static int
put_action(struct nl_msg *msg, const struct nlattr *action,
           const uint8_t cookie[16], bool *has_cookie)
{
    static const struct nla_policy policy[TCA_ACT_HW_STATS + 1] = {
        [TCA_ACT_KIND] = VDPAD_POLICY_TEXT,
        [TCA_ACT_OPTIONS] = VDPAD_POLICY_NEST,
        [TCA_ACT_HW_STATS] = VDPAD_POLICY_BYTES(8, 8),
    };
    struct nlattr *tb[TCA_ACT_HW_STATS + 1], *nest;
    char kind[VDPAD_WORD_SIZE];
    bool is_shared;
    int error;

    if (vdpad_attrs_parse_nested(tb, TCA_ACT_HW_STATS, action, policy)
        || !tb[TCA_ACT_KIND] || !tb[TCA_ACT_OPTIONS]
        || !vdpad_attrs_are_sound(nla_data(tb[TCA_ACT_OPTIONS]),
                                  (size_t) nla_len(tb[TCA_ACT_OPTIONS]))) {
        return -EBADMSG;
    }
    vdpad_attr_text(tb[TCA_ACT_KIND], kind, sizeof kind);
    nest = nla_nest_start(msg, nla_type(action));
    if (!nest || nla_put_string(msg, TCA_ACT_KIND, kind)) {
        return -EMSGSIZE;
    }
    error = put_options(msg, kind, tb[TCA_ACT_OPTIONS]);
    if (error) {
        return error;
    }
    /* What is shared would get a new cookie for all who use it. */
    is_shared = !strcmp(kind, "police");
    *has_cookie |= !is_shared;
    if ((!is_shared && nla_put(msg, TCA_ACT_COOKIE, 16, cookie))
        || (tb[TCA_ACT_HW_STATS]
            && nla_put(msg, TCA_ACT_HW_STATS, 8,
                       nla_data(tb[TCA_ACT_HW_STATS])))) {
        return -EMSGSIZE;
    }
    nla_nest_end(msg, nest);
    return 0;
}

static int
put_actions(struct nl_msg *msg, const struct nlattr *actions,
            const uint8_t cookie[16], bool *has_cookie)
{
    struct nlattr *nest = nla_nest_start(msg, TCA_FLOWER_ACT);
    const struct nlattr *attr;
    int left, error = 0;

    if (!nest) {
        return -EMSGSIZE;
    }
    nla_for_each_nested(attr, actions, left)
    {
        error = error ? error : put_action(msg, attr, cookie, has_cookie);
    }
    nla_nest_end(msg, nest);
    return error;
}

int
vdpad_flower_encode_copy(struct nl_msg *msg, const void *payload, size_t len,
                         uint16_t prio, uint32_t handle, uint32_t flags,
                         const uint8_t cookie[16])
{
    struct vdpad_flower_id id;
    struct nlattr *nest;
    const struct nlattr *options, *attr;
    bool has_cookie = false;
    int error = vdpad_flower_decode_id(payload, len, &id), left;

    if (error) {
        return -EBADMSG;
    }
    id.pos.prio = prio;
    id.pos.handle = handle;
    error = vdpad_flower_encode_id(msg, &id.pos);
    if (error) {
        return error;
    }
    nest = nla_nest_start(msg, TCA_OPTIONS);
    if (!nest) {
        return -EMSGSIZE;
    }
    options = nla_find(
        (const struct nlattr *) (const void *) ((const char *) payload
                                                + NLMSG_ALIGN(
                                                    sizeof(struct tcmsg))),
        (int) (len - NLMSG_ALIGN(sizeof(struct tcmsg))), TCA_OPTIONS);
    nla_for_each_nested(attr, options, left)
    {
        int type = nla_type(attr);

        if (type == TCA_FLOWER_FLAGS || type == TCA_FLOWER_IN_HW_COUNT) {
            continue;
        }
        if (type == TCA_FLOWER_ACT) {
            error = error ? error
                          : put_actions(msg, attr, cookie, &has_cookie);
        } else if (nla_put(msg, attr->nla_type, nla_len(attr),
                           nla_data(attr))) {
            error = error ? error : -EMSGSIZE;
        }
    }
    if (!error && nla_put_u32(msg, TCA_FLOWER_FLAGS, flags)) {
        error = -EMSGSIZE;
    }
    nla_nest_end(msg, nest);
    return error ? error : has_cookie ? 0 : -ENOMSG;
}
