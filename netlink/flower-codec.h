/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink: flower filters in full, with what they match and do
 * (include/uapi/linux/pkt_cls.h, tc_act/). */
#ifndef VDPAD_NETLINK_FLOWER_CODEC_H
#define VDPAD_NETLINK_FLOWER_CODEC_H 1

#include <vdpad/flow-query.h>
#include <vdpad/model.h>

#include "flow-text.h"
#include "tc-codec.h"

struct nl_msg;
struct nlattr;

/* Writes the name of netdev 'ifindex', printable, to 'name'. */
typedef void vdpad_netdev_name_cb(void *aux, int32_t ifindex, char name[32]);

struct vdpad_netdev_names {
    vdpad_netdev_name_cb *cb; /* NULL: numbers. */
    void *aux;
};
void vdpad_netdev_name(const struct vdpad_netdev_names *names, int32_t ifindex,
                       char name[32]);

/* What Open vSwitch keeps in the cookie of actions; of the first action that
 * has one. */
struct vdpad_cookie {
    uint8_t len; /* 0: no action has one. */
    uint8_t bytes[VDPAD_OVS_COOKIE_SIZE];
};

/* The part of a filter that tells it from others. */
struct vdpad_flower_id {
    struct vdpad_flow_pos pos; /* 'ifindex' 0 and 'block' set for a block. */
    uint32_t flags;            /* TCA_CLS_FLAGS_*. */
    struct vdpad_cookie cookie;
};

/* Decode the payload of a message (a tcmsg with its attributes, aligned to 4).
 * Return 0, VDPAD_CODEC_SKIP (not a flower filter) or -EBADMSG.  The second
 * also fills counters, outputs and texts. */
int vdpad_flower_decode_id(const void *payload, size_t len,
                           struct vdpad_flower_id *id);
int vdpad_flower_decode(const void *payload, size_t len,
                        const struct vdpad_netdev_names *names,
                        struct vdpad_flow_detail *detail);

/* Fills 'match' from the attributes TCA_FLOWER_* at 'options', which are
 * sound.  'protocol' as in vdpad_flow_pos.  Returns 0 or -EBADMSG. */
int vdpad_flower_decode_match(const struct nlattr *options, uint16_t protocol,
                              struct vdpad_flow_match *match);

/* Adds the tunnel options nested in 'nest' (TCA_FLOWER_KEY_ENC_OPTS, and
 * TCA_TUNNEL_KEY_ENC_OPTS, which is the same) to 'tunnel'.  Returns 0 or
 * -EBADMSG. */
int vdpad_flower_decode_options(const struct nlattr *nest,
                                struct vdpad_tunnel *tunnel);

/* What the actions of a filter come to. */
struct vdpad_flower_actions {
    struct vdpad_ftext *text;
    const struct vdpad_netdev_names *names;
    uint32_t uses;
    size_t n_outputs;
    int32_t outputs[VDPAD_FLOW_OUTPUTS];
    struct vdpad_cookie cookie;
    struct vdpad_tc_stats stats;
    bool has_own_times;      /* Of actions that no other filter shares. */
    int64_t used_ms, age_ms; /* -1: not told. */
};

/* Reads the attributes nested in 'actions' (TCA_FLOWER_ACT); 'a' is zeroed
 * first but for 'text' (NULL: no text) and 'names'.  Returns 0 or
 * -EBADMSG. */
int vdpad_flower_decode_actions(const struct nlattr *actions,
                                struct vdpad_flower_actions *a);

/* Parts of that: the cookie in 'attr' (TCA_ACT_COOKIE or NULL) of an action of
 * 'kind', where 'cookie' has none yet and it is not a meter, which filters
 * share so that it says nothing about them; and the times in the options of
 * an action of 'kind', those of a meter only where no other action has any. */
void vdpad_flower_take_cookie(const struct nlattr *attr, const char *kind,
                              struct vdpad_cookie *cookie);
void vdpad_flower_take_times(const struct nlattr *options, const char *kind,
                             struct vdpad_flower_actions *a);

/* Writes what the pedit action with options 'options' sets.  Returns 0 or
 * -EBADMSG. */
int vdpad_flower_pedit_text(const struct nlattr *options,
                            struct vdpad_ftext *text);

/* Compares in the order of answers: -1, 0, 1. */
int vdpad_flow_pos_order(const struct vdpad_flow_pos *a,
                         const struct vdpad_flow_pos *b);

/* Append header and attributes of a request to 'msg'.  Return 0 or -EMSGSIZE.
 * A dump of the filters of one scope (its members of 'pos' are used); of one
 * filter. */
int vdpad_flower_encode_dump(struct nl_msg *msg,
                             const struct vdpad_flow_pos *scope);
int vdpad_flower_encode_id(struct nl_msg *msg,
                           const struct vdpad_flow_pos *pos);

/* A copy of the filter in the 'len' bytes at 'payload' (decodable), as a new
 * one in its scope and chain: with priority 'prio', 'handle', 'flags', and
 * 'cookie' in its actions.  Shared actions (meters) stay shared, all others
 * are made anew.  -ENOMSG: it has none of these, so that the copy would not
 * have the cookie. */
int vdpad_flower_encode_copy(struct nl_msg *msg, const void *payload,
                             size_t len, uint16_t prio, uint32_t handle,
                             uint32_t flags, const uint8_t cookie[16]);

#endif
