/* SPDX-License-Identifier: Apache-2.0 */
/* Filters and kernel flows as text; copies of filters. */
#include "fuzz-codec.h"

#include <netlink/msg.h>

#include "netlink/datapath-codec.h"
#include "netlink/flower-codec.h"

/* Texts end, and have nothing that could disturb a terminal. */
static void
check_text(const char *text)
{
    size_t len = strnlen(text, VDPAD_FLOW_TEXT_SIZE);

    if (len >= VDPAD_FLOW_TEXT_SIZE) {
        abort();
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char) text[i] < ' ' || text[i] == 0x7f) {
            abort();
        }
    }
}

static int
filter(const void *payload, size_t len, void *row)
{
    struct vdpad_flow_detail *detail = row;
    int error = vdpad_flower_decode(payload, len, NULL, detail);

    if (!error) {
        check_text(detail->match);
        check_text(detail->actions);
    }
    return error;
}

static int
copy(const void *payload, size_t len, void *row)
{
    static const uint8_t cookie[16] = "0123456789abcde";
    struct nl_msg *msg = nlmsg_alloc_size(len + 16384);

    if (!msg) {
        abort();
    }
    (void) row;
    (void) vdpad_flower_encode_copy(msg, payload, len, 16, 1, 2, cookie);
    nlmsg_free(msg);
    return 0;
}

static int
flow(const void *payload, size_t len, void *row)
{
    static const struct vdpad_vport ports[] = {
        { .port = 2, .ifindex = 6, .name = "pf0vf0" },
        { .port = 3, .ifindex = 7, .name = "pf0vf1" },
    };
    const struct vdpad_vports all = { .ports = ports, .n = 2 };
    struct vdpad_flow_detail *detail = row;
    int error = vdpad_kernel_flow_detail(payload, len, &all, 1000, detail);

    if (!error) {
        check_text(detail->match);
        check_text(detail->actions);
    }
    return error;
}

FUZZ_DECODE(brief, vdpad_kernel_flow_decode)
FUZZ_DECODE(vport, vdpad_vport_decode)
FUZZ_DECODE(datapath, vdpad_datapath_decode)

static const struct fuzz_codec codecs[] = {
    { filter, sizeof(struct vdpad_flow_detail) },
    { copy, 1 },
    { flow, sizeof(struct vdpad_flow_detail) },
    { brief, sizeof(struct vdpad_kernel_flow) },
    { vport, sizeof(struct vdpad_vport) },
    { datapath, sizeof(struct vdpad_datapath) },
};

FUZZ_TARGET(codecs)
