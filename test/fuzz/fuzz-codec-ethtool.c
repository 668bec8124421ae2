/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz-codec.h"

#include "netlink/ethtool-codec.h"

FUZZ_DECODE(features, vdpad_ethtool_decode_features)

static const struct fuzz_codec codecs[] = {
    { features, FUZZ_ROW, FUZZ_OF(VDPAD_FEATURE) },
};

FUZZ_TARGET(codecs)
