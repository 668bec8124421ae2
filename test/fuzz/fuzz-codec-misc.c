/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz-codec.h"

#include "netlink/genl-codec.h"
#include "netlink/uevent-codec.h"

FUZZ_DECODE(family, vdpad_genl_decode_family)
FUZZ_DECODE(uevent, vdpad_uevent_decode)

static void
check_family(const void *row)
{
    const struct vdpad_genl_family *made = row;

    fuzz_check_text(made->name, sizeof made->name);
    CHECK(made->n_groups <= VDPAD_GENL_GROUPS);
    for (size_t i = 0; i < VDPAD_GENL_GROUPS; i++) {
        fuzz_check_text(made->groups[i].name, sizeof made->groups[i].name);
    }
}

static const struct fuzz_codec codecs[] = {
    { family, FUZZ_ROW, .row_size = sizeof(struct vdpad_genl_family),
      .check = check_family },
    { uevent, FUZZ_EVENT, .row_size = sizeof(unsigned int) },
};

FUZZ_TARGET(codecs)
