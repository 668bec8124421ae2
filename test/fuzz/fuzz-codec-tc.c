/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz-codec.h"

#include "netlink/tc-codec.h"

FUZZ_DECODE(qdisc, vdpad_tc_decode_qdisc)
FUZZ_DECODE(filter, vdpad_tc_decode_filter)

static const struct fuzz_codec codecs[] = {
    { qdisc, sizeof(struct vdpad_qdisc) },
    { filter, sizeof(struct vdpad_filter) },
};

FUZZ_TARGET(codecs)
