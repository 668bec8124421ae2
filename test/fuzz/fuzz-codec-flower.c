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
    fuzz_check_text(text, VDPAD_FLOW_TEXT_SIZE);
    for (const char *p = text; *p; p++) {
        CHECK((unsigned char) *p >= ' ' && *p != 0x7f);
    }
}

static void
check_detail(const void *row)
{
    const struct vdpad_flow_detail *detail = row;

    check_text(detail->match);
    check_text(detail->actions);
    CHECK(detail->where >= VDPAD_FLOW_IN_HW
          && detail->where <= VDPAD_FLOW_IN_KERNEL);
    CHECK(detail->used_ms >= -1 && detail->age_ms >= -1);
}

static int
filter(const void *payload, size_t len, void *row)
{
    return vdpad_flower_decode(payload, len, NULL, row);
}

/* A copy is the filter of its own that was asked for. */
static int
copy(const void *payload, size_t len, void *row)
{
    static const uint8_t cookie[16] = "0123456789abcde";
    struct nl_msg *msg = nlmsg_alloc_size(len + 16384);
    struct vdpad_flower_id id;

    CHECK(msg);
    (void) row;
    CHECK(nlmsg_put(msg, 0, 0, 0, 0, 0));
    if (!vdpad_flower_encode_copy(msg, payload, len, 16, 1, 2, cookie)) {
        const struct nlmsghdr *header = nlmsg_hdr(msg);

        CHECK(!vdpad_flower_decode_id(nlmsg_data(header),
                                      (size_t) nlmsg_datalen(header), &id));
        CHECK(id.pos.prio == 16 && id.pos.handle == 1 && id.flags == 2);
        CHECK(id.cookie.len == sizeof cookie
              && !memcmp(id.cookie.bytes, cookie, sizeof cookie));
    }
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

    return vdpad_kernel_flow_detail(payload, len, &all, 1000, row);
}

FUZZ_DECODE(brief, vdpad_kernel_flow_decode)
FUZZ_DECODE(vport, vdpad_vport_decode)
FUZZ_DECODE(datapath, vdpad_datapath_decode)

FUZZ_DECODE(id, vdpad_flower_decode_id)

static void
check_vport(const void *row)
{
    const struct vdpad_vport *made = row;

    fuzz_check_text(made->name, sizeof made->name);
}

static void
check_datapath(const void *row)
{
    const struct vdpad_datapath *made = row;

    fuzz_check_text(made->name, sizeof made->name);
}

static const struct fuzz_codec codecs[] = {
    { filter, FUZZ_ROW, .row_size = sizeof(struct vdpad_flow_detail),
      .check = check_detail },
    { .decode = copy, .kind = FUZZ_NOTHING },
    { flow, FUZZ_ROW, .row_size = sizeof(struct vdpad_flow_detail),
      .check = check_detail },
    { brief, FUZZ_ROW, .row_size = sizeof(struct vdpad_kernel_flow) },
    { vport, FUZZ_ROW, .row_size = sizeof(struct vdpad_vport),
      .check = check_vport },
    { datapath, FUZZ_ROW, .row_size = sizeof(struct vdpad_datapath),
      .check = check_datapath },
    { id, FUZZ_ROW, .row_size = sizeof(struct vdpad_flower_id) },
};

FUZZ_TARGET(codecs)
