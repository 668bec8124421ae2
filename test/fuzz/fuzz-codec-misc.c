/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz-codec.h"

#include "netlink/genl-codec.h"
#include "netlink/uevent-codec.h"

FUZZ_DECODE(family, vdpad_genl_decode_family)
FUZZ_DECODE(uevent, vdpad_uevent_decode)

static const struct fuzz_codec codecs[] = {
    { family, sizeof(struct vdpad_genl_family) },
    { uevent, sizeof(unsigned int) },
};

FUZZ_TARGET(codecs)
