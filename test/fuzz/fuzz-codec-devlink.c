/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz-codec.h"

#include "netlink/devlink-codec.h"

FUZZ_DECODE(dev, vdpad_devlink_decode_dev)
FUZZ_DECODE(eswitch, vdpad_devlink_decode_eswitch)
FUZZ_DECODE(info, vdpad_devlink_decode_info)
FUZZ_DECODE(port, vdpad_devlink_decode_port)
FUZZ_DECODE(event, vdpad_devlink_decode_event)

static const struct fuzz_codec codecs[] = {
    { dev, sizeof(struct vdpad_eswitch) },
    { eswitch, sizeof(struct vdpad_eswitch) },
    { info, sizeof(struct vdpad_eswitch) },
    { port, sizeof(struct vdpad_dlport) },
    { event, sizeof(unsigned int) },
};

FUZZ_TARGET(codecs)
