/* SPDX-License-Identifier: Apache-2.0 */
/* Would hardware take this filter?  It is offered once more, for the hardware
 * alone, and removed again.
 *
 * Whoever is killed in between leaves the copy behind, which would go on
 * switching packets when the filter itself is long gone.  So copies can be
 * recognised, by their handle, the cookie of their actions and their flags,
 * and are looked for: before each probe in its scope; everywhere when the
 * daemon starts, before a helper process's first, and when one has ended in a
 * probe. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/msg.h>

#include "query.h"
#include "uapi.h"

/* Priorities that may be used.  Open vSwitch fills them from below, and mlx5
 * knows 16 (FDB_TC_MAX_PRIO, drivers/net/ethernet/mellanox/mlx5/core/lib/
 * fs_chains.c of 6.12), so the highest one that is free is taken. */
#define FIRST_PRIO 5
#define LAST_PRIO 16

#define PROBE_HANDLE 0x76647061u /* "vdpa". */
#define PROBE_FLAGS (TCA_CLS_FLAGS_SKIP_SW | TCA_CLS_FLAGS_VERBOSE)

static const uint8_t probe_cookie[16] = "ovs-vdpad probe";

/* What a scope has: which of the priorities are in use, and copies. */
struct survey {
    uint32_t prios; /* Bit per priority up to 31. */
    struct vdpad_flow_pos *copies;
    size_t n_copies, capacity;
};

/* One filter, as it came. */
struct original {
    void *payload;
    size_t len;
};

static bool
is_copy(const struct vdpad_flower_id *id)
{
    return id->pos.handle == PROBE_HANDLE && id->pos.prio >= FIRST_PRIO
           && id->pos.prio <= LAST_PRIO && id->flags & TCA_CLS_FLAGS_SKIP_SW
           && id->cookie.len == sizeof probe_cookie
           && !memcmp(id->cookie.bytes, probe_cookie, sizeof probe_cookie);
}

static int
on_surveyed(void *survey_, uint16_t type, const void *payload, size_t len)
{
    struct survey *survey = survey_;
    struct vdpad_flower_id id;
    struct tcmsg header;
    int error;

    if (type != RTM_NEWTFILTER || len < sizeof header) {
        return 0;
    }
    /* Classifiers of other kinds use priorities too. */
    memcpy(&header, payload, sizeof header);
    if (header.tcm_info >> 16 < 32) {
        survey->prios |= 1u << (header.tcm_info >> 16);
    }
    error = vdpad_flower_decode_id(payload, len, &id);
    if (!error && is_copy(&id)) {
        if (survey->n_copies == survey->capacity) {
            survey->capacity = survey->capacity ? survey->capacity * 2 : 4;
            survey->copies = vdpad_nl_realloc(survey->copies, survey->capacity,
                                              sizeof *survey->copies);
        }
        survey->copies[survey->n_copies++] = id.pos;
    }
    return error;
}

static int
remove_copy(struct vdpad_nl *nl, const struct vdpad_flow_pos *pos,
            struct vdpad_error *why)
{
    struct nl_msg *msg = vdpad_nl_msg(RTM_DELTFILTER, 0);
    int error = vdpad_flower_encode_id(msg, pos);

    error = vdpad_nl_call(nl, msg, error, NULL, NULL, why,
                          "removing the copy of a filter (%s %ld, priority "
                          "%u, handle %#x)",
                          pos->block ? "block" : "ifindex",
                          pos->block ? (long) pos->block : (long) pos->ifindex,
                          pos->prio, pos->handle);
    /* Somebody else was faster: Open vSwitch removes whole qdiscs. */
    return error == -ENOENT || error == -ENODEV || error == -EINVAL ? 0
                                                                    : error;
}

/* Removes what probes have left in 'scope'; then tells in '*ret_prios' which
 * priorities are in use there. */
static int
survey_scope(struct vdpad_nl *nl, const struct vdpad_flow_pos *scope,
             uint32_t *ret_prios, struct vdpad_error *why)
{
    size_t n_copies;
    int error;

    do {
        struct survey survey = { .prios = 0 };
        struct nl_msg *msg = vdpad_nl_msg(RTM_GETTFILTER, NLM_F_DUMP);

        error = vdpad_flower_encode_dump(msg, scope);
        error = vdpad_nl_call(nl, msg, error, on_surveyed, &survey, why,
                              "filter dump of %s %ld",
                              scope->block ? "block" : "ifindex",
                              scope->block ? (long) scope->block
                                           : (long) scope->ifindex);
        for (size_t i = 0; i < survey.n_copies && !error; i++) {
            error = remove_copy(nl, &survey.copies[i], why);
        }
        n_copies = survey.n_copies;
        *ret_prios = survey.prios;
        free(survey.copies);
    } while (n_copies && !error);
    return error;
}

static int
sweep_all(struct vdpad_observer *observer, struct vdpad_nl *nl,
          struct vdpad_error *why)
{
    struct vdpad_flow_pos *scopes = NULL;
    size_t n = 0;
    int error = vdpad_query_scopes(observer, 0, 0, &scopes, &n, why);

    for (size_t i = 0; i < n && !error; i++) {
        uint32_t prios;

        error = survey_scope(nl, &scopes[i], &prios, why);
        if (error == -ENODEV || error == -EINVAL) {
            /* The netdev or block has gone. */
            error = 0;
        }
    }
    free(scopes);
    return error;
}

static int
on_original(void *original_, uint16_t type, const void *payload, size_t len)
{
    struct original *original = original_;

    if (type == RTM_NEWTFILTER && !original->payload) {
        original->payload = vdpad_nl_calloc(1, len);
        original->len = len;
        memcpy(original->payload, payload, len);
    }
    return 0;
}

static int
read_original(struct vdpad_nl *nl, const struct vdpad_flow_pos *pos,
              struct original *original, struct vdpad_error *why)
{
    struct nl_msg *msg = vdpad_nl_msg(RTM_GETTFILTER, 0);
    struct vdpad_flower_id id;
    int error = vdpad_flower_encode_id(msg, pos);

    error = vdpad_nl_call(nl, msg, error, on_original, original, why,
                          "filter %#x of priority %u", pos->handle, pos->prio);
    if (error == -ENODEV || error == -EINVAL || error == -ENOENT) {
        /* Its netdev, its chain, or itself. */
        return vdpad_error_set(why, -ENOENT, "the filter is gone");
    }
    if (!error
        && (!original->payload
            || vdpad_flower_decode_id(original->payload, original->len,
                                      &id))) {
        return vdpad_error_set(why, -EBADMSG,
                               "the filter cannot be understood");
    }
    if (!error && id.flags & TCA_CLS_FLAGS_IN_HW) {
        return vdpad_error_set(why, -EEXIST,
                               "the filter is in hardware already");
    }
    return error;
}

/* Errors that a driver must not be taken to mean something else with. */
static int
refusal(int error)
{
    if (error == -EEXIST) {
        return -EBUSY; /* NLM_F_EXCL: the priority was taken just now. */
    }
    return !error || vdpad_probe_is_refusal(error) ? error : -EREMOTEIO;
}

static int
offer(struct vdpad_nl *nl, const struct vdpad_flow_pos *at,
      const struct original *original, uint16_t prio, struct vdpad_error *why)
{
    struct nl_msg *msg = vdpad_nl_msg(RTM_NEWTFILTER,
                                      NLM_F_CREATE | NLM_F_EXCL);
    struct vdpad_flow_pos copy = *at;
    int error;

    /* Room for as many actions as the kernel takes. */
    error = nlmsg_expand(msg, original->len + 8192) ? -ENOMEM : 0;
    if (!error) {
        error = vdpad_flower_encode_copy(msg, original->payload, original->len,
                                         prio, PROBE_HANDLE, PROBE_FLAGS,
                                         probe_cookie);
    }
    if (error == -ENOMSG) {
        nlmsg_free(msg);
        return vdpad_error_set(why, -ENOMSG,
                               "the filter does nothing but meter: a copy "
                               "could not be told from others");
    }
    copy.prio = prio;
    copy.handle = PROBE_HANDLE;
    error = vdpad_nl_call(nl, msg, error, NULL, NULL, why, "hardware");
    if (error) {
        error = refusal(error);
        if (why) {
            why->code = error;
        }
        return error;
    }
    return remove_copy(nl, &copy, why);
}

int
vdpad_query_probe(struct vdpad_observer *observer,
                  const struct vdpad_flow_query *query,
                  struct vdpad_error *why)
{
    static bool has_swept;
    const struct vdpad_flow_pos *at = &query->at;
    struct original original = { .payload = NULL };
    uint32_t prios = 0;
    uint16_t prio = LAST_PRIO;
    struct vdpad_nl *nl;
    int error = vdpad_observer_route(observer, &nl, why);

    if (!error && (!has_swept || !query->has_at)) {
        error = sweep_all(observer, nl, why);
        has_swept = !error;
    }
    if (error || !query->has_at) {
        return error;
    }
    error = read_original(nl, at, &original, why);
    if (!error) {
        error = survey_scope(nl, at, &prios, why);
    }
    while (prio >= FIRST_PRIO && prios & 1u << prio) {
        prio--;
    }
    if (!error && prio < FIRST_PRIO) {
        error = vdpad_error_set(why, -EBUSY,
                                "no priority from %d to %d is free",
                                FIRST_PRIO, LAST_PRIO);
    }
    if (!error) {
        error = offer(nl, at, &original, prio, why);
    }
    free(original.payload);
    return error;
}
