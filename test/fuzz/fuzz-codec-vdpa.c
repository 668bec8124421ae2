/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz-codec.h"

#include "netlink/vdpa-codec.h"

FUZZ_DECODE(mgmtdev, vdpad_vdpa_decode_mgmtdev)
FUZZ_DECODE(dev, vdpad_vdpa_decode_dev)
FUZZ_DECODE(config, vdpad_vdpa_decode_config)

static const struct fuzz_codec codecs[] = {
    { mgmtdev, sizeof(struct vdpad_mgmtdev) },
    { dev, sizeof(struct vdpad_vdpa) },
    { config, sizeof(struct vdpad_vdpa) },
};

FUZZ_TARGET(codecs)
