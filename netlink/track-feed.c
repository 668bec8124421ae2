/* SPDX-License-Identifier: Apache-2.0 */
#include "track-feed.h"

#include <errno.h>
#include <string.h>

#include "attrs.h"
#include "stats-codec.h"
#include "tc-codec.h"
#include "uapi.h"

static int
take_filter(struct vdpad_track *t, uint16_t type, const void *payload,
            size_t len)
{
    struct vdpad_filter filter;
    int error = vdpad_tc_decode_event(payload, len, &filter);

    if (error) {
        return error;
    }
    if (type == RTM_DELCHAIN) {
        vdpad_track_event_chain_gone(t, &filter);
    } else {
        vdpad_track_event_filter(t, &filter, type == RTM_NEWTFILTER);
    }
    return 0;
}

static int
take_link_gone(struct vdpad_track *t, const void *payload, size_t len)
{
    struct ifinfomsg header;

    if (len < sizeof header) {
        return -EBADMSG;
    }
    memcpy(&header, payload, sizeof header);
    /* A port that leaves a bridge is announced under the bridges' family. */
    if (header.ifi_family != AF_UNSPEC) {
        return VDPAD_CODEC_SKIP;
    }
    vdpad_track_event_link_gone(t, header.ifi_index);
    return 0;
}

int
vdpad_track_announced(struct vdpad_track *t, uint16_t type,
                      const void *payload, size_t len)
{
    struct vdpad_qdisc qdisc;
    int error;

    switch (type) {
    case RTM_NEWTFILTER:
    case RTM_DELTFILTER:
    case RTM_DELCHAIN:
        return take_filter(t, type, payload, len);
    case RTM_NEWQDISC:
    case RTM_DELQDISC:
        error = vdpad_tc_decode_qdisc(payload, len, &qdisc);
        if (!error) {
            vdpad_track_event_qdisc(t, &qdisc, type == RTM_NEWQDISC);
        }
        return error;
    case RTM_DELLINK:
        return take_link_gone(t, payload, len);
    default:
        return VDPAD_CODEC_SKIP;
    }
}

int
vdpad_track_dumped(struct vdpad_track *t, uint16_t type, const void *payload,
                   size_t len)
{
    struct vdpad_link_stats stats;
    struct vdpad_filter filter;
    struct vdpad_qdisc qdisc;
    int error;

    switch (type) {
    case RTM_NEWTFILTER:
        error = vdpad_tc_decode_filter(payload, len, &filter);
        if (!error) {
            vdpad_track_dump_row(t, &filter);
        }
        return error;
    case RTM_NEWQDISC:
        error = vdpad_tc_decode_qdisc(payload, len, &qdisc);
        if (!error) {
            vdpad_track_qdiscs_row(t, &qdisc);
        }
        return error;
    case RTM_NEWSTATS:
        error = vdpad_stats_decode(payload, len, &stats);
        if (!error) {
            vdpad_track_stats_row(t, &stats);
        }
        return error;
    default:
        return VDPAD_CODEC_SKIP;
    }
}
