/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz-codec.h"

#include "netlink/tc-codec.h"

FUZZ_DECODE(qdisc, vdpad_tc_decode_qdisc)
FUZZ_DECODE(filter, vdpad_tc_decode_filter)
FUZZ_DECODE(event, vdpad_tc_decode_event)

/* The other ones are skipped. */
static void
check_filter(const void *row)
{
    const struct vdpad_filter *made = row;

    CHECK(made->is_flower && made->handle);
}

static const struct fuzz_codec codecs[] = {
    { qdisc, FUZZ_ROW, FUZZ_OF(VDPAD_QDISC) },
    { filter, FUZZ_ROW, .row_size = sizeof(struct vdpad_filter),
      .check = check_filter },
    { event, FUZZ_ROW, .row_size = sizeof(struct vdpad_filter) },
};

FUZZ_TARGET(codecs)
