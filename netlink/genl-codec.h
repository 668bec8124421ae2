/* SPDX-License-Identifier: Apache-2.0 */
/* The controller of generic netlink (include/uapi/linux/genetlink.h): numbers
 * of families and of their multicast groups. */
#ifndef VDPAD_NETLINK_GENL_CODEC_H
#define VDPAD_NETLINK_GENL_CODEC_H 1

#include <stddef.h>
#include <stdint.h>

#define VDPAD_GENL_GROUPS 8

struct vdpad_genl_family {
    char name[16]; /* GENL_NAMSIZ. */
    uint16_t id;
    size_t n_groups;
    struct {
        char name[16];
        uint32_t id;
    } groups[VDPAD_GENL_GROUPS]; /* Further ones are left out. */
};

/* Decodes the 'len' bytes at 'payload' (a genlmsghdr and its attributes, of a
 * message of type GENL_ID_CTRL) to 'family'.  Returns 0, VDPAD_CODEC_SKIP or
 * -EBADMSG. */
int vdpad_genl_decode_family(const void *payload, size_t len,
                             struct vdpad_genl_family *family);

#endif
