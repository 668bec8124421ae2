/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz-codec.h"

#include "netlink/devlink-codec.h"

FUZZ_DECODE(dev, vdpad_devlink_decode_dev)
FUZZ_DECODE(eswitch, vdpad_devlink_decode_eswitch)
FUZZ_DECODE(info, vdpad_devlink_decode_info)
FUZZ_DECODE(port, vdpad_devlink_decode_port)
FUZZ_DECODE(event, vdpad_devlink_decode_event)

/* A row has no e-switch and no firmware at first, see
 * vdpad_devlink_decode_dev(). */
static void
begin(void *row)
{
    struct vdpad_eswitch *eswitch = row;

    eswitch->mode = VDPAD_ESWITCH_NONE;
    eswitch->inline_mode = eswitch->encap_mode = -1;
    memset(eswitch->driver, 0, sizeof eswitch->driver);
    memset(eswitch->fw_version, 0, sizeof eswitch->fw_version);
}

static const struct fuzz_codec codecs[] = {
    { dev, FUZZ_ROW, FUZZ_OF(VDPAD_ESWITCH) },
    { eswitch, FUZZ_ADDITION, FUZZ_OF(VDPAD_ESWITCH), .begin = begin },
    { info, FUZZ_ADDITION, FUZZ_OF(VDPAD_ESWITCH), .begin = begin },
    { port, FUZZ_ROW, FUZZ_OF(VDPAD_DLPORT) },
    { event, FUZZ_EVENT, .row_size = sizeof(unsigned int) },
};

FUZZ_TARGET(codecs)
