/* SPDX-License-Identifier: Apache-2.0 */
/* The database over OVS's IDL: one connection that is kept up in the
 * background, a snapshot whenever the replica changed, one transaction at a
 * time. */
#include <vdpad/ovsdb-store.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openvswitch/poll-loop.h>
#include <ovs/dns-resolve.h>
#include <ovs/fatal-signal.h>
#include <ovs/ovsdb-idl.h>
#include <ovs/timeval.h>
#include <ovs/util.h>
#include <ovs/vswitch-idl.h>
#include <vdpad/log.h>

#include "internal.h"
#include "snapshot.h"
#include "store-ops.h"

/* How long the server may take for a transaction.  Then the connection counts
 * as dead, which also ends the transaction. */
#define COMMIT_TIMEOUT_MS 30000

/* Between probes of a TCP or TLS connection that is silent; OVS's own 5 s
 * would wake an idle daemon up for nothing.  A unix socket tells by itself
 * when its other end is gone. */
#define PROBE_INTERVAL_MS 30000

struct store {
    struct vdpad_store up;
    char *remote;
    bool dry_run;
    struct ovsdb_idl *idl;
    unsigned int seqno;      /* Of the IDL, when 'snapshot' was made. */
    unsigned int mute_seqno; /* Likewise, before it was connected. */
    bool is_linked;          /* It was connected in the last run(), */
    bool is_synced;          /* and the server has told its contents. */
    uint64_t serial;
    struct vdpad_snapshot *snapshot; /* NULL before the first. */

    struct ovsdb_idl_txn *txn; /* Under way; NULL: none. */
    long long int deadline;    /* Of 'txn', as time_msec(). */
    vdpad_committed_cb *cb;
    void *aux;
    int ops_error; /* Of operations that were left out. */
    struct vdpad_error ops_why;
};

/* For memory/show. */
static const struct store *the_store;

static struct store *
store_cast(const struct vdpad_store *up)
{
    return CONTAINER_OF(up, struct store, up);
}

void
vdpad_store_memory_usage(struct simap *usage)
{
    if (the_store) {
        ovsdb_idl_get_memory_usage(the_store->idl, usage);
    }
}

static const struct vdpad_snapshot *
store_snapshot(struct vdpad_store *up)
{
    return store_cast(up)->snapshot;
}

static bool
store_is_connected(const struct vdpad_store *up)
{
    const struct store *s = store_cast(up);
    return s->snapshot && s->is_synced && ovsdb_idl_is_connected(s->idl);
}

static const char *
store_why_disconnected(const struct vdpad_store *up)
{
    const struct store *s = store_cast(up);
    int error = ovsdb_idl_get_last_error(s->idl);
    bool is_tls = !strncmp(s->remote, "ssl:", 4);

    if (ovsdb_idl_is_connected(s->idl)) {
        return s->is_synced ? "" : "the server has not answered yet";
    }
    if (!error) {
        return "";
    }
    /* What OpenSSL says goes into OVS's log alone. */
    if (is_tls && error == EPROTO) {
        return "TLS failed; the log has the reason: one of the two does not "
               "accept the other's certificate (--ca-cert, --certificate)";
    }
    /* In TLS 1.3 a server looks at our certificate when for us the connection
     * is there already. */
    if (is_tls && !s->snapshot && (error == EIO || error == EPIPE)) {
        return "TLS failed: the server ended the connection; the log has the "
               "reason: it does not accept our certificate (--certificate)";
    }
    if (is_tls && error == ENOPROTOOPT) {
        return "TLS needs --private-key, --certificate and --ca-cert";
    }
    return ovs_retval_to_string(error);
}

static const char *
store_remote(const struct vdpad_store *up)
{
    return store_cast(up)->remote;
}

static int
store_commit(struct vdpad_store *up, const struct vdpad_dbop *ops, size_t n,
             vdpad_committed_cb *cb, void *aux)
{
    struct store *s = store_cast(up);

    if (s->dry_run) {
        return -EROFS;
    }
    if (s->txn) {
        return -EBUSY;
    }
    if (!store_is_connected(up)) {
        return -ENOTCONN;
    }

    s->txn = ovsdb_idl_txn_create(s->idl);
    s->ops_error = vdpad_ops_apply(s->idl, s->txn, s->snapshot, ops, n,
                                   &s->ops_why);
    ovsdb_idl_txn_add_comment(s->txn, "ovs-vdpad: %" PRIuSIZE " operations",
                              n);
    s->cb = cb;
    s->aux = aux;
    s->deadline = time_msec() + COMMIT_TIMEOUT_MS;
    /* This only sends; what came of it is looked at in run().  Where the
     * connection is there but the server has not answered with its contents
     * yet, nothing can be sent: to be told so later would have the caller try
     * again and again. */
    if (ovsdb_idl_txn_commit(s->txn) == TXN_TRY_AGAIN) {
        ovsdb_idl_txn_destroy(s->txn);
        s->txn = NULL;
        return -ENOTCONN;
    }
    return 0;
}

/* Copies the member 'name' of the server's error, a JSON object in one line,
 * to 'buf'; "" if there is none. */
static void
error_member(const char *json, const char *name, char *buf, size_t size)
{
    char *key = xasprintf("\"%s\":\"", name);
    const char *s = strstr(json, key);
    size_t n = 0;

    for (s = s ? s + strlen(key) : ""; *s && *s != '"' && n + 1 < size; s++) {
        if (*s == '\\' && s[1]) {
            s++;
        }
        buf[n++] = *s;
    }
    buf[n] = '\0';
    free(key);
}

static int
server_error(const char *json, struct vdpad_error *why)
{
    char kind[64], details[VDPAD_ERROR_TEXT];
    int code;

    error_member(json, "error", kind, sizeof kind);
    error_member(json, "details", details, sizeof details);
    if (strstr(details, "identical values")) {
        /* Somebody else added a row of the same name at the same time. */
        code = -EEXIST;
    } else if (strstr(kind, "constraint violation")) {
        code = -EINVAL;
    } else if (strstr(kind, "permission") || strstr(kind, "not allowed")) {
        code = -EPERM;
    } else {
        code = -EIO;
    }
    return vdpad_error_set(why, code,
                           "the database refused the change: "
                           "%s%s%s",
                           kind[0] ? kind : json, details[0] ? ": " : "",
                           details);
}

/* Ends the transaction if it is decided. */
static void
run_txn(struct store *s)
{
    enum ovsdb_idl_txn_status status = ovsdb_idl_txn_commit(s->txn);
    struct vdpad_error why = { .code = 0 };
    int error;

    switch (status) {
    case TXN_INCOMPLETE:
    case TXN_UNCOMMITTED:
        if (time_msec() >= s->deadline) {
            vdpad_log(VDPAD_LOG_WARN,
                      "%s: no answer to a transaction for %d s, reconnecting",
                      s->remote, COMMIT_TIMEOUT_MS / 1000);
            s->deadline = LLONG_MAX;
            ovsdb_idl_force_reconnect(s->idl);
        }
        return;

    case TXN_SUCCESS:
    case TXN_UNCHANGED:
        error = s->ops_error;
        why = s->ops_why;
        break;

    case TXN_TRY_AGAIN:
    case TXN_NOT_LOCKED:
    case TXN_ABORTED:
        error = vdpad_error_set(&why, -EAGAIN,
                                "the database changed "
                                "meanwhile, or the connection was lost");
        break;

    case TXN_ERROR:
    default:
        error = server_error(ovsdb_idl_txn_get_error(s->txn), &why);
        break;
    }

    vdpad_committed_cb *cb = s->cb;
    void *aux = s->aux;
    ovsdb_idl_txn_destroy(s->txn);
    s->txn = NULL;
    if (cb) {
        cb(aux, error, &why);
    }
}

/* A server that hangs accepts connections all the same.  The IDL's number
 * grows with the first answer, even when that brings nothing new. */
static void
look_at_link(struct store *s, unsigned int seqno_before)
{
    if (!ovsdb_idl_is_connected(s->idl)) {
        s->is_linked = s->is_synced = false;
        return;
    }
    if (!s->is_linked) {
        s->is_linked = true;
        s->mute_seqno = seqno_before;
    }
    s->is_synced |= ovsdb_idl_get_seqno(s->idl) != s->mute_seqno;
}

static void
store_run(struct vdpad_store *up)
{
    struct store *s = store_cast(up);
    unsigned int before = ovsdb_idl_get_seqno(s->idl);

    if (!ovsdb_idl_is_connected(s->idl)) {
        vdpad_tls_renew();
    }
    ovsdb_idl_run(s->idl);
    look_at_link(s, before);

    unsigned int seqno = ovsdb_idl_get_seqno(s->idl);
    if (ovsdb_idl_has_ever_connected(s->idl)
        && (!s->snapshot || seqno != s->seqno)) {
        vdpad_snapshot_free(s->snapshot);
        s->snapshot = vdpad_snapshot_new(s->idl, ++s->serial);
        s->seqno = seqno;
    }
    if (s->txn) {
        run_txn(s);
    }
}

static void
store_wait(struct vdpad_store *up)
{
    struct store *s = store_cast(up);

    ovsdb_idl_wait(s->idl);
    if (s->txn) {
        ovsdb_idl_txn_wait(s->txn);
        if (s->deadline != LLONG_MAX) {
            poll_timer_wait_until(s->deadline);
        }
    }
}

static void
store_destroy(struct vdpad_store *up)
{
    struct store *s = store_cast(up);

    if (s->txn) {
        ovsdb_idl_txn_destroy(s->txn);
    }
    ovsdb_idl_destroy(s->idl);
    vdpad_snapshot_free(s->snapshot);
    if (the_store == s) {
        the_store = NULL;
        dns_resolve_destroy();
    }
    free(s->remote);
    free(s);
}

struct vdpad_store *
vdpad_ovsdb_store_new(const char *remote, bool dry_run)
{
    static const struct vdpad_store_ops ops = {
        .snapshot = store_snapshot,
        .commit = store_commit,
        .is_connected = store_is_connected,
        .why_disconnected = store_why_disconnected,
        .remote = store_remote,
        .run = store_run,
        .wait = store_wait,
        .destroy = store_destroy,
    };
    struct store *s = xzalloc(sizeof *s);

    /* The server may be gone when we write. */
    fatal_ignore_sigpipe();
    if (!the_store) {
        the_store = s;
        dns_resolve_init(true);
    }
    s->up.ops = &ops;
    s->remote = xstrdup(remote);
    s->dry_run = dry_run;
    s->idl = ovsdb_idl_create(remote, &ovsrec_idl_class, false, true);
    vdpad_snapshot_monitor(s->idl);
    ovsdb_idl_set_probe_interval(s->idl, stream_or_pstream_needs_probes(remote)
                                             ? PROBE_INTERVAL_MS
                                             : 0);
    return &s->up;
}
