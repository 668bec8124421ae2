/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz-codec.h"

#include <linux/rtnetlink.h>

#include "netlink/link-codec.h"
#include "netlink/stats-codec.h"

FUZZ_DECODE(link_row, vdpad_link_decode)
FUZZ_DECODE(stats, vdpad_stats_decode)

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
    { link_row, FUZZ_ROW, FUZZ_OF(VDPAD_LINK) },
    { new_event, FUZZ_EVENT, .row_size = sizeof(unsigned int) },
    { del_event, FUZZ_EVENT, .row_size = sizeof(unsigned int) },
    { stats, FUZZ_ROW, .row_size = sizeof(struct vdpad_link_stats) },
};

FUZZ_TARGET(codecs)
