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

/* Adds what the store holds to 'usage', for memory/show. */
void vdpad_store_memory_usage(struct simap *usage);

#endif
