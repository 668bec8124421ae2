/* SPDX-License-Identifier: Apache-2.0 */
#include "genl-codec.h"

#include <errno.h>
#include <string.h>

#include "attrs.h"
#include "uapi.h"

static const struct nla_policy family_policy[CTRL_ATTR_MAX + 1] = {
    [CTRL_ATTR_FAMILY_ID] = VDPAD_POLICY_U16,
    [CTRL_ATTR_FAMILY_NAME] = VDPAD_POLICY_TEXT,
    [CTRL_ATTR_MCAST_GROUPS] = VDPAD_POLICY_NEST,
};

static const struct nla_policy group_policy[CTRL_ATTR_MCAST_GRP_MAX + 1] = {
    [CTRL_ATTR_MCAST_GRP_NAME] = VDPAD_POLICY_TEXT,
    [CTRL_ATTR_MCAST_GRP_ID] = VDPAD_POLICY_U32,
};

static int
decode_groups(const struct nlattr *nest, struct vdpad_genl_family *family)
{
    const struct nlattr *attr;
    int left;

    if (!vdpad_attrs_are_sound(nla_data(nest), (size_t) nla_len(nest))) {
        return -EBADMSG;
    }
    nla_for_each_nested(attr, nest, left)
    {
        struct nlattr *tb[CTRL_ATTR_MCAST_GRP_MAX + 1];
        int error = vdpad_attrs_parse_nested(tb, CTRL_ATTR_MCAST_GRP_MAX, attr,
                                             group_policy);

        if (error || !tb[CTRL_ATTR_MCAST_GRP_NAME]
            || !tb[CTRL_ATTR_MCAST_GRP_ID]) {
            return -EBADMSG;
        }
        if (family->n_groups < VDPAD_GENL_GROUPS) {
            size_t i = family->n_groups++;

            vdpad_attr_text(tb[CTRL_ATTR_MCAST_GRP_NAME],
                            family->groups[i].name,
                            sizeof family->groups[i].name);
            family->groups[i].id = nla_get_u32(tb[CTRL_ATTR_MCAST_GRP_ID]);
        }
    }
    return 0;
}

int
vdpad_genl_decode_family(const void *payload, size_t len,
                         struct vdpad_genl_family *family)
{
    struct nlattr *tb[CTRL_ATTR_MAX + 1];
    int error;

    error = vdpad_attrs_parse_genl(tb, CTRL_ATTR_MAX, payload, len,
                                   family_policy, CTRL_CMD_NEWFAMILY);
    if (error) {
        return error;
    }
    if (!tb[CTRL_ATTR_FAMILY_ID] || !tb[CTRL_ATTR_FAMILY_NAME]) {
        return -EBADMSG;
    }
    memset(family, 0, sizeof *family);
    family->id = nla_get_u16(tb[CTRL_ATTR_FAMILY_ID]);
    vdpad_attr_text(tb[CTRL_ATTR_FAMILY_NAME], family->name,
                    sizeof family->name);
    return tb[CTRL_ATTR_MCAST_GROUPS]
               ? decode_groups(tb[CTRL_ATTR_MCAST_GROUPS], family)
               : 0;
}
