/* SPDX-License-Identifier: Apache-2.0 */
/* Key and certificates that are replaced while the daemon runs.
 *
 * libopenvswitch reads a file again when its name or time differs from what it
 * has read, but each file alone, and OpenSSL takes neither a key that does not
 * belong to the certificate nor keeps one of which the certificate has been
 * replaced.  So both are read again whenever one of them has changed, under
 * another spelling of their names. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openvswitch/util.h>
#include <ovs/stream-ssl.h>
#include <ovs/timeval.h>
#include <ovs/util.h>
#include <vdpad/log.h>

#include "internal.h"

/* Between two looks. */
#define LOOK_MS 1000

struct file {
    char *name; /* Absolute: --detach changes the directory; NULL: none. */
    struct stat read;
    bool is_dotted; /* How it was spelled last. */
};

static struct file files[VDPAD_TLS_N];
static bool is_bootstrap; /* Of the CA. */
static long long int next_ms;

void
vdpad_tls_note(enum vdpad_tls_file which, const char *name, bool bootstrap)
{
    struct file *file = &files[which];

    free(file->name);
    file->name = abs_file_name(NULL, name);
    memset(&file->read, 0, sizeof file->read);
    if (file->name) {
        (void) stat(file->name, &file->read);
    }
    is_bootstrap = which == VDPAD_TLS_CA ? bootstrap : is_bootstrap;
}

/* Whether the file is another one than was read; not while there is none, or
 * none that may be read (--user): what was read is better then. */
static bool
has_changed(struct file *file)
{
    struct stat now;
    bool changed;

    if (!file->name || stat(file->name, &now) || access(file->name, R_OK)) {
        return false;
    }
    changed = now.st_mtim.tv_sec != file->read.st_mtim.tv_sec
              || now.st_mtim.tv_nsec != file->read.st_mtim.tv_nsec
              || now.st_ino != file->read.st_ino
              || now.st_dev != file->read.st_dev
              || now.st_size != file->read.st_size;
    file->read = now;
    return changed;
}

/* The name, which is not spelled as the last time; the caller frees it. */
static char *
spell(struct file *file)
{
    file->is_dotted = !file->is_dotted;
    return xasprintf("%s%s", file->is_dotted ? "/." : "", file->name);
}

static void
renew_ca(void)
{
    char *ca = spell(&files[VDPAD_TLS_CA]);

    stream_ssl_set_ca_cert_file(ca, is_bootstrap);
    free(ca);
}

static void
renew_pair(void)
{
    char *certificate = spell(&files[VDPAD_TLS_CERTIFICATE]);
    char *key = spell(&files[VDPAD_TLS_KEY]);

    stream_ssl_set_key_and_cert(key, certificate);
    free(certificate);
    free(key);
}

void
vdpad_tls_renew(void)
{
    const struct file *key = &files[VDPAD_TLS_KEY];
    const struct file *certificate = &files[VDPAD_TLS_CERTIFICATE];
    bool has_pair = key->name && certificate->name;
    bool pair, ca;

    if (time_msec() < next_ms) {
        return;
    }
    next_ms = time_msec() + LOOK_MS;
    pair = has_changed(&files[VDPAD_TLS_KEY]);
    pair |= has_changed(&files[VDPAD_TLS_CERTIFICATE]);
    pair &= has_pair && !access(key->name, R_OK)
            && !access(certificate->name, R_OK);
    ca = has_changed(&files[VDPAD_TLS_CA]);
    if (!pair && !ca) {
        return;
    }
    vdpad_log(VDPAD_LOG_INFO, "TLS: %s%s%s changed: read again",
              pair ? "key or certificate" : "", pair && ca ? " and " : "",
              ca ? "--ca-cert" : "");
    if (pair) {
        renew_pair();
    }
    if (ca) {
        renew_ca();
    }
}
