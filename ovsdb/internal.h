/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of ovsdb/ share beside snapshot.h and store-ops.h. */
#ifndef VDPAD_OVSDB_INTERNAL_H
#define VDPAD_OVSDB_INTERNAL_H 1

#include <stdbool.h>
#include <stdint.h>

struct simap;
struct stream;

/* Of OVS's stream.h, which cannot be included without OVS's config.h. */
void stream_usage(const char *name, bool active, bool passive, bool bootstrap);
int stream_or_pstream_needs_probes(const char *name);
int stream_open(const char *name, struct stream **, uint8_t dscp);

/* Files of the command line that vdpad_tls_renew() looks at. */
enum vdpad_tls_file {
    VDPAD_TLS_KEY,
    VDPAD_TLS_CERTIFICATE,
    VDPAD_TLS_CA,
    VDPAD_TLS_N
};

/* Notes that 'name' has been read; 'bootstrap' of the CA: --bootstrap-ca-cert.
 */
void vdpad_tls_note(enum vdpad_tls_file which, const char *name,
                    bool bootstrap);

/* To be called before a connection is made: reads again what has been
 * replaced. */
void vdpad_tls_renew(void);

/* Adds what the store holds to 'usage', for memory/show. */
void vdpad_store_memory_usage(struct simap *usage);

#endif
