/* SPDX-License-Identifier: Apache-2.0 */
#include "step.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "attrs.h"
#include "devlink-codec.h"
#include "ethtool-codec.h"
#include "holders.h"
#include "link-codec.h"
#include "module.h"
#include "sysfs.h"
#include "tc-codec.h"
#include "tc-scope.h"
#include "uapi.h"
#include "vdpa-codec.h"

bool
vdpad_step_is_genl(enum vdpad_act_kind kind)
{
    return kind == VDPAD_ACT_ESWITCH_MODE || kind == VDPAD_ACT_FEATURE
           || kind == VDPAD_ACT_VDPA_ADD || kind == VDPAD_ACT_VDPA_DEL
           || kind == VDPAD_ACT_VDPA_SET_MAC || kind == VDPAD_ACT_PORT_HW_ADDR
           || kind == VDPAD_ACT_VPORT_DEL;
}

bool
vdpad_step_is_slow(enum vdpad_act_kind kind)
{
    /* Switching it off waits for a reset to end. */
    return kind == VDPAD_ACT_NUMVFS || kind == VDPAD_ACT_ESWITCH_MODE
           || kind == VDPAD_ACT_AUTOPROBE;
}

static int
open_family(struct vdpad_observer *observer, const char *name,
            struct vdpad_nl **ret_nl, struct vdpad_genl_family *family,
            struct vdpad_error *why)
{
    int error = vdpad_observer_genl(observer, ret_nl, why);

    return error ? error : vdpad_nl_family(*ret_nl, name, family, why);
}

static int
on_link(void *row, uint16_t type, const void *payload, size_t len)
{
    return type == RTM_NEWLINK ? vdpad_link_decode(payload, len, row) : 0;
}

/* Opens rtnetlink and checks that the netdev of 'act' still has the name it
 * had when the step was planned. */
static int
open_netdev(struct vdpad_observer *observer, const struct vdpad_act *act,
            struct vdpad_nl **ret_nl, struct vdpad_error *why)
{
    struct vdpad_link row = { .ifindex = 0 };
    struct nl_msg *msg;
    int error = vdpad_observer_route(observer, ret_nl, why);

    if (error) {
        return error;
    }
    msg = vdpad_nl_msg(RTM_GETLINK, 0);
    error = vdpad_link_encode_get(msg, act->ifindex);
    error = vdpad_nl_call(*ret_nl, msg, error, on_link, &row, why,
                          "netdev %.15s (ifindex %d)", act->object,
                          (int) act->ifindex);
    if (error == -ENODEV) {
        error = -ESTALE;
        if (why) {
            why->code = error;
        }
    } else if (!error && strcmp(row.name, act->object)) {
        error = vdpad_error_set(why, -ESTALE,
                                "netdev with ifindex %d is %s, "
                                "no longer %.15s",
                                (int) act->ifindex, row.name, act->object);
    }
    return error;
}

static int
step_link(struct vdpad_observer *observer, const struct vdpad_act *act,
          struct vdpad_error *why)
{
    struct nl_msg *msg;
    struct vdpad_nl *nl;
    int error = open_netdev(observer, act, &nl, why);

    if (error) {
        return error;
    }
    msg = vdpad_nl_msg(RTM_SETLINK, 0);
    if (act->kind == VDPAD_ACT_LINK_UP) {
        error = vdpad_link_encode_up(msg, act->ifindex, act->number != 0);
        return vdpad_nl_call(nl, msg, error, NULL, NULL, why, "set %.15s %s",
                             act->object, act->number ? "up" : "down");
    }
    error = act->number < 0 || act->number > INT32_MAX
                ? -EINVAL
                : vdpad_link_encode_mtu(msg, act->ifindex,
                                        (uint32_t) act->number);
    return vdpad_nl_call(nl, msg, error, NULL, NULL, why,
                         "set MTU of %.15s to %lld", act->object,
                         (long long) act->number);
}

/* Whether netdev 'ifindex' has that qdisc: where it has none, the kernel says
 * ENOENT, or EINVAL if it once had one (tc_get_qdisc(),
 * net/sched/sch_api.c, 6.12). */
static int
find_qdisc(struct vdpad_observer *observer, int32_t ifindex, bool clsact,
           bool *is_found, struct vdpad_error *why)
{
    const struct vdpad_qdisc *row;
    struct vdpad_rows rows;
    int error;

    *is_found = false;
    error = vdpad_observe(observer, VDPAD_QDISC, &rows, why);
    if (error) {
        return error;
    }
    row = rows.picture.rows;
    for (size_t i = 0; i < rows.picture.n; i++) {
        *is_found |= row[i].ifindex == ifindex && row[i].clsact == clsact;
    }
    vdpad_rows_clear(&rows);
    return 0;
}

static int
step_qdisc_del(struct vdpad_observer *observer, const struct vdpad_act *act,
               struct vdpad_error *why)
{
    const char *kind = act->word[0] ? act->word : "ingress";
    struct nl_msg *msg;
    struct vdpad_nl *nl;
    bool is_found = false;
    int error = open_netdev(observer, act, &nl, why);

    if (!error) {
        error = find_qdisc(observer, act->ifindex, !strcmp(kind, "clsact"),
                           &is_found, why);
    }
    if (!error && is_found && act->number) {
        error = vdpad_scope_check_qdisc(nl, act->ifindex, why);
    }
    if (error || !is_found) {
        return error;
    }
    msg = vdpad_nl_msg(RTM_DELQDISC, 0);
    error = vdpad_tc_encode_qdisc_del(msg, act->ifindex, kind);
    error = vdpad_nl_call(nl, msg, error, NULL, NULL, why,
                          "delete %.15s qdisc of %.15s", kind, act->object);
    return error == -ENOENT ? 0 : error;
}

static int
step_filter_del(struct vdpad_observer *observer, const struct vdpad_act *act,
                struct vdpad_error *why)
{
    struct vdpad_scope scope = {
        .ifindex = act->ifindex,
        .block = act->tc.block,
        .egress = act->tc.egress,
    };
    struct vdpad_nl *nl;
    int error = act->ifindex ? open_netdev(observer, act, &nl, why)
                             : vdpad_observer_route(observer, &nl, why);

    return error ? error
                 : vdpad_scope_del_ovs(nl, &scope, act->tc.chain, act->tc.prio,
                                       why);
}

struct feature_answer {
    uint16_t family;
    bool is_refused;
};

static int
on_feature(void *answer_, uint16_t type, const void *payload, size_t len)
{
    struct feature_answer *answer = answer_;

    return type == answer->family
               ? vdpad_ethtool_decode_set(payload, len, &answer->is_refused)
               : 0;
}

static int
set_feature(struct vdpad_nl *nl, const struct vdpad_genl_family *family,
            const struct vdpad_act *act, bool on, bool *ret_refused,
            struct vdpad_error *why)
{
    struct feature_answer answer = { .family = family->id };
    struct nl_msg *msg = vdpad_nl_genl_msg(family, ETHTOOL_MSG_FEATURES_SET,
                                           ETHTOOL_GENL_VERSION, 0);
    int error = vdpad_ethtool_encode_set(msg, act->ifindex, on);

    error = vdpad_nl_call(nl, msg, error, on_feature, &answer, why,
                          "set hw-tc-offload of %.15s %s", act->object,
                          on ? "on" : "off");
    *ret_refused = answer.is_refused;
    return error;
}

/* The kernel asks the driver only when what is wanted changes
 * (ethnl_set_features(), net/ethtool/features.c): after a refusal it is set
 * back to what there is, or the next attempt would do nothing. */
static int
step_feature(struct vdpad_observer *observer, const struct vdpad_act *act,
             struct vdpad_error *why)
{
    struct vdpad_genl_family family;
    struct vdpad_nl *nl;
    bool on = act->number != 0, is_refused = false, ignored;
    int error = open_netdev(observer, act, &nl, why);

    if (!error) {
        error = open_family(observer, ETHTOOL_GENL_NAME, &nl, &family, why);
    }
    if (!error) {
        error = set_feature(nl, &family, act, on, &is_refused, why);
    }
    if (error || !is_refused) {
        return error;
    }
    error = set_feature(nl, &family, act, !on, &ignored, why);
    return error ? error
                 : vdpad_error_set(why, -EREMOTEIO,
                                   "set hw-tc-offload of %.15s %s: its driver "
                                   "refuses, see the kernel's log%s",
                                   act->object, on ? "on" : "off",
                                   on ? ""
                                      : " (mlx5: while TC rules of it are in "
                                        "hardware)");
}

/* Whether the device 'act' deletes is still on the function that it was seen
 * on, and free. */
static int
check_del(struct vdpad_observer *observer, const struct vdpad_act *act,
          struct vdpad_error *why)
{
    char parent[VDPAD_BDF_SIZE], word[VDPAD_BDF_SIZE + 4];
    int error = act->word[0] ? vdpad_vbus_parent(act->object, parent) : 0;

    if (error) {
        return error == -ENOENT
                   ? vdpad_error_set(why, -ENODEV, "vDPA device %s: not there",
                                     act->object)
                   : vdpad_error_set(why, error,
                                     "where vDPA device %s is cannot be "
                                     "known: %s",
                                     act->object, strerror(-error));
    }
    (void) snprintf(word, sizeof word, "pci/%s", parent);
    if (act->word[0] && strcmp(word, act->word)) {
        return vdpad_error_set(why, -ESTALE,
                               "vDPA device %s is on %s by now, not on %.60s",
                               act->object, parent[0] ? word : "none",
                               act->word);
    }
    return act->force ? 0
                      : vdpad_holders_check_vdpa(observer, act->object, why);
}

static int
step_vdpa(struct vdpad_observer *observer, const struct vdpad_act *act,
          struct vdpad_error *why)
{
    const char *name = vdpad_act_name((enum vdpad_act_kind) act->kind);
    struct vdpad_genl_family family;
    struct nl_msg *msg;
    struct vdpad_nl *nl;
    uint8_t cmd;
    int error = open_family(observer, VDPA_GENL_NAME, &nl, &family, why);

    /* Last: to look up the family may take as long as to ask for anything. */
    if (!error && act->kind == VDPAD_ACT_VDPA_DEL) {
        error = check_del(observer, act, why);
    }
    if (error) {
        return error;
    }
    cmd = act->kind == VDPAD_ACT_VDPA_ADD   ? VDPA_CMD_DEV_NEW
          : act->kind == VDPAD_ACT_VDPA_DEL ? VDPA_CMD_DEV_DEL
                                            : VDPAD_VDPA_CMD_DEV_ATTR_SET;
    msg = vdpad_nl_genl_msg(&family, cmd, VDPA_GENL_VERSION, 0);
    error = act->kind == VDPAD_ACT_VDPA_ADD ? vdpad_vdpa_encode_add(msg, act)
            : act->kind == VDPAD_ACT_VDPA_DEL
                ? vdpad_vdpa_encode_name(msg, act->object)
                : vdpad_vdpa_encode_set_mac(msg, act);
    return vdpad_nl_call(nl, msg, error, NULL, NULL, why, "%s %.127s%s%.60s",
                         name, act->object, act->word[0] ? " on " : "",
                         act->word);
}

static int
on_eswitch(void *row, uint16_t type, const void *payload, size_t len)
{
    return type < NLMSG_MIN_TYPE
               ? 0
               : vdpad_devlink_decode_eswitch(payload, len, row);
}

/* With mlx5 every TC rule in hardware is a user of the e-switch
 * (mlx5e_configure_flower(), drivers/net/ethernet/mellanox/mlx5/core/en_tc.c,
 * and mlx5_esw_try_lock(), eswitch.c, of 6.1 to 6.12). */
static int
explain_busy(struct vdpad_error *why)
{
    struct vdpad_error said;

    if (!why) {
        return -EBUSY;
    }
    said = *why;
    return vdpad_error_set(why, -EBUSY,
                           "%.139s; mlx5 says so while it has TC rules in "
                           "hardware: take the uplink out of its bridge, or "
                           "stop offloading",
                           said.text);
}

static int
step_eswitch(struct vdpad_observer *observer, const struct vdpad_act *act,
             struct vdpad_error *why)
{
    struct vdpad_eswitch now = { .mode = VDPAD_ESWITCH_NONE };
    struct vdpad_genl_family family;
    struct nl_msg *msg;
    struct vdpad_nl *nl;
    int error = open_family(observer, DEVLINK_GENL_NAME, &nl, &family, why);

    if (error) {
        return error;
    }
    msg = vdpad_nl_genl_msg(&family, DEVLINK_CMD_ESWITCH_GET,
                            DEVLINK_GENL_VERSION, 0);
    error = vdpad_devlink_encode_handle(msg, "pci", act->object);
    error = vdpad_nl_call(nl, msg, error, on_eswitch, &now, why,
                          "eswitch mode of pci/%.40s", act->object);
    if (error || now.mode == act->number) {
        return error;
    }
    error = act->force ? 0
                       : vdpad_holders_check_pf(observer, act->object, why);
    if (error) {
        return error;
    }
    msg = vdpad_nl_genl_msg(&family, DEVLINK_CMD_ESWITCH_SET,
                            DEVLINK_GENL_VERSION, 0);
    error = act->number < 0 || act->number > UINT16_MAX
                ? -EINVAL
                : vdpad_devlink_encode_eswitch(msg, "pci", act->object,
                                               (int) act->number, -1, -1);
    error = vdpad_nl_call(nl, msg, error, NULL, NULL, why,
                          "set eswitch mode of pci/%.40s to %s", act->object,
                          act->number == VDPAD_ESWITCH_SWITCHDEV ? "switchdev"
                          : act->number == VDPAD_ESWITCH_LEGACY  ? "legacy"
                                                                 : "another");
    return error == -EBUSY ? explain_busy(why) : error;
}

static int
step_hw_addr(struct vdpad_observer *observer, const struct vdpad_act *act,
             struct vdpad_error *why)
{
    struct vdpad_genl_family family;
    struct nl_msg *msg;
    struct vdpad_nl *nl;
    int error = open_family(observer, DEVLINK_GENL_NAME, &nl, &family, why);

    if (error) {
        return error;
    }
    msg = vdpad_nl_genl_msg(&family, DEVLINK_CMD_PORT_SET,
                            DEVLINK_GENL_VERSION, 0);
    error = act->number < 0 || act->number > UINT32_MAX || !act->has_mac
                ? -EINVAL
                : vdpad_devlink_encode_hw_addr(msg, "pci", act->object,
                                               (uint32_t) act->number,
                                               act->mac);
    return vdpad_nl_call(nl, msg, error, NULL, NULL, why,
                         "set hw_addr of port pci/%.40s/%lld", act->object,
                         (long long) act->number);
}

static int
step_vport_del(struct vdpad_observer *observer, const struct vdpad_act *act,
               struct vdpad_error *why)
{
    struct vdpad_nl *nl;
    int error = open_netdev(observer, act, &nl, why);

    return error ? error : vdpad_step_vport_del(observer, act, why);
}

/* Kinds whose object or word becomes part of a path. */
static bool
has_bad_name(const struct vdpad_act *act)
{
    bool is_bind = act->kind == VDPAD_ACT_VDPA_BIND
                   || (act->kind == VDPAD_ACT_VF_PROBE && act->word[0]);

    return !vdpad_sysfs_name_is_valid(act->object)
           || (is_bind && !vdpad_sysfs_name_is_valid(act->word));
}

static int
do_step(struct vdpad_observer *observer, const struct vdpad_act *act,
        struct vdpad_error *why)
{
    enum vdpad_act_kind kind = (enum vdpad_act_kind) act->kind;

    if (has_bad_name(act)) {
        return vdpad_error_set(why, -EINVAL, "%s: no name: '%.60s' '%.60s'",
                               vdpad_act_name(kind), act->object, act->word);
    }
    switch (kind) {
    case VDPAD_ACT_MODULE_LOAD:
        return vdpad_module_load(act->object, why);
    case VDPAD_ACT_AUTOPROBE:
        return vdpad_step_autoprobe(act, why);
    case VDPAD_ACT_NUMVFS:
        return vdpad_step_numvfs(observer, act, why);
    case VDPAD_ACT_ESWITCH_MODE:
        return step_eswitch(observer, act, why);
    case VDPAD_ACT_FEATURE:
        return step_feature(observer, act, why);
    case VDPAD_ACT_VF_PROBE:
        return vdpad_step_vf_probe(observer, act, why);
    case VDPAD_ACT_VF_UNBIND:
        return vdpad_step_vf_unbind(observer, act, why);
    case VDPAD_ACT_VDPA_ADD:
    case VDPAD_ACT_VDPA_DEL:
    case VDPAD_ACT_VDPA_SET_MAC:
        return step_vdpa(observer, act, why);
    case VDPAD_ACT_VDPA_BIND:
        return vdpad_step_vdpa_bind(observer, act, why);
    case VDPAD_ACT_VDPA_UNBIND:
        return vdpad_step_vdpa_unbind(observer, act, why);
    case VDPAD_ACT_LINK_UP:
    case VDPAD_ACT_LINK_MTU:
        return step_link(observer, act, why);
    case VDPAD_ACT_QDISC_DEL:
        return step_qdisc_del(observer, act, why);
    case VDPAD_ACT_FILTER_DEL:
        return step_filter_del(observer, act, why);
    case VDPAD_ACT_PORT_HW_ADDR:
        return step_hw_addr(observer, act, why);
    case VDPAD_ACT_VPORT_DEL:
        return step_vport_del(observer, act, why);
    case VDPAD_ACT_N:
    default:
        return vdpad_error_set(why, -EINVAL, "step %d: unknown",
                               (int) act->kind);
    }
}

int
vdpad_step(struct vdpad_observer *observer, const struct vdpad_act *act,
           struct vdpad_error *why)
{
    int error = do_step(observer, act, why);

    switch (error) {
    case -EAGAIN:
        if (act->kind == VDPAD_ACT_QDISC_DEL) {
            return error; /* Ours: see find_qdisc(). */
        }
        error = -EREMOTEIO;
        break;
    case -ETIMEDOUT:
    case -ECOMM:
    case -ECANCELED:
    case -EIO:
        error = -EREMOTEIO;
        break;
    case -ENOBUFS:
    case -EBADMSG:
        /* Not heard, or not understood. */
        observer->malformed += error == -EBADMSG;
        error = -EIO;
        break;
    default:
        return error;
    }
    if (why) {
        why->code = error;
    }
    return error;
}
