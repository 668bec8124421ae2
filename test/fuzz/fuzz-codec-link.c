/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz-codec.h"

#include <linux/rtnetlink.h>

#include "netlink/link-codec.h"

FUZZ_DECODE(link_row, vdpad_link_decode)

static int
new_event(const void *payload, size_t len, void *classes)
{
    return vdpad_link_decode_event(RTM_NEWLINK, payload, len, classes);
}

static int
del_event(const void *payload, size_t len, void *classes)
{
    return vdpad_link_decode_event(RTM_DELLINK, payload, len, classes);
}

static const struct fuzz_codec codecs[] = {
    { link_row, sizeof(struct vdpad_link) },
    { new_event, sizeof(unsigned int) },
    { del_event, sizeof(unsigned int) },
};

FUZZ_TARGET(codecs)
