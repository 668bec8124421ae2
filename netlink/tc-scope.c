/* SPDX-License-Identifier: Apache-2.0 */
#include "tc-scope.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/msg.h>

#include "attrs.h"
#include "observe.h"
#include "rows.h"
#include "uapi.h"
#include "vswitchd.h"

/* Filters that one dump may name for deletion; the rest is found by the
 * next. */
#define DELETE_MAX 65536

/* After so many deletions somebody else's claim is looked for. */
#define DELETE_SLICE 4096

bool
vdpad_filter_is_ovs(const struct vdpad_filter *filter)
{
    return filter->is_flower && filter->has_cookie;
}

static struct tcmsg
header_of(const struct vdpad_scope *scope)
{
    struct tcmsg header = { .tcm_family = AF_UNSPEC };

    if (scope->ifindex) {
        header.tcm_ifindex = scope->ifindex;
        header.tcm_parent = TC_H_MAKE(TC_H_CLSACT, scope->egress
                                                       ? TC_H_MIN_EGRESS
                                                       : TC_H_MIN_INGRESS);
    } else {
        header.tcm_ifindex = (int) TCM_IFINDEX_MAGIC_BLOCK;
        header.tcm_block_index = scope->block;
    }
    return header;
}

struct dump {
    uint16_t type;
    vdpad_filter_cb *cb;
    void *aux;
};

static int
on_message(void *dump_, uint16_t type, const void *payload, size_t len)
{
    const struct dump *dump = dump_;
    struct vdpad_filter filter;
    int error;

    if (type != dump->type) {
        return 0;
    }
    error = vdpad_tc_decode_event(payload, len, &filter);
    if (error) {
        return error == VDPAD_CODEC_SKIP ? 0 : error;
    }
    /* Each priority begins with a message about itself. */
    if (type != RTM_NEWTFILTER || filter.handle) {
        dump->cb(dump->aux, &filter);
    }
    return 0;
}

/* Not in the terse form, which leaves filters of other kinds than flower out:
 * see vdpad_tc_encode_filter_dump(). */
static int
dump_scope(struct vdpad_nl *nl, const struct vdpad_scope *scope,
           uint16_t request, struct dump *dump, struct vdpad_error *why)
{
    struct tcmsg header = header_of(scope);
    struct nl_msg *msg = vdpad_nl_msg(request, NLM_F_DUMP);
    int error = nlmsg_append(msg, &header, sizeof header, NLMSG_ALIGNTO)
                    ? -EMSGSIZE
                    : 0;

    return vdpad_nl_call(nl, msg, error, on_message, dump, why,
                         "%s dump of %s %ld",
                         request == RTM_GETCHAIN ? "chain" : "filter",
                         scope->ifindex ? "ifindex" : "block",
                         scope->ifindex ? (long) scope->ifindex
                                        : (long) scope->block);
}

int
vdpad_scope_filters(struct vdpad_nl *nl, const struct vdpad_scope *scope,
                    vdpad_filter_cb *cb, void *aux, struct vdpad_error *why)
{
    struct dump dump = { RTM_NEWTFILTER, cb, aux };

    return dump_scope(nl, scope, RTM_GETTFILTER, &dump, why);
}

int
vdpad_scope_chains(struct vdpad_nl *nl, const struct vdpad_scope *scope,
                   vdpad_filter_cb *cb, void *aux, struct vdpad_error *why)
{
    struct dump dump = { RTM_NEWCHAIN, cb, aux };

    return dump_scope(nl, scope, RTM_GETCHAIN, &dump, why);
}

/* What vdpad_scope_check_qdisc() has found. */
struct check {
    struct vdpad_filter foreign;
    bool has_foreign;
    uint32_t *chains; /* That have filters of Open vSwitch's, … */
    size_t n;         /* … in the order of the dump: ascending. */
};

static void
check_filter(void *check_, const struct vdpad_filter *filter)
{
    struct check *check = check_;

    if (!vdpad_filter_is_ovs(filter)) {
        check->foreign = *filter;
        check->has_foreign = true;
    } else if (!check->n || check->chains[check->n - 1] != filter->chain) {
        check->chains = vdpad_nl_realloc(check->chains, check->n + 1,
                                         sizeof *check->chains);
        check->chains[check->n++] = filter->chain;
    }
}

/* Open vSwitch makes chains by putting filters in: an empty one is somebody
 * else's.  Chain 0 is always there. */
static void
check_chain(void *check_, const struct vdpad_filter *chain)
{
    struct check *check = check_;

    for (size_t i = 0; i < check->n; i++) {
        if (check->chains[i] == chain->chain) {
            return;
        }
    }
    if (chain->chain && !check->has_foreign) {
        check->foreign = *chain;
        check->has_foreign = true;
    }
}

static int
check_scope(struct vdpad_nl *nl, const struct vdpad_scope *scope,
            struct vdpad_error *why)
{
    struct check check = { .n = 0 };
    int error = vdpad_scope_filters(nl, scope, check_filter, &check, why);

    if (!error) {
        error = vdpad_scope_chains(nl, scope, check_chain, &check, why);
    }
    if (!error && check.has_foreign) {
        error = vdpad_error_set(
            why, -EBUSY,
            check.foreign.prio
                ? "chain %u has a filter of priority %u that is not Open "
                  "vSwitch's"
                : "chain %u is empty and not Open vSwitch's",
            check.foreign.chain, check.foreign.prio);
    }
    free(check.chains);
    return error;
}

struct find {
    int32_t ifindex;
    struct vdpad_qdisc found;
};

static int
on_qdisc(void *find_, uint16_t type, const void *payload, size_t len)
{
    struct find *find = find_;
    struct vdpad_qdisc row;
    int error;

    if (type != RTM_NEWQDISC) {
        return 0;
    }
    error = vdpad_tc_decode_qdisc(payload, len, &row);
    if (!error && row.ifindex == find->ifindex) {
        find->found = row;
    }
    return error < 0 ? error : 0;
}

int
vdpad_scope_check_qdisc(struct vdpad_nl *nl, int32_t ifindex,
                        struct vdpad_error *why)
{
    struct find find = { .ifindex = ifindex };
    struct nl_msg *msg = vdpad_nl_msg(RTM_GETQDISC, NLM_F_DUMP);
    int error = vdpad_tc_encode_qdisc_dump(msg);

    error = vdpad_nl_call(nl, msg, error, on_qdisc, &find, why, "qdisc dump");
    if (!error && !find.found.ifindex) {
        /* It was there a moment ago: a dump that passed over it, or another
         * program, and then it is not known which blocks it would have. */
        return vdpad_error_set(why, -EINTR,
                               "the qdisc of ifindex %d is gone, or was not "
                               "told",
                               (int) ifindex);
    }
    for (int egress = 0; !error && egress <= find.found.clsact; egress++) {
        uint32_t block = egress ? find.found.egress_block
                                : find.found.ingress_block;
        struct vdpad_scope scope = {
            .ifindex = block ? 0 : ifindex,
            .block = block,
            .egress = egress,
        };

        error = check_scope(nl, &scope, why);
    }
    return error;
}

struct to_delete {
    uint32_t chain, prio;
    struct vdpad_filter *filters;
    size_t n, capacity;
};

static void
collect(void *to_delete_, const struct vdpad_filter *filter)
{
    struct to_delete *d = to_delete_;

    if (filter->chain == d->chain && filter->prio == d->prio
        && vdpad_filter_is_ovs(filter) && d->n < DELETE_MAX) {
        if (d->n == d->capacity) {
            d->capacity = d->capacity ? 2 * d->capacity : 64;
            d->filters = vdpad_nl_realloc(d->filters, d->capacity,
                                          sizeof *d->filters);
        }
        d->filters[d->n++] = *filter;
    }
}

static int
del_filter(struct vdpad_nl *nl, const struct vdpad_scope *scope,
           const struct vdpad_filter *filter, struct vdpad_error *why)
{
    struct tcmsg header = header_of(scope);
    struct nl_msg *msg = vdpad_nl_msg(RTM_DELTFILTER, 0);
    int error;

    header.tcm_handle = filter->handle;
    header.tcm_info = TC_H_MAKE((uint32_t) filter->prio << 16,
                                filter->protocol);
    error = nlmsg_append(msg, &header, sizeof header, NLMSG_ALIGNTO)
                    || nla_put_string(msg, TCA_KIND, "flower")
                    || nla_put_u32(msg, TCA_CHAIN, filter->chain)
                ? -EMSGSIZE
                : 0;
    error = vdpad_nl_call(nl, msg, error, NULL, NULL, why,
                          "delete filter %#x of chain %u, priority %u",
                          filter->handle, filter->chain, filter->prio);
    /* Gone meanwhile, perhaps with its priority, its chain or its qdisc. */
    return error == -ENOENT || error == -EINVAL ? 0 : error;
}

/* Looks whether an ovs-vswitchd has begun since 'ticks': it may claim what is
 * being deleted. */
static int
check_claim(uint64_t ticks, struct vdpad_error *why)
{
    uint64_t began;
    int32_t pid;
    int error = vdpad_vswitchd_newest(&pid, &began);

    if (error) {
        return vdpad_error_set(why, error, "read /proc: %s", strerror(-error));
    }
    return pid && began > ticks
               ? vdpad_error_set(why, -EBUSY,
                                 "an ovs-vswitchd (pid %d) has begun, whose "
                                 "filters the rest may be",
                                 (int) pid)
               : 0;
}

int
vdpad_scope_del_ovs(struct vdpad_nl *nl, const struct vdpad_scope *scope,
                    uint32_t chain, uint32_t prio, struct vdpad_error *why)
{
    struct to_delete d = { .chain = chain, .prio = prio };
    uint64_t ticks;
    int32_t pid;
    size_t last, n_deleted = 0;
    int error = vdpad_vswitchd_newest(&pid, &ticks);

    if (error) {
        return vdpad_error_set(why, error, "read /proc: %s", strerror(-error));
    }
    do {
        d.n = 0;
        error = vdpad_scope_filters(nl, scope, collect, &d, why);
        last = d.n;
        for (size_t i = 0; !error && i < d.n; i++) {
            if (n_deleted++ % DELETE_SLICE == DELETE_SLICE - 1) {
                error = check_claim(ticks, why);
            }
            if (!error) {
                error = del_filter(nl, scope, &d.filters[i], why);
            }
        }
    } while (!error && last == DELETE_MAX);
    free(d.filters);
    return error;
}
