/* SPDX-License-Identifier: Apache-2.0 */
/* One step that changes the kernel.  Steps are plain values: they cross a
 * process boundary as bytes. */
#ifndef VDPAD_ACTION_H
#define VDPAD_ACTION_H 1

#include <vdpad/model.h>

enum vdpad_act_kind {
    VDPAD_ACT_MODULE_LOAD,  /* object: module. */
    VDPAD_ACT_AUTOPROBE,    /* object: PF; number: 0 or 1. */
    VDPAD_ACT_NUMVFS,       /* object: PF; number.  So many by now, but for
                                 * 0: -ESTALE, as somebody else made them. */
    VDPAD_ACT_ESWITCH_MODE, /* object: PF; number: eswitch mode. */
    VDPAD_ACT_FEATURE,      /* ifindex, object: netdev; number: 0, 1:
                                 * hw-tc-offload. */
    VDPAD_ACT_VF_PROBE,     /* object: VF; word: driver, or "" for the
                                 * driver the kernel finds (an override is
                                 * cleared), unless it has another one by now
                                 * than 'from' ("": none).  Bound to such
                                 * another one: success; to 'word' by now:
                                 * -ESTALE, as somebody else did it. */
    VDPAD_ACT_VF_UNBIND,    /* object: VF. */
    VDPAD_ACT_VDPA_ADD,     /* object: name; word: mgmtdev "pci/BDF";
                                 * mac, mtu, max_vqp: 0 means not given. */
    VDPAD_ACT_VDPA_DEL,     /* object: name; word: "" or "pci/BDF", then
                                 * -ESTALE if it is on another function. */
    VDPAD_ACT_VDPA_SET_MAC, /* object: name; mac. */
    VDPAD_ACT_VDPA_BIND,    /* object: name; word: vhost_vdpa or
                                 * virtio_vdpa.  Unbinds a different driver
                                 * first, sets and clears driver_override,
                                 * announces the device by a "change" uevent
                                 * once it is bound. */
    VDPAD_ACT_VDPA_UNBIND,  /* object: name. */
    VDPAD_ACT_LINK_UP,      /* ifindex, object: netdev; number: 0, 1. */
    VDPAD_ACT_LINK_MTU,     /* ifindex, object: netdev; number: bytes. */
    VDPAD_ACT_QDISC_DEL,    /* ifindex, object: netdev: its ingress
                                 * qdisc; word: "" or "ingress", or "clsact"
                                 * for one of that kind.  No such qdisc:
                                 * success.  number 1: only if all that is in
                                 * it is Open vSwitch's, else -EBUSY. */
    VDPAD_ACT_FILTER_DEL,   /* ifindex, object: netdev, or ifindex 0 and
                                 * 'tc.block': those filters of 'tc' that are
                                 * Open vSwitch's, one by one.  None:
                                 * success. */
    VDPAD_ACT_PORT_HW_ADDR, /* object: PF; number: devlink port index;
                                 * mac: of the function behind it. */
    VDPAD_ACT_VPORT_DEL,    /* ifindex, object: netdev: out of the kernel
                                 * datapath of Open vSwitch, if that knows it
                                 * by a former name only. */
    VDPAD_ACT_N
};

/* Steps name netdevs by ifindex and name, and are refused with -ESTALE when
 * the two do not belong together any more. */
struct vdpad_act {
    int32_t kind;    /* enum vdpad_act_kind. */
    int32_t ifindex; /* 0: none. */
    int64_t number;
    char object[VDPAD_NAME_SIZE];
    char word[VDPAD_NAME_SIZE];
    char from[VDPAD_WORD_SIZE]; /* A driver. */
    uint8_t mac[6];
    bool has_mac;
    bool force; /* Do it although the device is in use. */
    uint16_t mtu, max_vqp;
    int32_t seen; /* Number of VFs that are to be removed; those of another
                   * number are not.  0, -1: however many there are. */
    struct {
        uint32_t block, chain, prio;
        bool egress;
    } tc;
};

/* Name of 'kind' as `plan` prints it: "numvfs", "vdpa-add", … */
const char *vdpad_act_name(enum vdpad_act_kind kind);

#endif
