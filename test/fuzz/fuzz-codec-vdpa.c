/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz-codec.h"

#include "netlink/vdpa-codec.h"

FUZZ_DECODE(mgmtdev, vdpad_vdpa_decode_mgmtdev)
FUZZ_DECODE(dev, vdpad_vdpa_decode_dev)
FUZZ_DECODE(config, vdpad_vdpa_decode_config)

static const struct fuzz_codec codecs[] = {
    { mgmtdev, FUZZ_ROW, .keeps = true, FUZZ_OF(VDPAD_MGMTDEV) },
    { dev, FUZZ_ROW, .keeps = true, FUZZ_OF(VDPAD_VDPA) },
    { config, FUZZ_ADDITION, .keeps = true, FUZZ_OF(VDPAD_VDPA) },
};

FUZZ_TARGET(codecs)
